"""Every strategy on Istio, from its release to its end: good, bad, undone by others, forgotten.

Rules: docs/compatibility/lifecycle.md, "Blue/green", "A/B testing" and "Weights".
Left to other files: weights alone (test_ladders), and what the rules of a VirtualService look like
(tests/unit/routing/test_istio_strategies).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from analysis.phases import Phase
from clients.kube import resources
from config import requests
from config.traffic import (
    ALL_TO_CANARY,
    ALL_TO_PRIMARY,
    Affinity,
    Mirror,
    TrafficSplit,
)
from config.validation import manifests
from tests.stage import measuring, rollouts
from tests.stage.rollouts import BEGINNING, ENDING, INTERVAL, LONG, READINESS
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest

Raw = dict[str, Any]

MATCH: Final = [{"headers": {"x-user": {"exact": "insider"}}}]
PINNED: Final = [{"header": {"name": "x-beta", "value": {"exact": "1"}}}]
AFFINITY: Final = {"cookieName": "side", "primaryCookieName": "stable", "path": "/"}
WEIGHTS: Final = (20, 40, 60)


def planned(**analysis: Any) -> Raw:
    """A manifest with these fields of the analysis."""
    body = a_manifest(**analysis)
    if "iterations" in analysis:
        del body["spec"]["analysis"]["stepWeight"], body["spec"]["analysis"]["maxWeight"]
    return body


BLUE_GREEN: Final = planned(iterations=3)
MIRRORED: Final = planned(iterations=3, mirror=True, mirrorWeight=40)
INSIDERS: Final = planned(iterations=3, match=MATCH)
COPIES_FIRST: Final = planned(mirror=True)
SOME_BY_WEIGHT: Final = planned(match=MATCH)
BETA_TESTERS: Final = planned(a_b_test=PINNED)
STICKY: Final = planned(sessionAffinity=AFFINITY)

CHOSEN: Final = requests.matched(manifests.load_canary(INSIDERS))
BETA: Final = requests.pinned(manifests.load_canary(BETA_TESTERS))
FOR_INSIDERS: Final = replace(ALL_TO_CANARY, match=CHOSEN)
COPIES: Final = TrafficSplit.of(0, mirror=Mirror())
FEW_COPIES: Final = TrafficSplit.of(0, mirror=Mirror(40))

ITERATIONS: Final = [f"Advance cart.shop canary iteration {number}/3" for number in (1, 2, 3)]
TO_CANARY: Final = "Routing all traffic to canary"
UNMIRRORED: Final = "Stop traffic mirroring and route all traffic to canary"


def by_weight(**asked: Any) -> list[TrafficSplit]:
    """The rungs, with what else is asked of the route."""
    return [TrafficSplit(100 - weight, weight, **asked) for weight in WEIGHTS]


Plan = tuple[Raw, list[TrafficSplit], list[str], int]
"""A manifest, its splits between all to the primary, the events of its steps, and its checks."""

PLANS: Final[Mapping[str, Plan]] = {
    "blue/green": (BLUE_GREEN, [ALL_TO_CANARY], [*ITERATIONS, TO_CANARY], 4),
    "blue/green with copies": (
        MIRRORED,
        [FEW_COPIES, ALL_TO_CANARY],
        [*ITERATIONS, UNMIRRORED],
        4,
    ),
    "A/B testing": (INSIDERS, [FOR_INSIDERS], ITERATIONS, 3),
    "weights after copies": (
        COPIES_FIRST,
        [COPIES, *by_weight()],
        rollouts.advance(0, *WEIGHTS),
        4,
    ),
    "weights of some": (SOME_BY_WEIGHT, by_weight(match=CHOSEN), rollouts.advance(*WEIGHTS), 3),
    "weights beside beta testers": (
        BETA_TESTERS,
        by_weight(pinned=BETA),
        rollouts.advance(*WEIGHTS),
        3,
    ),
}
plans: Final = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)


def released(manifest: Raw) -> Stage:
    """A stage on which a release was just made."""
    return rollouts.released(manifest)


def at(stage: Stage, split: TrafficSplit) -> Stage:
    """`stage`, gone on until the route has this split."""
    stage.run(lambda on: on.split == split, within=LONG)
    return stage


def unreadable(stage: Stage) -> bool:
    """Whether the live route says no split."""
    return stage.split is None


@plans
def test_a_good_release_takes_the_steps_of_its_strategy(plan: Plan) -> None:
    """Splits, events letter by letter, one check per interval, and the end; no time besides.

    The route is written once per split, however many iterations it lasts (D-51).
    """
    manifest, splits, steps, checks = plan
    stage = released(manifest)
    began = stage.clock.now()
    seen = rollouts.followed(stage)
    took = stage.clock.now() - began
    rollouts.finish(stage)

    assert seen == [ALL_TO_PRIMARY, *splits, ALL_TO_PRIMARY]
    assert rollouts.told(stage) == [*BEGINNING, *steps, *ENDING]
    writes = stage.generation(resources.VIRTUAL_SERVICES, "cart-app")
    assert writes == 1 + len(splits) + 1
    assert len(stage.meters.asked) == checks
    assert checks * INTERVAL < took <= 1.05 * checks * INTERVAL + 2 * READINESS
    rollouts.succeeded(stage)


@plans
def test_a_bad_release_is_taken_back_whatever_the_strategy(plan: Plan) -> None:
    """Three failed checks of the first step; then all to the primary, without another step."""
    manifest, splits, steps, _ = plan
    stage = released(manifest)
    stage.meters.source = measuring.failing
    seen = rollouts.followed(stage)
    rollouts.finish(stage)

    first = [] if manifest is BLUE_GREEN else splits[:1]
    assert seen == ([ALL_TO_PRIMARY, *first, ALL_TO_PRIMARY] if first else [ALL_TO_PRIMARY])
    assert rollouts.told(stage)[:3] == [*BEGINNING, steps[0]]
    assert rollouts.told(stage)[-2:] == [
        "Rolling back cart.shop failed checks threshold reached 3",
        rollouts.FAILED,
    ]
    assert len(stage.meters.asked) == 3
    rollouts.rolled_back(stage)


@plans
def test_a_rollout_that_redis_forgets_at_any_step_ends_well(plan: Plan) -> None:
    """Rebuilt from status and route: no split outside the plan, no step twice (invariant 7)."""
    manifest, splits, _, _ = plan
    for number in range(len(splits)):
        stage = at(released(manifest), splits[number])
        stage.wait(timedelta(seconds=5))
        stage.bag.messages.clear()
        stage.forget_everything()
        seen = rollouts.followed(stage)
        rollouts.finish(stage)

        assert seen == [*splits[number:], ALL_TO_PRIMARY]
        rollouts.succeeded(stage)


@plans
def test_a_route_that_somebody_else_edits_is_put_right_without_losing_the_step(plan: Plan) -> None:
    """D-8: at once, by the watch; the rollout goes on where it was."""
    manifest, splits, steps, _ = plan
    stage = at(released(manifest), splits[0])
    rules = [{"route": [{"destination": {"host": "cart-app-primary"}, "weight": 100}]}]
    edit = {"spec": {"http": rules, "hosts": ["elsewhere"]}}
    stage.kube.patch(resources.VIRTUAL_SERVICES, "shop", "cart-app", edit)
    assert unreadable(stage)
    stage.wait(timedelta(seconds=3))
    assert stage.split == splits[0]
    rollouts.finish(stage)

    assert rollouts.told(stage) == [*BEGINNING, *steps, *ENDING]
    rollouts.succeeded(stage)


@plans
def test_a_service_edited_in_mid_rollout_keeps_the_step(plan: Plan) -> None:
    """Another timeout reaches every rule, and moves nobody (D-8)."""
    manifest, splits, _, _ = plan
    stage = at(released(manifest), splits[0])
    stage.edit_canary(service={"port": 80, "timeout": "7s"})
    stage.settle()

    live = stage.kube.get(resources.VIRTUAL_SERVICES, "shop", "cart-app")
    assert {rule["timeout"] for rule in live["spec"]["http"]} == {"7s"}
    assert stage.split == splits[0]
    rollouts.succeeded(rollouts.finish(stage))


@plans
def test_a_canary_that_crashes_loses_its_traffic_whoever_was_chosen(plan: Plan) -> None:
    """Invariant 12: chosen, pinned and copied requests are traffic like any other."""
    manifest, splits, _, _ = plan
    stage = at(released(manifest), splits[0])
    stage.kubelet.dead.add("cart-app")
    stage.settle()

    assert stage.split == ALL_TO_PRIMARY


def test_chosen_requests_stay_with_a_bad_canary_while_the_primary_has_no_pods() -> None:
    """Invariant 12: its rollback waits for pods that can answer them."""
    stage = at(released(INSIDERS), FOR_INSIDERS)
    stage.kubelet.dead.add("cart-app-primary")
    stage.meters.source = measuring.failing
    stage.wait(4 * INTERVAL)
    assert stage.split == FOR_INSIDERS
    stage.kubelet.dead.clear()
    rollouts.rolled_back(rollouts.finish(stage))


# --- cookies


def with_cookies(stage: Stage) -> Affinity:
    """The cookies of the live route."""
    assert stage.split
    assert stage.split.affinity
    return stage.split.affinity


def test_cookies_last_as_long_as_the_rollout_and_are_taken_back_after_it() -> None:
    """One canary cookie for all steps, another primary cookie for each; the status shows them."""
    stage = released(STICKY)
    seen = rollouts.followed(stage)
    rollouts.finish(stage)

    first, *steps, last = seen
    assert [split.canary for split in steps] == [*WEIGHTS]
    assert first == ALL_TO_PRIMARY
    given = [split.affinity for split in steps if split.affinity]
    (cookie,) = {each.canary for each in given}
    assert cookie.startswith("side=")
    assert len({each.primary for each in given}) == len(WEIGHTS)
    assert last == replace(ALL_TO_PRIMARY, affinity=Affinity(expired=cookie))
    assert rollouts.told(stage) == [*BEGINNING, *rollouts.advance(*WEIGHTS), *ENDING]
    assert stage.status["sessionAffinityCookie"] == ""
    assert stage.status["previousSessionAffinityCookie"] == cookie
    assert stage.phase() == "Succeeded"


def test_cookies_are_taken_back_by_a_rollback_too() -> None:
    """Whoever was led to the bad release is led away, and loses the cookie."""
    stage = released(STICKY)
    stage.meters.source = measuring.failing
    stage.run(lambda on: bool(on.split and on.split.canary), within=LONG)
    cookie = with_cookies(stage).canary
    stage.run(lambda on: on.status["sessionAffinityCookie"] == cookie, within=INTERVAL)
    rollouts.finish(stage)

    assert stage.split == replace(ALL_TO_PRIMARY, affinity=Affinity(expired=cookie))
    assert stage.phase() == "Failed"


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_cookie_survives_whatever_happens_to_the_controller(weight: int) -> None:
    """D-32: Redis emptied in mid-rollout, users stay where they are."""
    stage = released(STICKY)
    stage.run(lambda on: bool(on.split and on.split.canary == weight), within=LONG)
    stage.wait(timedelta(seconds=5))
    cookie = with_cookies(stage).canary
    stage.bag.messages.clear()
    stage.forget_everything()
    seen = rollouts.followed(stage)

    assert {split.affinity.canary for split in seen[:-1] if split.affinity} == {cookie}
    assert with_cookies(stage) == Affinity(expired=cookie)


def test_the_next_rollout_has_another_cookie() -> None:
    """Users of the last one are divided anew; theirs is not taken back any more."""
    stage = rollouts.finish(released(STICKY))
    former = with_cookies(stage).expired
    stage.release("cart:3")
    stage.run(lambda on: bool(on.split and on.split.canary), within=LONG)

    cookies = with_cookies(stage)
    assert cookies.canary not in {"", former}
    assert cookies.expired == ""


def test_a_cookie_is_taken_back_although_redis_is_emptied_after_the_rollout() -> None:
    """Whoever comes back later still loses it."""
    stage = rollouts.finish(released(STICKY))
    before = stage.split
    stage.bag.messages.clear()
    stage.forget_everything()
    stage.wait(timedelta(minutes=10))

    assert stage.split == before
    assert with_cookies(stage).expired


# --- pinned users, and the way back


def test_beta_testers_are_led_back_with_everybody_else() -> None:
    """Article 1: pinned while a rollout progresses, by nothing once it is over."""
    stage = released(planned(a_b_test=PINNED, stepWeightPromotion=30))
    seen = rollouts.followed(stage)
    rollouts.finish(stage)

    weights = [20, 40, 60, 30]
    pinned = [TrafficSplit(100 - each, each, pinned=BETA) for each in weights]
    assert seen == [ALL_TO_PRIMARY, *pinned, ALL_TO_PRIMARY]
    rollouts.succeeded(stage)


def test_an_ab_test_whose_promotion_fails_leaves_nobody_to_a_dead_primary() -> None:
    """D-11: everybody goes to the canary, not only those who were chosen."""
    stage = initialized({**INSIDERS, "spec": {**INSIDERS["spec"], "progressDeadlineSeconds": 60}})
    stage.kubelet.held.add("cart-app-primary")
    stage.release("cart:2")
    stage.run(lambda on: on.state.phase is Phase.PROMOTION_FAILED, within=LONG)
    stage.settle()

    assert stage.split == ALL_TO_CANARY


# --- edits


@pytest.mark.parametrize(
    "manifest", [BLUE_GREEN, INSIDERS, MIRRORED], ids=["plain", "A/B", "copies"]
)
def test_fewer_iterations_than_are_done_do_not_stop_a_rollout(manifest: Raw) -> None:
    """D-20: it is promoted after the steps that are left."""
    stage = released(manifest)
    stage.run(lambda on: on.state.iterations == 3, within=LONG)
    stage.edit_canary(analysis={"iterations": 1})
    rollouts.finish(stage)

    rollouts.succeeded(stage)
    assert (TO_CANARY in stage.texts()) is (manifest is BLUE_GREEN)
    assert (UNMIRRORED in stage.texts()) is (manifest is MIRRORED)


def test_one_canary_goes_from_weights_to_iterations_and_to_chosen_requests() -> None:
    """Nothing is made anew, and an edit alone starts nothing."""
    stage = rollouts.finish(released(planned()))
    before = len(stage.texts())
    none = {"stepWeight": None, "maxWeight": None}
    stage.edit_canary(analysis={**none, "iterations": 1})
    stage.wait(timedelta(minutes=5))
    assert len(stage.texts()) == before
    stage.release("cart:3")
    assert rollouts.followed(stage) == [ALL_TO_PRIMARY, ALL_TO_CANARY, ALL_TO_PRIMARY]
    rollouts.finish(stage)

    stage.edit_canary(analysis={"match": MATCH})
    stage.wait(timedelta(minutes=5))
    stage.release("cart:4")
    assert rollouts.followed(stage) == [ALL_TO_PRIMARY, FOR_INSIDERS, ALL_TO_PRIMARY]
    rollouts.succeeded(rollouts.finish(stage), "cart:4")


@pytest.mark.parametrize("analysis", [{}, {"match": MATCH}], ids=["blue/green", "A/B"])
def test_a_canary_with_weight_is_judged_although_its_strategy_changes(analysis: Raw) -> None:
    """A bad canary that is found out under the next strategy is taken back all the same."""
    stage = at(released(planned()), TrafficSplit(60, 40))
    stage.meters.source = measuring.failing
    none = {"stepWeight": None, "maxWeight": None}
    stage.edit_canary(analysis={**none, "iterations": 3, **analysis})
    seen = rollouts.followed(stage)

    assert seen == [TrafficSplit(60, 40), ALL_TO_PRIMARY]
    assert not [text for text in stage.texts() if "iteration" in text]
    rollouts.rolled_back(rollouts.finish(stage))
    assert len(stage.meters.asked) == 4
