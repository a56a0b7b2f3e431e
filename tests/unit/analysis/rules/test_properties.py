"""What holds for every decision, whatever is seen and found out: the invariants of the design.

Observations here are arbitrary, also such as no history leads to; see `arbitrary`. Left out: what
a rule decides in particular, which the tables of this folder say.
"""

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Final

from hypothesis import assume
from hypothesis import strategies as st

from analysis import decide, hooks
from analysis import state as states
from analysis.decisions import AskBackends, AskChecks, Decision, Rest, Ruling
from analysis.findings import Findings
from analysis.observation import Observation, PastStatus, Workload
from analysis.phases import ANALYSING, TRANSITIONS, Phase
from analysis.state import Acceptance, RolloutState
from analysis.strategies import weights
from config.api.hooks import WebhookType
from config.scaling import CanaryScale
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY, RouteStage, TrafficSplit
from tests.unit.analysis import arbitrary, worlds
from tests.unit.analysis.properties import holds
from tests.unit.analysis.worlds import NEW, NOW, OLD

REFUSED = worlds.a_problem("q")
STARTS = {
    (Phase.NEW, Phase.INITIALIZING),
    (Phase.INITIALIZED, Phase.PROGRESSING),
    (Phase.SUCCEEDED, Phase.PROGRESSING),
    (Phase.FAILED, Phase.PROGRESSING),
    (Phase.PROGRESSING, Phase.PROMOTING),
}
LEAST: Final = 20
"""Examples of a property that must really say something, of the 100 that are tried."""


def split_before(seen: Observation) -> TrafficSplit:
    """The traffic before the decision; all to the primary without a state."""
    return seen.state.route.split if seen.state else ALL_TO_PRIMARY


def rises(seen: Observation, decision: Decision) -> bool:
    """Whether the decision gives the canary more of any requests."""
    return decision.state.route.split.gives_canary_more(split_before(seen))


def has_begun(seen: Observation) -> bool:
    """Whether the canary is under analysis, with or without traffic."""
    return bool(seen.state and seen.strategy and seen.strategy.has_begun(seen.state))


def without_cookies(split: TrafficSplit) -> TrafficSplit:
    """`split` but for the cookies that it takes back."""
    return replace(split, affinity=None)


def available(workload: Workload | None, seen: Observation) -> int | None:
    """The available pods of the target or primary of `seen`; None when its view is too old."""
    if workload is None:
        return 0
    confirmed = seen.confirmed
    is_target = workload is seen.target
    written = confirmed.target_generation if is_target else confirmed.primary_generation
    if workload.generation < written:
        return None
    return workload.available if workload.replicas else 0


def orphaned(seen: Observation) -> bool:
    """Whether only the canary has pods to serve with: then it may be given everything."""
    return available(seen.primary, seen) == 0 and bool(available(seen.target, seen))


def decided(outcome: Ruling) -> Decision:
    """`outcome` if it is a decision; other examples are passed over."""
    assume(isinstance(outcome, Decision))
    assert isinstance(outcome, Decision)
    return outcome


@holds(least=LEAST, seen=arbitrary.observations, found=arbitrary.findings)
def test_every_observation_has_an_answer(seen: Observation, found: Findings) -> bool:
    """No exception, whatever the state of the world; every answer names its rule."""
    assert decide.decide(seen, found).rule
    assert decide.decide(seen, Findings()).rule
    return True


@holds(least=LEAST, seen=arbitrary.observations, found=arbitrary.findings)
def test_decisions_are_deterministic_and_change_nothing(seen: Observation, found: Findings) -> bool:
    """The same question has the same answer, and asking leaves no trace (invariant 1)."""
    before = copy.deepcopy((seen, found))
    assert decide.decide(seen, found) == decide.decide(*copy.deepcopy((seen, found)))
    assert (seen, found) == before
    return True


@holds(least=LEAST, seen=arbitrary.accepted() | arbitrary.dying(), found=arbitrary.findings)
def test_only_moves_of_the_table_are_made(seen: Observation, found: Findings) -> bool:
    """Phases change along the transitions, and the time of the phase with them only."""
    after = decided(decide.decide(seen, found)).state
    before = seen.state
    assert before is not None
    if after.phase is before.phase:
        return False
    assert after.phase in TRANSITIONS[before.phase]
    assert after.since == NOW
    return True


@holds(least=LEAST, seen=arbitrary.observations, found=arbitrary.findings)
def test_every_decision_can_be_stored(seen: Observation, found: Findings) -> bool:
    """A state that cannot be read again would end the rollout."""
    state = decided(decide.decide(seen, found)).state
    assert states.from_json(states.to_json(state)) == state
    return True


