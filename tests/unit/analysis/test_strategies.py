"""The steps of each strategy, and where each goes on when its state was lost.

Source: the lifecycle reference, 10 and 27. Left to other files: the ladder of weights
(test_weights), when a step is taken (rules/), and whole rollouts (tests/scenarios).
"""

import json
from dataclasses import replace
from typing import Any, Final

import pytest

from analysis import decide
from analysis import state as states
from analysis.decisions import Decision
from analysis.phases import Phase
from analysis.state import RolloutState
from analysis.strategies import STRATEGIES
from config import requests
from config.api.canary import Canary
from config.traffic import (
    ALL_TO_CANARY,
    ALL_TO_PRIMARY,
    Affinity,
    Mirror,
    RouteStage,
    TrafficSplit,
)
from tests.unit.analysis import worlds
from tests.unit.analysis.worlds import iterating

MATCH: Final = [{"headers": {"x-user": {"exact": "insider"}}}]
PINNED: Final = [{"header": {"name": "x-beta", "value": {"exact": "1"}}}]
OTHERS: Final = [{"headers": {"x-user": {"exact": "guest"}}}]
Row = tuple[str, str]
"""A split, and what is told of the step to it."""


def after(canary: Canary, state: RolloutState) -> RolloutState | None:
    """The state after the next step; None: the promotion is next."""
    step = STRATEGIES.chosen(canary).next_step(canary, state)
    if step is None:
        return None
    return replace(state, route=state.routed(step.split), iterations=step.iterations)


def walked(canary: Canary) -> list[Row]:
    """All steps of a rollout, until the promotion."""
    state, rows = worlds.progressing(0), list[Row]()
    while step := STRATEGIES.chosen(canary).next_step(canary, state):
        state = replace(state, route=state.routed(step.split), iterations=step.iterations)
        assert STRATEGIES.chosen(canary).has_begun(state)
        rows.append((str(step.split), "; ".join(event.message for event in step.events)))
    return rows


ALL: Final = ("0/100", "Routing all traffic to canary")
UNMIRRORED: Final = ("0/100", "Stop traffic mirroring and route all traffic to canary")


def advance(split: str, what: str) -> Row:
    """A step to `split`, told as an advance."""
    return split, f"Advance cart.shop canary {what}"


WALKS: dict[str, tuple[Canary, list[Row]]] = {
    "blue/green": (
        iterating(2),
        [advance("100/0", "iteration 1/2"), advance("100/0", "iteration 2/2"), ALL],
    ),
    "blue/green of one iteration": (iterating(1), [advance("100/0", "iteration 1/1"), ALL]),
    "blue/green with copies": (
        iterating(2, mirror=True, mirrorWeight=40),
        [advance("100/0+mirror", f"iteration {each}/2") for each in (1, 2)] + [UNMIRRORED],
    ),
    "A/B testing": (
        iterating(2, match=MATCH),
        [advance("0/100+match", f"iteration {each}/2") for each in (1, 2)],
    ),
    "A/B testing with copies, which Flagger leaves out": (
        iterating(1, match=MATCH, mirror=True),
        [advance("0/100+match", "iteration 1/1")],
    ),
    "weights of chosen requests": (
        worlds.a_canary(match=MATCH),
        [advance(f"{100 - each}/{each}+match", f"weight {each}") for each in (20, 40, 60)],
    ),
    "weights after copies": (
        worlds.a_canary(mirror=True),
        [
            advance("100/0+mirror", "weight 0"),
            *(advance(f"{100 - each}/{each}", f"weight {each}") for each in (20, 40, 60)),
        ],
    ),
    "weights of chosen requests after copies": (
        worlds.a_canary(mirror=True, match=MATCH, stepWeight=60),
        [advance("100/0+match+mirror", "weight 0"), advance("40/60+match", "weight 60")],
    ),
    "weights beside pinned requests": (
        worlds.a_canary(a_b_test=PINNED, stepWeight=30),
        [advance(f"{100 - each}/{each}+a_b_test", f"weight {each}") for each in (30, 60)],
    ),
    "weights with cookies": (
        worlds.a_canary(sessionAffinity={"cookieName": "c"}, stepWeight=60),
        [advance("40/60+sessionAffinity", "weight 60")],
    ),
}


