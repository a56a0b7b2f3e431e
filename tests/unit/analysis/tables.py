"""How tables of worlds and decisions are written down: a world, and the answer to it."""

from dataclasses import dataclass, field
from datetime import datetime

from analysis import decide
from analysis.decisions import AskBackends, AskChecks, Decision
from analysis.findings import Findings
from analysis.observation import Observation
from tests.unit.analysis.worlds import NOW


@dataclass(frozen=True)
class Decided:
    """A decision as users see it: the rule, where the rollout is then, what is said, when next."""

    rule: str
    phase: str
    split: str
    said: list[str] = field(default_factory=list)
    due: float | None = None
    """Seconds from now; None when nothing is expected to happen by itself."""


@dataclass(frozen=True)
class Rests:
    """Nothing is decided before `until` seconds from now."""

    rule: str
    until: float | None = None


@dataclass(frozen=True)
class Asks:
    """Something has to be found out first."""

    rule: str
    question: str


Answer = Decided | Rests | Asks


def answer(seen: Observation, found: Findings | None = None) -> Answer:
    """What the composed chain of rules says."""
    outcome = decide.decide(seen, found or Findings())
    match outcome:
        case Decision(state=state, events=events, due=due, rule=rule):
            said = [event.message for event in events]
            split = str(state.route.split)
            return Decided(rule, state.phase.value, split, said, _seconds(due))
        case AskChecks(rule=rule):
            return Asks(rule, "checks")
        case AskBackends(rule=rule):
            return Asks(rule, "providers")
        case _:
            return Rests(outcome.rule, _seconds(outcome.until))


def decision(seen: Observation, found: Findings | None = None) -> Decision:
    """The decision itself, for what its state says beyond `answer`."""
    outcome = decide.decide(seen, found or Findings())
    assert isinstance(outcome, Decision), outcome
    return outcome


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else round((moment - NOW).total_seconds(), 3)