@holds(
    least=LEAST,
    seen=arbitrary.steady() | arbitrary.accepted(Phase.PROGRESSING),
    found=arbitrary.halting,
)
def test_the_weight_never_rises_with_a_failed_or_undecided_check(
    seen: Observation, found: Findings
) -> bool:
    """Invariant 6: a check that counts or holds keeps the weight where it is, or lowers it."""
    assume(has_begun(seen))
    outcome = decide.decide(seen, found)
    if not isinstance(outcome, Decision) or outcome.rule == "skip_analysis" or orphaned(seen):
        return False
    assert not rises(seen, outcome)
    assert outcome.state.phase is not Phase.PROMOTING
    return True


@holds(
    least=LEAST,
    seen=arbitrary.steady() | arbitrary.accepted(Phase.PROGRESSING),
    found=arbitrary.findings,
)
def test_the_weight_never_rises_against_a_refusing_hook(seen: Observation, found: Findings) -> bool:
    """Invariant 6, for the hooks that are required for the step at hand, and not settled before."""
    assume(seen.state and seen.canary and seen.state.phase is Phase.PROGRESSING)
    assert seen.state
    kind = WebhookType.ROLLOUT if has_begun(seen) else WebhookType.PRE_ROLLOUT
    assert seen.canary
    assume(hooks.hook_calls(seen.canary, kind, "Progressing", NEW))
    assume(not seen.state.round or kind not in seen.state.round.settled)
    results = (found.hooks or {}).get(kind, ())
    assume(not results or not all(result.ok for result in results))
    outcome = decide.decide(seen, found)
    if not isinstance(outcome, Decision) or outcome.rule == "skip_analysis" or orphaned(seen):
        return False
    assert not rises(seen, outcome)
    assert outcome.state.phase is not Phase.PROMOTING
    return True


@holds(
    least=100,
    seen=arbitrary.moving(),
    found=arbitrary.findings | arbitrary.passing,
)
def test_traffic_never_moves_from_a_side_with_available_pods_to_one_without(
    seen: Observation, found: Findings
) -> bool:
    """Invariant 12, for each decision of an accepted canary that moves traffic.

    Left out is a state that was lost and is rebuilt: there the lower weight counts (invariant 7).
    """
    decision = decided(decide.decide(seen, found))
    before, after = split_before(seen), decision.state.route.split
    assume(after != before and decision.rule != "rebuild")
    primary, canary = available(seen.primary, seen), available(seen.target, seen)
    assert not (after.gives_canary_more(before) and primary and canary == 0)
    assert not (before.gives_canary_more(after) and canary and primary == 0)
    return True


@holds(least=LEAST, seen=arbitrary.steady() | arbitrary.accepted(Phase.PROGRESSING))
def test_nothing_found_out_never_raises_the_weight_of_a_canary_under_analysis(
    seen: Observation,
) -> bool:
    """Missing required findings are asked for, never taken as passed."""
    assume(seen.state and seen.canary and seen.state.phase is Phase.PROGRESSING)
    assert seen.canary
    assume(has_begun(seen) and seen.canary.spec.analysis.metrics)
    outcome = decide.decide(seen, Findings())
    if not isinstance(outcome, Decision) or orphaned(seen):
        return False
    assert not rises(seen, outcome)
    return True


@holds(
    least=LEAST,
    seen=arbitrary.steady() | arbitrary.accepted(),
    found=arbitrary.findings | arbitrary.passing,
)
def test_the_weight_after_a_decision_is_one_that_is_planned(
    seen: Observation, found: Findings
) -> bool:
    """On the ladder, 0, unchanged, one promotion step down, or all in place of the primary.

    With iterations it is nothing or all of the requests that are chosen.
    """
    decision = decided(decide.decide(seen, found))
    assume(decision.rule != "rebuild" and seen.state)
    assert seen.state
    before, after = seen.state.route.split, decision.state.route.split
    allowed = {0, before.canary}
    if seen.canary:
        if seen.state.phase in ANALYSING:
            iterates = seen.canary.spec.analysis.iterations > 0
            allowed |= {100} if iterates else set(weights.ladder(seen.canary))
        if seen.state.phase is Phase.PROMOTING:
            step = seen.canary.spec.analysis.step_weight_promotion
            allowed.add(max(before.canary - step, 0) if step else 0)
    if decision.state.phase is Phase.PROMOTION_FAILED or orphaned(seen):
        allowed.add(100)
    assert after.canary in allowed
    assert after.primary + after.canary == 100
    return True