@pytest.mark.parametrize(("canary", "rows"), WALKS.values(), ids=WALKS)
def test_a_rollout_takes_these_steps(canary: Canary, rows: list[Row]) -> None:
    """Splits and events in order, then the promotion."""
    assert walked(canary) == rows


def test_a_mirror_has_the_share_of_the_manifest() -> None:
    """Without one the mesh copies everything."""
    for weight, percent in ((40, 40), (0, None)):
        step = STRATEGIES.chosen(
            canary := iterating(2, mirror=True, mirrorWeight=weight)
        ).next_step(canary, worlds.progressing(0))
        assert step
        assert step.split.mirror == Mirror(percent)


@pytest.mark.parametrize("done", [3, 4, 9])
@pytest.mark.parametrize("mirror", [True, False])
def test_fewer_iterations_than_are_done_do_not_stop_blue_green(done: int, mirror: bool) -> None:
    """D-20: everybody meets the canary for one interval all the same, then it is promoted."""
    canary = iterating(3, mirror=mirror)
    split = TrafficSplit.of(0, mirror=Mirror() if mirror else None)
    state = replace(worlds.progressing(0), iterations=done)
    state = replace(state, route=state.routed(split))
    then = after(canary, state)
    assert then
    assert then.route.split == ALL_TO_CANARY
    assert after(canary, then) is None
    assert after(iterating(9, mirror=mirror), then) is None


def test_fewer_iterations_than_are_done_do_not_stop_an_ab_test() -> None:
    """D-20: the next passed check promotes it."""
    state = replace(worlds.progressing(0), iterations=5)
    split = replace(ALL_TO_CANARY, match=requests.matched(iterating(3, match=MATCH)))
    state = replace(state, route=state.routed(split))
    assert after(iterating(3, match=MATCH), state) is None
    more = after(iterating(6, match=MATCH), state)
    assert more
    assert (more.iterations, more.route) == (6, state.route)


EDITS: dict[str, tuple[Canary, str, Canary, str | None]] = {
    "an A/B test does not become everybody's by its weight": (
        iterating(1, match=MATCH),
        "0/100+match",
        worlds.a_canary(),
        "80/20",
    ),
    "nor that of all for whom blue/green is": (
        iterating(1, match=MATCH),
        "0/100+match",
        iterating(1),
        "0/100",
    ),
    "other requests are tried from the first rung": (
        worlds.a_canary(match=MATCH, stepWeight=60),
        "40/60+match",
        worlds.a_canary(match=OTHERS),
        "80/20+match",
    ),
    "what everybody has tried is not tried again by some": (
        worlds.a_canary(stepWeight=40),
        "60/40",
        worlds.a_canary(match=MATCH),
        "40/60+match",
    ),
    "other requests of an A/B test are tried for an iteration": (
        iterating(1, match=MATCH),
        "0/100+match",
        iterating(1, match=OTHERS),
        "0/100+match",
    ),
}


@pytest.mark.parametrize(("before", "split", "edited", "then"), EDITS.values(), ids=EDITS)
def test_a_strategy_edited_in_mid_rollout_trusts_only_what_was_tried(
    before: Canary, split: str, edited: Canary, then: str | None
) -> None:
    """Traffic that some requests passed with is no proof for others."""
    state = after(before, worlds.progressing(0))
    assert state
    assert str(state.route.split) == split
    following = after(edited, state)
    assert (str(following.route.split) if following else None) == then
    if following:
        assert following.route.split.match == requests.matched(edited)


# --- cookies


def sticky(**affinity: Any) -> Canary:
    """A canary with session affinity."""
    return worlds.a_canary(sessionAffinity={"cookieName": "c", **affinity})


def cookies(canary: Canary, state: RolloutState) -> Affinity:
    """The cookies after the next step of `state`."""
    following = after(canary, state)
    assert following
    assert following.route.split.affinity
    return following.route.split.affinity


