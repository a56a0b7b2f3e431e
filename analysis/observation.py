"""Everything a decision may know, gathered before it is made.

An absent thing is None. `tasks.gather` is the only builder outside tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analysis import effects
from analysis.state import Acceptance, RolloutState
from analysis.strategies import Strategy
from clients.documents.confirmed import Confirmed
from clients.documents.world import TemplateView
from config.api.canary import Canary
from config.readiness import Readiness
from config.refs import CanaryRef
from config.traffic import TrafficSplit
from config.validation.problems import Problem


@dataclass(frozen=True, slots=True)
class Workload:
    """A target or a primary as decisions see it, of whatever kind.

    `generation` is the spec generation this view shows, `available` the number of available pods,
    of whatever revision; `patience_ends` is when an unready workload runs out of its progress
    deadline, None when no clock is running. `configs` are the digests of the tracked ConfigMaps and
    Secrets that are a part of the revision, by key; `images` those of its containers.
    """

    revision: str
    generation: int
    replicas: int
    available: int
    readiness: Readiness
    patience_ends: datetime | None = None
    configs: Mapping[str, str] = field(default_factory=dict)
    images: tuple[str, ...] = ()

    @property
    def has_pods(self) -> bool:
        """Whether there are pods, or will be, be they available or not."""
        return self.replicas > 0 or self.available > 0


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
    since: datetime | None = None
    """When the phase was entered; None when that cannot be read."""
    acceptance: Acceptance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One canary at one moment.

    `canary` is the last manifest that could be carried out, `problems` those of the manifest as it
    stands now; `generation` and `uid` are of the latter. `finalizer` tells whether ours is on the
    object. `interval` and `threshold` are those in force, `strategy` is that of `canary`.
    `in_force` is the split read from the live route, None when there is no readable one.
    Pods that a route leads nobody to any more stay for `scale_down_delay`.
    `unknown_configs` says what keeps the contents of tracked ConfigMaps and Secrets from being
    known, empty when they are: until then workloads count as unchanged. `templates` are the
    MetricTemplates that `canary` names, as `World.templates`.
    """

    now: datetime
    ref: CanaryRef
    uid: str
    generation: int
    canary: Canary | None
    strategy: Strategy | None
    interval: timedelta
    threshold: int = 1
    scale_down_delay: timedelta = timedelta(0)
    deleting: bool = False
    finalizer: bool = False
    problems: tuple[Problem, ...] = ()
    version: int = 0
    state: RolloutState | None = None
    confirmed: Confirmed = field(default_factory=Confirmed)
    target: Workload | None = None
    primary: Workload | None = None
    in_force: TrafficSplit | None = None
    status: PastStatus | None = None
    unknown_configs: str = ""
    templates: Mapping[str, TemplateView] = field(default_factory=dict)

    @property
    def held_until(self) -> datetime | None:
        """Until when the canary keeps its pods although it is to have none."""
        if self.state is None or self.target is None:
            return None
        available, delay = self.target.available, self.scale_down_delay
        return effects.held_until(self.state, self.confirmed, available, delay, self.now)

    @property
    def refusals(self) -> tuple[Problem, ...]:
        """The problems that keep the manifest, as it stands, from being accepted."""
        return tuple(problem for problem in self.problems if problem.blocking)
