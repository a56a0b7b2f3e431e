"""The table of transitions: closed, reachable, and never left by accident.

Left out: when a move happens, which is what the tests of the rules are about.
"""

import itertools

import pytest

from analysis import phases
from analysis.phases import RESTING, TRANSITIONS, IllegalTransition, Phase
from analysis.rules import RULES
from tests.unit.analysis import worlds

FLAGGER = {
    *("", "Initializing", "Initialized", "Waiting", "Progressing", "WaitingPromotion"),
    *("Promoting", "Finalising", "Succeeded", "Failed", "Terminating", "Terminated"),
}
"""The phases that clients know (the CRD reference, 7)."""


@pytest.mark.parametrize(("source", "target"), list(itertools.product(Phase, Phase)))
def test_a_move_is_in_the_table_or_raises_and_changes_nothing(source: Phase, target: Phase) -> None:
    """Every pair of phases is decided one way or the other; staying is always legal."""
    state = worlds.a_state(source)
    if target is source or target in TRANSITIONS[source]:
        assert state.moved(target, worlds.NOW).phase is target
        return
    with pytest.raises(IllegalTransition, match=f"from {source.name} to {target.name}"):
        state.moved(target, worlds.NOW)
    assert state == worlds.a_state(source)


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_a_way_to_a_resting_one(phase: Phase) -> None:
    """There is no circle without an exit."""
    reached = {phase}
    while more := {after for before in reached for after in TRANSITIONS[before]} - reached:
        reached |= more
    assert reached & RESTING


def test_every_phase_can_be_reached_from_a_new_canary() -> None:
    """The table has no dead entry."""
    reached = {Phase.NEW}
    while more := {after for before in reached for after in TRANSITIONS[before]} - reached:
        reached |= more
    assert reached == set(Phase)


def test_every_phase_has_transitions_and_rules() -> None:
    """Nothing is forgotten in one of the two tables."""
    assert set(TRANSITIONS) == set(RULES) == set(Phase)


@pytest.mark.parametrize("phase", Phase)
def test_the_phase_shown_is_one_that_clients_know(phase: Phase) -> None:
    """Also the phases of our own."""
    assert phases.shown(phase) in FLAGGER


def test_a_failed_promotion_is_shown_as_failed() -> None:
    """The reference: failed promotion -> status Failed with weight 100."""
    assert phases.shown(Phase.PROMOTION_FAILED) == "Failed"


def test_a_move_drops_a_hook_round_that_was_not_answered() -> None:
    """An answer to a question of another phase must find nobody who waits for it."""
    state = worlds.progressing(20, round=worlds.a_round("rollout"))
    assert state.moved(Phase.FAILED, worlds.NOW).round is None


def test_the_time_of_the_phase_changes_with_the_phase_only() -> None:
    """D-95: what is not a transition does not move the transition time."""
    state = worlds.progressing(20)
    assert state.moved(Phase.PROGRESSING, worlds.NOW).since == state.since
    assert state.moved(Phase.FAILED, worlds.NOW).since == worlds.NOW