def test_the_canarys_cookie_lasts_for_the_rollout_and_the_primarys_for_a_step() -> None:
    """D-87: ten letters each; the primary's is renewed, and none is made without a name."""
    canary = sticky(primaryCookieName="p")
    first = after(canary, worlds.progressing(0))
    assert first
    second = after(canary, first)
    assert second
    one, two = first.route.split.affinity, second.route.split.affinity
    assert one
    assert two
    assert one.canary == two.canary
    assert one.primary != two.primary
    assert one.expired == two.expired == ""
    for text, name in ((one.canary, "c"), (one.primary, "p"), (two.primary, "p")):
        assert text.startswith(f"{name}=")
        assert text[2:].isalpha()
        assert len(text[2:]) == 10
    assert cookies(sticky(), worlds.progressing(0)).primary == ""


def test_whoever_computes_a_cookie_computes_the_same() -> None:
    """A worker that is restarted, or another one with the stored state, changes nothing."""
    state = worlds.progressing(0)
    stored = states.from_json(json.loads(json.dumps(states.to_json(state))))
    assert cookies(sticky(), state) == cookies(sticky(), stored)


@pytest.mark.parametrize(
    "other",
    [
        {"uid": "u2"},
        {"applied": worlds.NEWER},
        {"since": worlds.NOW},
    ],
    ids=["canary", "revision", "rollout"],
)
def test_another_rollout_has_another_cookie(other: dict[str, Any]) -> None:
    """Users of the former one are divided anew."""
    state = worlds.progressing(0)
    assert cookies(sticky(), state) != cookies(sticky(), replace(state, **other))


def test_a_cookie_that_is_renamed_in_mid_rollout_lasts_until_its_end() -> None:
    """Its holders stay where they are, and it is the one that is taken back."""
    state = after(sticky(), worlds.progressing(0))
    assert state
    assert state.route.split.affinity
    renamed = cookies(worlds.a_canary(sessionAffinity={"cookieName": "d"}), state)
    assert renamed.canary == state.route.split.affinity.canary


def test_a_canarys_cookie_gives_way_to_a_primarys_of_its_name() -> None:
    """One name cannot lead to both sides."""
    state = after(sticky(), worlds.progressing(0))
    assert state
    affinity = {"cookieName": "d", "primaryCookieName": "c"}
    renamed = cookies(worlds.a_canary(sessionAffinity=affinity), state)
    assert renamed.canary.startswith("d=")
    assert renamed.primary.startswith("c=")


# --- the way back


@pytest.mark.parametrize(
    ("split", "step", "expected"),
    [
        (replace(ALL_TO_CANARY, match=requests.matched(iterating(match=MATCH))), 0, "100/0"),
        (
            replace(ALL_TO_CANARY, match=requests.matched(iterating(match=MATCH))),
            40,
            "40/60+match",
        ),
        (
            TrafficSplit(40, 60, pinned=requests.pinned(worlds.a_canary(a_b_test=PINNED))),
            60,
            "100/0",
        ),
        (
            TrafficSplit(40, 60, pinned=requests.pinned(worlds.a_canary(a_b_test=PINNED))),
            30,
            "70/30+a_b_test",
        ),
        (TrafficSplit(40, 60, affinity=Affinity("c=x", "p=y")), 30, "70/30+sessionAffinity"),
        (TrafficSplit(40, 60, affinity=Affinity("c=x", "p=y")), 0, "100/0"),
    ],
    ids=str,
)
def test_a_promotion_leads_everybody_back_whoever_was_chosen(
    split: TrafficSplit, step: int, expected: str
) -> None:
    """By `stepWeightPromotion`; at the end nobody is pinned, and the cookie is taken back."""
    state = worlds.a_state(Phase.PROMOTING, 20, applied=worlds.NEW)
    state = replace(
        state,
        route=replace(state.route, split=split),
        workload=replace(state.workload, promote=worlds.NEW),
    )
    seen = worlds.seen(
        state,
        worlds.a_canary(stepWeightPromotion=step),
        primary=worlds.a_workload(worlds.NEW),
    )
    outcome = decide.decide(seen, worlds.PASSED)
    assert isinstance(outcome, Decision)
    assert outcome.rule == "shift"
    assert str(outcome.state.route.split) == expected
    is_over = expected.startswith("100/0")
    assert outcome.state.phase is (Phase.FINALISING if is_over else Phase.PROMOTING)
    if is_over and split.affinity:
        assert outcome.state.route.split == replace(
            ALL_TO_PRIMARY, affinity=Affinity(expired="c=x")
        )


