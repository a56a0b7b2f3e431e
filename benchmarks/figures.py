"""From what was seen to figures: how late, how long. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from analysis import cadence
from config.refs import CanaryRef

Entry = Mapping[str, Any]
"""One entry of a timeline."""


@dataclass(frozen=True, slots=True)
class Check:
    """One analysis of one canary: when it was due, when it was made, and the split it left."""

    ref: CanaryRef
    due: datetime
    at: datetime
    percent: int


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The smallest value that `percent` of `values` do not exceed; None of no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def checks(ref: CanaryRef, entries: Sequence[Entry], interval: timedelta) -> list[Check]:
    """The analyses in `entries`, which begin with the rollout; due as `cadence` plans them.

    A check that the planner put off, because its split came into force late, counts as late here.
    """
    found: list[Check] = []
    due: datetime | None = None
    for entry in entries:
        at = datetime.fromisoformat(entry["at"])
        if entry["checks"] and due is not None:
            found.append(Check(ref, due, at, canary_percent(entry)))
            due = cadence.next_check(due, at, interval)
        elif due is None and canary_percent(entry):
            due = cadence.first_check(at, interval)
    return found


def canary_percent(entry: Entry) -> int:
    """The canary's share in the split of `entry`, read as `primary/canary[+mirror]`."""
    return int(str(entry["split"]).partition("+")[0].rpartition("/")[2])


def lateness(made: Iterable[Check]) -> list[float]:
    """Seconds from when each check was due to when a worker began it."""
    return [(check.at - check.due).total_seconds() for check in made]


def step_lateness(
    made: Iterable[Check], weighed: Mapping[CanaryRef, Mapping[int, datetime]]
) -> list[float]:
    """Seconds from when a step's check was due to when the route had its weight.

    `weighed` is when each canary was first seen at each percent.
    """
    steps = {(check.ref, check.percent): check.due for check in reversed(list(made))}
    return [
        (weighed[ref][percent] - due).total_seconds()
        for (ref, percent), due in steps.items()
        if percent in weighed.get(ref, {})
    ]
