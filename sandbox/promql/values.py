"""The four types a PromQL expression can have, as values.

Times are whole milliseconds since the epoch, as inside Prometheus: comparing instants as floats
would make the edges of a window depend on rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.promql import errors
from sandbox.promql.labels import Labels


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series at the instant of evaluation."""

    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Window:
    """The samples of one series in a time range, oldest first; both sequences have one length."""

    labels: Labels
    times_ms: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number without labels."""

    value: float


@dataclass(frozen=True, slots=True)
class String:
    """A string literal."""

    value: str


@dataclass(frozen=True, slots=True)
class Vector:
    """At most one sample per label set, all at one instant."""

    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Windows over the same range, `start_ms` to `end_ms` inclusive."""

    windows: tuple[Window, ...]
    start_ms: int
    end_ms: int


Value = Scalar | String | Vector | Matrix


def unique(samples: Sequence[Sample]) -> Vector:
    """A vector of `samples`; raises ExecutionError when two have the same labels."""
    if len({sample.labels for sample in samples}) < len(samples):
        raise errors.ExecutionError("vector cannot contain metrics with the same labelset")
    return Vector(tuple(samples))
