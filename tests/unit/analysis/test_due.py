"""When a canary is looked at after a decision: a look that would only rest is not made."""

from dataclasses import replace
from datetime import timedelta

from analysis import decide
from analysis.decisions import Decision, Rest
from analysis.findings import Findings
from analysis.observation import Observation
from analysis.phases import Phase
from tests.unit.analysis import arbitrary, worlds
from tests.unit.analysis.properties import holds
from tests.unit.analysis.worlds import NEW, NOW


@holds(least=10, seen=arbitrary.accepted(), found=arbitrary.findings)
def test_a_look_is_made_at_once_unless_it_would_rest(seen: Observation, found: Findings) -> bool:
    """Then when that rest ends. A time to come stays as the rule said."""
    decision = decide.decide(seen, found)
    if not isinstance(decision, Decision):
        return False
    due = decide.due(seen, decision)
    if decision.due != seen.now:
        assert due == decision.due
        return False
    after = replace(seen, state=decision.state, version=seen.version + 1)
    look = decide.decide(after, Findings())
    assert due == (look.until if isinstance(look, Rest) else seen.now)
    return True


def test_a_rollback_is_looked_at_when_its_route_should_be_in_force() -> None:
    """Not before: it has to be, for the canary to be scaled down."""
    seen = worlds.seen(worlds.progressing(20, failed_checks=2))
    decision = decide.decide(seen, worlds.FAILED)
    assert isinstance(decision, Decision)
    assert (decision.state.phase, decision.due) == (Phase.FAILED, NOW)
    assert decide.due(seen, decision) == NOW + timedelta(seconds=2)


def test_a_revision_that_came_meanwhile_is_looked_at_at_once() -> None:
    """The end of a rollout is not a rest when the next one can begin."""
    state = worlds.a_state(Phase.FINALISING, applied=NEW)
    seen = worlds.seen(state, target=worlds.a_workload(worlds.NEWER))
    decision = decide.decide(seen, Findings())
    assert isinstance(decision, Decision)
    assert decision.state.phase is Phase.SUCCEEDED
    assert decide.due(seen, decision) == NOW
