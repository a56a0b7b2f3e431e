"""Whether a workload can take traffic, as a value with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Readiness:
    """A judgement on one workload.

    `retriable` is False once its progress deadline has passed: waiting longer will not help.
    `message` says what is missing, in the words users find in events; empty when ready.
    """

    ready: bool
    retriable: bool = True
    message: str = ""


READY: Final = Readiness(ready=True)

WAITING: Final = "waiting for rollout to finish: "
"""Begins what is missing for readiness that time may bring."""


def stale(kind: str) -> Readiness:
    """The judgement on a workload of which only an older view is known; `kind` is its word."""
    message = f"{WAITING}observed {kind} generation less than desired generation"
    return Readiness(ready=False, message=message)
