"""Everything a decision may know, gathered before it is made.

An absent thing is None. `tasks.gather` is the only builder outside tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analysis.state import RolloutState
from analysis.strategies import Strategy
from config.api.canary import Canary
from config.readiness import Readiness
from config.refs import CanaryRef
from config.traffic import TrafficSplit


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment as decisions see it.

    `generation` is the spec generation this view shows; `patience_ends` is when an unready
    workload runs out of its progress deadline, None when no clock is running.
    """

    revision: str
    generation: int
    replicas: int
    readiness: Readiness
    patience_ends: datetime | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What has been brought about, as its writers confirmed it.

    `target_generation` and `primary_generation` are the spec generations that our own writes
    produced: a view that shows less is older than what we did. `trouble` is what keeps the writers
    from bringing about the rest, in words for an event; empty when nothing does. `mending` names
    the effects that it is about: they are tried again, also those that were in force before.
    """

    route_seq: int = 0
    route_at: datetime | None = None
    workload_seq: int = 0
    target_generation: int = 0
    primary_generation: int = 0
    status_version: int = 0
    trouble: str = ""
    mending: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    """Those of them that would be refused again: trying often would only load the API server."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the manifest as last edited, in words for its author.

    `blocking` problems keep the edit from being carried out at all.
    """

    reason: str
    message: str
    blocking: bool


@dataclass(frozen=True, slots=True)
class PastStatus:
    """What `.status` says of a rollout whose working state is gone."""

    phase: str
    weight: int
    failed_checks: int
    iterations: int
    applied: str
    promoted: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One canary at one moment.

    `canary` is the last manifest that could be carried out, `problems` those of the manifest as it
    stands now; `generation` and `uid` are of the latter. `interval` and `threshold` are those in
    force, `strategy` is that of `canary`. `claimed` says that the target belongs to another canary.
    `in_force` is the split read from the live route, None when there is no readable one.
    """

    now: datetime
    ref: CanaryRef
    uid: str
    generation: int
    canary: Canary | None
    strategy: Strategy | None
    interval: timedelta
    threshold: int = 1
    deleting: bool = False
    claimed: bool = False
    problems: tuple[Problem, ...] = ()
    version: int = 0
    state: RolloutState | None = None
    confirmed: Confirmed = field(default_factory=Confirmed)
    target: Workload | None = None
    primary: Workload | None = None
    in_force: TrafficSplit | None = None
    status: PastStatus | None = None