# --- after a loss of state

CHOSEN: Final = requests.matched(iterating(match=MATCH))
INSIDERS: Final = replace(ALL_TO_CANARY, match=CHOSEN)
COPIES: Final = TrafficSplit.of(0, mirror=Mirror())
Past = tuple[int, int]
"""Weight and iterations of the status."""

RESUMED: dict[str, tuple[Canary, Past, TrafficSplit, tuple[str, int]]] = {
    "an A/B test goes on": (iterating(match=MATCH), (100, 2), INSIDERS, ("0/100+match", 2)),
    "not for requests that it was not about": (
        iterating(match=OTHERS),
        (100, 2),
        INSIDERS,
        ("100/0", 0),
    ),
    "not for everybody": (iterating(match=MATCH), (100, 2), ALL_TO_CANARY, ("100/0", 0)),
    "an A/B test of Flagger, whose status has no weight, begins anew": (
        iterating(match=MATCH),
        (0, 2),
        INSIDERS,
        ("100/0", 0),
    ),
    "blue/green without traffic goes on": (iterating(), (0, 2), ALL_TO_PRIMARY, ("100/0", 2)),
    "blue/green with all traffic goes on": (iterating(), (100, 4), ALL_TO_CANARY, ("0/100", 4)),
    "blue/green whose status lags goes back": (iterating(), (0, 3), ALL_TO_CANARY, ("100/0", 3)),
    "blue/green by a match that was everybody's": (iterating(), (100, 3), INSIDERS, ("100/0", 3)),
    "copies go on": (iterating(mirror=True), (0, 2), COPIES, ("100/0+mirror", 2)),
    "copies that are not made are none": (
        iterating(mirror=True),
        (0, 2),
        ALL_TO_PRIMARY,
        ("100/0", 2),
    ),
    "copies that are not asked for any more are none": (iterating(), (0, 2), COPIES, ("100/0", 2)),
    "the mirror step of weights goes on": (
        worlds.a_canary(mirror=True),
        (0, 0),
        COPIES,
        ("100/0+mirror", 0),
    ),
    "weights of chosen requests go on at the lower of both": (
        worlds.a_canary(match=MATCH),
        (40, 0),
        TrafficSplit(80, 20, match=CHOSEN),
        ("80/20+match", 0),
    ),
    "weights of other requests begin anew": (
        worlds.a_canary(),
        (40, 0),
        TrafficSplit(60, 40, match=CHOSEN),
        ("100/0", 0),
    ),
    "pinned requests stay pinned": (
        worlds.a_canary(a_b_test=PINNED),
        (20, 0),
        TrafficSplit(80, 20, pinned=requests.pinned(worlds.a_canary(a_b_test=PINNED))),
        ("80/20+a_b_test", 0),
    ),
    "requests that are not pinned yet are so from the next step on": (
        worlds.a_canary(a_b_test=PINNED),
        (20, 0),
        TrafficSplit(80, 20),
        ("80/20", 0),
    ),
}


@pytest.mark.parametrize(("canary", "past", "live", "expected"), RESUMED.values(), ids=RESUMED)
def test_a_strategy_goes_on_with_the_lower_share(
    canary: Canary, past: Past, live: TrafficSplit, expected: tuple[str, int]
) -> None:
    """Of status and route the one that gives the canary less (invariant 7)."""
    weight, iterations = past
    state = replace(worlds.progressing(weight), iterations=iterations)
    step = STRATEGIES.chosen(canary).resume(canary, state, live)
    assert (str(step.split), step.iterations) == expected
    assert step.events == ()


def test_the_cookie_survives_the_loss_of_the_state() -> None:
    """The route has it: users stay where they are."""
    live = TrafficSplit(80, 20, affinity=Affinity("c=given", expired="c=former"))
    step = STRATEGIES.chosen(sticky()).resume(sticky(), worlds.progressing(20), live)
    assert step.split.affinity == Affinity("c=given")
    assert step.split.canary == 20


def test_a_stage_is_not_the_business_of_a_strategy() -> None:
    """Whatever the step, the intent is to be exposed."""
    following = after(iterating(), worlds.progressing(0))
    assert following
    assert following.route.stage is RouteStage.EXPOSED
