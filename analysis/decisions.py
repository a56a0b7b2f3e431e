"""What rules can answer: a decision, a question, or rest. All of them values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from analysis.events import Event
from analysis.findings import Findings
from analysis.observation import Observation, Workload
from analysis.state import RolloutState
from analysis.strategies import Strategy
from config.api.canary import Canary


@dataclass(frozen=True, slots=True)
class Decision:
    """A new state and the story of it; it becomes true when it is committed.

    `reason` is CamelCase, `due` when to look again (None: nothing is expected to happen by
    itself). `rule` is set by `decide`, which knows whose decision it is. Effects are not listed:
    they are the difference between the state and what is confirmed (`effects.outstanding`).
    """

    reason: str
    message: str
    state: RolloutState
    events: tuple[Event, ...] = ()
    due: datetime | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True)
class AskChecks:
    """The metric checks of the canary must be known to decide."""

    rule: str = ""


@dataclass(frozen=True, slots=True)
class AskBackends:
    """Whether the metric servers answer must be known to decide."""

    rule: str = ""


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do before `until`; None when only the world can change that.

    `waits` says that what the state waits for lasts.
    """

    until: datetime | None = None
    rule: str = ""
    waits: bool = False


Ruling = Decision | AskChecks | AskBackends | Rest
"""What a rule can say. What becomes of a write is an `Outcome` (`clients.documents.outcome`)."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule is asked about: an accepted canary, its state, and what was found out.

    Rules look at `target` and `primary` here, never at the views of the observation: a view that
    is older than our own last write proves nothing, neither a revision nor that pods are there.
    """

    observation: Observation
    findings: Findings
    canary: Canary
    strategy: Strategy
    state: RolloutState

    @property
    def now(self) -> datetime:
        """The moment of the observation."""
        return self.observation.now

    @property
    def target(self) -> Workload | None:
        """The target as it is now; None when it is gone, and when that is not known."""
        return _current(self.observation.target, self.observation.confirmed.target_generation)

    @property
    def primary(self) -> Workload | None:
        """The primary as it is now; None when it is gone, and when that is not known."""
        return _current(self.observation.primary, self.observation.confirmed.primary_generation)


def _current(view: Workload | None, written: int) -> Workload | None:
    """`view`, unless it is older than the generation `written` by our own last write."""
    return view if view and view.generation >= written else None


Rule = Callable[[Case], Ruling | None]
"""None passes the case on to the next rule of the chain."""
