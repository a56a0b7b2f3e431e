"""What is asked first, whatever the phase: deletion, acceptance, trouble, suspension.

Source: lifecycle 3 (steps 1, 2), 15, 19; design invariant 9; defect D-3.
"""

from dataclasses import replace

import pytest

from analysis.effects import Lane
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.state import Acceptance
from analysis.waiting import WaitReason
from clients.documents.confirmed import Confirmed
from config.validation.problems import Problem
from tests.unit.analysis import tables, worlds
from tests.unit.analysis.tables import Answer, Decided, Rests
from tests.unit.analysis.worlds import NOW

WRONG = worlds.a_problem("spec.analysis.interval: Invalid value: '1 hour'")
ODD = worlds.a_problem("spec.analysis.alerts: left out", blocking=False)
TOLD = Acceptance(accepted=False, reason=WRONG.reason, message=WRONG.message, since=NOW)
FINE = Acceptance(accepted=True, reason="Accepted", message="The manifest is accepted.", since=NOW)
ROLLING = worlds.progressing(20)
HELD = (
    "cart.shop is not accepted: nothing starts, steps up or is promoted until its manifest "
    f"is corrected: {WRONG.message}"
)
HOLDING = worlds.a_wait(HELD, WaitReason.NOT_ACCEPTED)
REFUSED = worlds.a_wait("forbidden", WaitReason.WRITE_REFUSED)
SUSPENDED = worlds.a_canary(spec={"suspend": True})
DONE = worlds.seen(ROLLING).confirmed

TABLE: dict[str, tuple[Observation, Answer]] = {
    "a canary never seen before gets a state": (
        worlds.seen(None, version=0),
        Decided("born", "", "100/0", [], 0),
    ),
    "a canary that is being deleted is left alone (D-3)": (
        worlds.seen(ROLLING, deleting=True),
        Rests("deleting"),
    ),
    "a problem is told": (
        worlds.seen(ROLLING, problems=(WRONG,)),
        Decided("acceptance", "Progressing", "80/20", [WRONG.message], 0),
    ),
    "each of several problems is told": (
        worlds.seen(ROLLING, problems=(WRONG, ODD)),
        Decided("acceptance", "Progressing", "80/20", [WRONG.message, ODD.message], 0),
    ),
    "what refuses the manifest is told before a remark on it": (
        worlds.seen(ROLLING, problems=(ODD, WRONG)),
        Decided("acceptance", "Progressing", "80/20", [WRONG.message, ODD.message], 0),
    ),
    "a problem that was told is not told again beside a new one": (
        worlds.seen(replace(ROLLING, acceptance=TOLD), problems=(WRONG, ODD)),
        Decided("acceptance", "Progressing", "80/20", [ODD.message], 0),
    ),
    "a mended manifest is accepted": (
        worlds.seen(replace(ROLLING, acceptance=TOLD)),
        Decided("acceptance", "Progressing", "80/20", [], 0),
    ),
    "the last good manifest is carried on with while the edited one is wrong": (
        worlds.seen(replace(ROLLING, acceptance=TOLD), problems=(WRONG,), target=None),
        Decided(
            "target_gone",
            "Failed",
            "100/0",
            [
                "Rolling back cart.shop deployment cart-app.shop not found",
                "Canary failed! Scaling down cart.shop",
            ],
            0,
        ),
    ),
    "a canary without any good manifest does nothing but say so": (
        replace(worlds.seen(replace(ROLLING, acceptance=TOLD), problems=(WRONG,)), canary=None),
        Decided("refused", "Progressing", "80/20", [HELD], 300),
    ),
    "which it does not say again a minute later": (
        replace(
            worlds.seen(replace(ROLLING, acceptance=TOLD, waiting=HOLDING), problems=(WRONG,)),
            canary=None,
        ),
        Rests("refused", 240),
    ),
    "what keeps a write from succeeding is told": (
        worlds.seen(
            ROLLING, confirmed=replace(DONE, troubles={Lane.ROUTE: "virtualservices is forbidden"})
        ),
        Decided("trouble", "Progressing", "80/20", ["virtualservices is forbidden"], 0),
    ),
    "and told once": (
        worlds.seen(
            replace(worlds.a_state(Phase.SUCCEEDED), trouble=REFUSED),
            confirmed=replace(DONE, troubles={Lane.ROUTE: "forbidden"}),
            target=worlds.a_workload(),
        ),
        Rests("at_rest"),
    ),
    "and forgotten when it is over": (
        worlds.seen(replace(ROLLING, trouble=REFUSED)),
        Decided("trouble", "Progressing", "80/20", [], 0),
    ),
    "a canary that is suspended says so once and keeps its weights": (
        worlds.seen(ROLLING, SUSPENDED),
        Decided(
            "suspended",
            "Progressing",
            "80/20",
            ["skipping canary run as object is suspended"],
        ),
    ),
    "a suspended canary rests, whatever happens": (
        worlds.seen(replace(ROLLING, suspended=True), SUSPENDED, target=None, primary=None),
        Rests("suspended"),
    ),
    "a resumed canary goes on at once": (
        worlds.seen(replace(ROLLING, suspended=True)),
        Decided("suspended", "Progressing", "80/20", [], 0),
    ),
}


