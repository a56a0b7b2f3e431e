"""What holds whatever a strategy answers: its steps are taken, the flight of traffic is not its.

Strategies here answer anything at all: that the analysis has begun or not, any step, none. What a
good strategy answers, the tests of each one say.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import decide
from analysis.decisions import Decision
from analysis.findings import Findings
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.state import RolloutState
from analysis.strategies import Step
from config.api.canary import Canary
from config.derived import StrategyKind
from config.traffic import ALL_TO_PRIMARY, Feature, Mirror, TrafficSplit
from tests.unit.analysis import arbitrary, worlds

any_time = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True, slots=True)
class Anything:
    """A strategy that gives the same answers to every question."""

    begun: bool
    step: Step | None
    kind: ClassVar[StrategyKind] = StrategyKind.BLUE_GREEN
    features: ClassVar[frozenset[Feature]] = frozenset()
    confirms_increase: ClassVar[bool] = True

    def has_begun(self, state: RolloutState) -> bool:  # noqa: ARG002 - always the same
        """The same for every state."""
        return self.begun

    def next_step(self, canary: Canary, state: RolloutState) -> Step | None:  # noqa: ARG002
        """Any step."""
        return self.step

    def resume(self, canary: Canary, state: RolloutState, live: TrafficSplit) -> Step:  # noqa: ARG002
        """Any step."""
        return self.step or Step(ALL_TO_PRIMARY, 0)


strategies = st.builds(
    Anything, st.booleans(), st.none() | st.builds(Step, arbitrary.splits, st.integers(0, 9))
)
analysed = arbitrary.steady() | arbitrary.accepted(Phase.PROGRESSING)


def test_a_check_that_does_not_pass_takes_no_step_of_any_strategy() -> None:
    """Invariant 6, without trust in a strategy: the split stays, or all goes to the primary."""
    decisions: list[str] = []

    @any_time
    @given(seen=analysed, found=arbitrary.halting, strategy=strategies)
    def check(seen: Observation, found: Findings, strategy: Anything) -> None:
        seen = replace(seen, strategy=replace(strategy, begun=True))
        outcome = decide.decide(seen, found)
        assert seen.state
        others = {"skip_analysis", "primary_lost"}  # the first asks no check, the second no weight
        if isinstance(outcome, Decision) and outcome.rule not in others:
            decisions.append(outcome.rule)
            before, after = seen.state.route.split, outcome.state.route.split
            assert after in {before, ALL_TO_PRIMARY.after(before)}
            assert outcome.state.phase is not Phase.PROMOTING

    check()
    assert decisions.count("halt_on_check") >= 5


def test_no_strategy_keeps_traffic_on_a_failed_canary() -> None:
    """A rollback is decided without asking it: 100/0, no mirror, nobody chosen, no iterations."""
    failed = 0

    @any_time
    @given(seen=analysed, found=arbitrary.halting, strategy=strategies)
    def check(seen: Observation, found: Findings, strategy: Anything) -> None:
        nonlocal failed
        outcome = decide.decide(replace(seen, threshold=1, strategy=strategy), found)
        if isinstance(outcome, Decision) and outcome.state.phase is Phase.FAILED:
            failed += 1
            assert replace(outcome.state.route.split, affinity=None) == ALL_TO_PRIMARY
            assert outcome.state.iterations == 0

    check()
    assert failed >= 5


def test_a_step_is_taken_as_the_strategy_says_it() -> None:
    """Split, iterations and story of a step are those of the strategy, letter by letter."""
    seen = worlds.seen(worlds.progressing(20))
    step = Step(TrafficSplit(100, 0, mirror=Mirror(10)), 7)
    taken = decide.decide(replace(seen, strategy=Anything(begun=True, step=step)), worlds.PASSED)
    assert isinstance(taken, Decision)
    assert (taken.rule, taken.events) == ("advance", ())
    assert (taken.state.route.split, taken.state.iterations) == (step.split, 7)
    promoted = decide.decide(replace(seen, strategy=Anything(begun=True, step=None)), worlds.PASSED)
    assert promoted.rule == "promote"