@holds(
    least=LEAST,
    seen=arbitrary.accepted(Phase.PROGRESSING, Phase.PROMOTING),
    found=arbitrary.findings,
)
def test_a_decision_that_fails_a_rollout_takes_all_traffic_back(
    seen: Observation, found: Findings
) -> bool:
    """Failed always means 100/0, and calls off a copy that was not made yet."""
    decision = decided(decide.decide(seen, found))
    assume(decision.state.phase is Phase.FAILED and seen.state)
    assert seen.state
    assert without_cookies(decision.state.route.split) == ALL_TO_PRIMARY
    assert decision.state.workload.promote == ""
    return True


@holds(least=LEAST, seen=arbitrary.dying(), found=arbitrary.findings)
def test_a_failed_promotion_gives_everything_to_a_canary_with_pods_and_keeps_it_running(
    seen: Observation, found: Findings
) -> bool:
    """And remembers what the primary is to be given, or it could never recover."""
    decision = decided(decide.decide(seen, found))
    assume(seen.state and decision.state.phase is Phase.PROMOTION_FAILED)
    assert seen.state
    assume(seen.state.phase is not Phase.PROMOTION_FAILED)
    after = decision.state
    expected = ALL_TO_CANARY if available(seen.target, seen) else ALL_TO_PRIMARY
    assert without_cookies(after.route.split) == expected
    assert after.workload.canary is CanaryScale.RUNNING
    assert after.workload.promote == after.applied
    return True


@holds(least=LEAST, seen=arbitrary.accepted(), found=arbitrary.findings)
def test_numbers_of_intents_never_go_back(seen: Observation, found: Findings) -> bool:
    """A changed intent has a higher number, an equal number means an equal intent."""
    decision = decided(decide.decide(seen, found))
    assume(seen.state and decision.rule != "rebuild")
    assert seen.state
    for before, after in (
        (seen.state.route, decision.state.route),
        (seen.state.workload, decision.state.workload),
    ):
        assert after.seq >= before.seq
        assert after.seq > before.seq or after == before
    return True


@holds(
    least=LEAST,
    seen=arbitrary.steady() | arbitrary.newborn(),
    answers=arbitrary.findings,
)
def test_each_question_is_asked_once_at_most(seen: Observation, answers: Findings) -> bool:
    """With the answers it asked for, a tick comes to a decision or rests; it never asks on."""
    found, asked = Findings(), list[type]()
    while isinstance(outcome := decide.decide(seen, found), AskChecks | AskBackends):
        assert type(outcome) not in asked
        asked.append(type(outcome))
        if isinstance(outcome, AskChecks):
            found = replace(found, checks=answers.checks or ())
        else:
            found = replace(found, backends=answers.backends or ())
    assert isinstance(outcome, Decision | Rest)
    return bool(asked)


@holds(least=LEAST, seen=arbitrary.observations, found=arbitrary.findings)
def test_a_decision_that_is_looked_at_again_at_once_changes_something(
    seen: Observation, found: Findings
) -> bool:
    """Otherwise the same decision would be made for ever."""
    decision = decided(decide.decide(seen, found))
    assert decision.state != seen.state
    return True


@holds(
    least=LEAST,
    seen=arbitrary.unfinished(),
    found=arbitrary.findings,
)
def test_a_canary_at_rest_until_a_time_is_not_at_rest_until_the_past(
    seen: Observation, found: Findings
) -> bool:
    """Resting until a moment that is over would be a loop."""
    patient = [item for item in (seen.target, seen.primary) if item and item.patience_ends]
    assume(all(item.patience_ends and item.patience_ends > NOW for item in patient))
    outcome = decide.decide(seen, found)
    assume(isinstance(outcome, Rest) and outcome.until is not None)
    assert isinstance(outcome, Rest)
    assert outcome.until
    assert outcome.until > NOW
    return True


@holds(least=LEAST, seen=arbitrary.observations, past=arbitrary.past_statuses)
def test_a_rebuilt_weight_is_at_most_the_lower_of_status_and_route(
    seen: Observation, past: PastStatus
) -> bool:
    """Invariant 7: what is unsure resolves to the lower canary weight.

    Unless that took traffic from the only side with pods (invariant 12).
    """
    lost = replace(seen, state=None, version=0, status=past, deleting=False)
    decision = decided(decide.decide(lost, Findings()))
    assume(decision.rule == "rebuild")
    live = seen.in_force or ALL_TO_PRIMARY
    rebuilt = decision.state.route.split
    has_pods = [side is not None and side.available > 0 for side in (seen.primary, seen.target)]
    if has_pods == [False, True]:
        assert rebuilt.canary == 100 or rebuilt.canary >= live.canary
    else:
        assert rebuilt.canary <= min(past.weight, live.canary)
        assert not rebuilt.gives_canary_more(live)
    assert decision.state.route.stage is RouteStage.EXPOSED
    return True