@pytest.mark.parametrize(("seen", "expected"), TABLE.values(), ids=TABLE)
def test_what_is_asked_first(seen: Observation, expected: Answer) -> None:
    """Each world has one answer, given by one rule of the composed chain."""
    assert tables.answer(seen) == expected


@pytest.mark.parametrize(
    ("problems", "accepted", "told"),
    [
        pytest.param((WRONG,), False, (WRONG,), id="a blocking problem"),
        pytest.param((ODD,), True, (ODD,), id="a problem that does not block"),
        pytest.param((ODD, WRONG), False, (WRONG, ODD), id="the blocking one comes first"),
    ],
)
def test_the_condition_says_whether_the_manifest_is_carried_out(
    problems: tuple[Problem, ...], accepted: bool, told: tuple[Problem, ...]
) -> None:
    """All messages are kept, the first one gives the reason; the generation is that judged."""
    state = tables.decision(worlds.seen(ROLLING, problems=problems, generation=4)).state
    assert state.acceptance is not None
    assert (state.acceptance.accepted, state.acceptance.reason) == (accepted, told[0].reason)
    assert state.acceptance.message == "\n".join(problem.message for problem in told)
    assert state.generation == 4


def test_a_manifest_that_was_never_wrong_has_no_such_condition() -> None:
    """Flagger's users see exactly the one condition they know."""
    assert tables.decision(worlds.seen(None, version=0)).state.acceptance is None
    assert tables.decision(worlds.seen(ROLLING), worlds.PASSED).state.acceptance is None


def test_a_canary_of_another_uid_starts_afresh() -> None:
    """A re-created canary does not inherit the rollout of the deleted one."""
    born = tables.decision(worlds.seen(None, version=17, uid="u2", confirmed=Confirmed())).state
    assert (born.uid, born.phase, born.applied) == ("u2", Phase.NEW, "")


def test_a_good_manifest_stays_accepted_without_more_words() -> None:
    """The condition is compared by what it says, not by when."""
    seen = worlds.seen(replace(worlds.a_state(Phase.SUCCEEDED), acceptance=FINE))
    assert tables.answer(replace(seen, target=worlds.a_workload())) == Rests("at_rest")


def test_what_is_wrong_with_the_manifest_is_told_before_what_it_led_to() -> None:
    """Both are told, one after the other, in this order."""
    refused = replace(DONE, troubles={Lane.ROUTE: "forbidden"})
    both = worlds.seen(ROLLING, problems=(WRONG,), confirmed=refused)
    first = tables.decision(both)
    second = tables.decision(replace(both, state=first.state))
    assert (first.rule, second.rule) == ("acceptance", "trouble")


def test_answers_of_hooks_are_not_given_up_for_an_announcement() -> None:
    """Answers are given once; what is only to be told can wait for the next look."""
    hooks = [{"name": "h0", "type": "pre-rollout", "url": "http://tester.shop/"}]
    asked = worlds.progressing(0, round=worlds.a_round("pre-rollout"))
    seen = worlds.seen(
        asked,
        worlds.a_canary(webhooks=hooks),
        problems=(ODD,),
        confirmed=replace(DONE, troubles={Lane.ROUTE: "forbidden"}),
    )
    assert tables.decision(seen).rule == "acceptance"
    assert tables.decision(seen, worlds.hooked("pre-rollout", True)).rule == "first_step"


def test_hooks_asked_before_a_suspension_are_asked_anew_after_it() -> None:
    """Their answers come to a canary that is not looked at; nobody is to wait for them."""
    asked = replace(ROLLING, round=worlds.a_round("rollout"))
    assert tables.decision(worlds.seen(asked, SUSPENDED)).state.round is None