@holds(least=LEAST, seen=arbitrary.observations, past=arbitrary.past_statuses)
def test_a_failed_revision_never_resumes_by_being_rebuilt(
    seen: Observation, past: PastStatus
) -> bool:
    """A status that says Failed is never rebuilt as a rollout that goes on."""
    lost = replace(seen, state=None, version=0, status=replace(past, phase="Failed"))
    decision = decided(decide.decide(lost, Findings()))
    assume(decision.rule == "rebuild")
    assert decision.state.phase in (Phase.FAILED, Phase.PROMOTION_FAILED)
    return True


@holds(least=LEAST, past=arbitrary.past_statuses, target=st.sampled_from([OLD, NEW]))
def test_a_rollout_that_was_being_rolled_back_is_rebuilt_as_failed(
    past: PastStatus, target: str
) -> bool:
    """The status still shows a weight, the route has none any more: a rollback was under way.

    The primary has what the status calls promoted; otherwise a promotion was.
    """
    status = replace(past, phase="Progressing", weight=20, applied=target, promoted=OLD, version=9)
    lost = worlds.seen(
        None, version=0, status=status, target=worlds.a_workload(target), in_force=None
    )
    outcome = decide.decide(lost, Findings())
    assert isinstance(outcome, Decision)
    assert outcome.state.phase is Phase.FAILED
    return True


@holds(
    least=LEAST, seen=arbitrary.observations, state=arbitrary.states(), past=arbitrary.past_statuses
)
def test_a_state_is_rebuilt_only_when_the_status_knows_more(
    seen: Observation, state: RolloutState, past: PastStatus
) -> bool:
    """A state that is as new as the status is the truth (invariant 7)."""
    assume(state.phase is not Phase.NEW)
    older = replace(past, version=min(past.version, seen.version))
    known = replace(seen, state=state, status=older)
    assert decide.decide(known, Findings()).rule != "rebuild"
    return True


@holds(least=LEAST, seen=arbitrary.observations)
def test_a_canary_that_is_being_deleted_is_left_alone(seen: Observation) -> bool:
    """D-3: whatever else is true of it."""
    assume(seen.state is not None)
    assert decide.decide(replace(seen, deleting=True), Findings()) == Rest(rule="deleting")
    return True


@holds(least=LEAST, seen=arbitrary.accepted(), found=arbitrary.findings)
def test_a_canary_without_any_good_manifest_stands_still(
    seen: Observation, found: Findings
) -> bool:
    """Beyond saying what is wrong, nothing is done for it."""
    outcome = decide.decide(replace(seen, canary=None), found)
    assert outcome.rule in ("acceptance", "trouble", "refused")
    if isinstance(outcome, Decision) and seen.state is not None:
        assert _unworded(outcome.state) == _unworded(seen.state)
    return True


def _unworded(state: RolloutState) -> RolloutState:
    """`state` without what was told."""
    return replace(state, acceptance=None, trouble=None, waiting=None, generation=0)


@holds(least=LEAST, seen=arbitrary.steady(), found=arbitrary.passing)
def test_a_step_is_given_an_interval_before_it_is_judged(
    seen: Observation, found: Findings
) -> bool:
    """A decision that raises the weight is due an interval later at the earliest (D-37)."""
    decision = decided(decide.decide(seen, found))
    assume(decision.reason == "Advanced")
    assert decision.due is not None
    assert decision.due == decision.state.check_at
    assert decision.due - NOW >= seen.interval * 0.9
    assert decision.due - NOW <= seen.interval * 1.02 + timedelta(seconds=0)
    return True


@holds(least=LEAST, seen=arbitrary.accepted(), found=arbitrary.passing)
def test_under_a_manifest_that_is_not_accepted_nothing_starts_steps_up_or_is_promoted(
    seen: Observation, found: Findings
) -> bool:
    """Invariant 9, for every state; traffic may only flee to where pods are available."""
    assert seen.state is not None
    known = Acceptance(accepted=False, reason="P", message="q", since=NOW)
    state = replace(seen.state, acceptance=known)
    outcome = decide.decide(replace(seen, state=state, problems=(REFUSED,)), found)
    assume(isinstance(outcome, Decision))
    assert isinstance(outcome, Decision)
    before, after = state.phase, outcome.state.phase
    assert (before, after) not in STARTS
    if after is not Phase.PROMOTION_FAILED and not orphaned(seen):
        assert not rises(seen, outcome)
    if outcome.state.workload.promote != state.workload.promote:
        assert outcome.state.workload.promote in ("", state.applied, state.promoted)
    return True
