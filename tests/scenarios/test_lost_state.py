"""Redis emptied, the status lost, or written by Flagger: a rollout goes on, cautiously."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from analysis.phases import Phase
from clients import errors
from clients.kube import resources
from config.traffic import TrafficSplit
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.rollouts import BEGINNING, LONG, NEW
from tests.stage.stage import REF, Stage, a_deployment, initialized
from tests.unit.analysis.worlds import a_manifest

PLAN = [0, 20, 40, 60, 0]
FOREIGN = {"lastAppliedSpec": "5978589476", "lastPromotedSpec": "5978589476", "conditions": None}

Moment = Callable[[Stage], bool]

MOMENTS: dict[str, Moment] = {
    "just noticed": lambda on: on.phase() == "Progressing",
    "at 20": lambda on: on.split == TrafficSplit(80, 20),
    "at 60": lambda on: on.split == TrafficSplit(40, 60),
    "promoting": lambda on: on.phase() == "Promoting",
    "promoted": lambda on: on.phase() == "Succeeded",
}


def flushed(stage: Stage) -> None:
    """Redis loses everything, and messages on their way with it."""
    stage.bag.messages.clear()
    stage.forget_everything()


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS.keys())
def test_a_good_rollout_ends_well_although_redis_is_emptied(moment: Moment) -> None:
    """Rebuilt from status, route and workloads; no weight outside the plan (invariant 7)."""
    stage = rollouts.released(a_manifest())
    stage.run(moment, within=LONG)
    flushed(stage)
    rollouts.finish(stage)

    rollouts.succeeded(stage)
    assert set(stage.weights) <= set(PLAN)


def test_a_watch_that_lags_makes_no_step_a_rollback_when_redis_is_emptied() -> None:
    """Status and route are watched apart: a weight shown beside a route of before is not believed.

    All is listed anew before a state is rebuilt.
    """
    stage = rollouts.released(a_manifest())
    cut = Fault(errors.Transient("cut"), verb="watch", resource="virtualservices", times=10_000)
    stage.kube.faults.add(cut)
    stage.run(lambda on: on.status["canaryWeight"] == 20, within=LONG)
    flushed(stage)
    rollouts.finish(stage)

    rollouts.succeeded(stage)
    assert stage.weights == PLAN


@pytest.mark.parametrize("shown", [0, 60])
@pytest.mark.parametrize("phase", [Phase.PROMOTING, Phase.SUCCEEDED])
def test_a_promotion_that_the_status_does_not_show_is_not_lost_with_redis(
    phase: Phase, shown: int
) -> None:
    """The primary has the revision, so it was analysed; the status lags by all that came since.

    While its new pods start, the canary alone has some, and gets all traffic.
    """
    stage = rollouts.at_weight(rollouts.released(a_manifest()), shown)
    stage.losing = {"status"}
    stage.run(lambda on: on.state.phase is phase, within=LONG)
    assert stage.status["canaryWeight"] == shown
    flushed(stage)
    stage.losing = set()
    rollouts.finish(stage)

    rollouts.succeeded(stage)
    assert stage.weights in (PLAN, [0, 20, 40, 60, 100, 0])
    assert stage.texts()[-1] == rollouts.COMPLETED


@pytest.mark.parametrize("checks", [1, 2, 3])
def test_a_bad_rollout_ends_badly_although_redis_is_emptied(checks: int) -> None:
    """Failed checks are remembered by the status; what has failed does not resume."""
    stage = rollouts.released(a_manifest())
    stage.meters.source = measuring.failing
    stage.run(lambda on: len(on.meters.asked) == checks, within=LONG)
    flushed(stage)
    rollouts.finish(stage)

    rollouts.rolled_back(stage)
    assert len(stage.meters.asked) == 3
    assert stage.weights == [0, 20, 0]


def test_an_initialization_goes_on_although_redis_is_emptied() -> None:
    """The primary that was made already is kept."""
    stage = Stage()
    stage.create(resources.DEPLOYMENTS, a_deployment())
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**a_manifest(), "metadata": metadata})
    stage.wait(timedelta(seconds=1))
    assert stage.phase() == "Initializing"
    flushed(stage)
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    stage.wait(timedelta(seconds=10))

    assert stage.generation(resources.DEPLOYMENTS, "cart-app-primary") == 1
    assert rollouts.replicas(stage) == 0


def test_a_failed_promotion_is_remembered_although_redis_is_emptied() -> None:
    """The canary goes on serving everything; the dead primary gets no traffic (D-1)."""
    stage = initialized(a_manifest(spec={"progressDeadlineSeconds": 60}))
    stage.kubelet.held.add("cart-app-primary")
    stage.release("cart:2")
    stage.run(lambda on: on.status["canaryWeight"] == 100, within=LONG)
    stage.wait(timedelta(minutes=1))
    flushed(stage)
    stage.wait(timedelta(minutes=10))

    assert (stage.split, stage.phase()) == (TrafficSplit(0, 100), "Failed")
    assert rollouts.replicas(stage) == 2
    stage.kubelet.held.clear()
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    rollouts.succeeded(rollouts.finish(stage))


def test_an_emptied_redis_costs_nothing_at_rest() -> None:
    """The rebuilt canary is at rest again: no rollout, no event, no route write."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    told, route = rollouts.told(stage), stage.generation(resources.VIRTUAL_SERVICES, "cart-app")
    flushed(stage)
    stage.wait(timedelta(minutes=20))

    assert rollouts.told(stage) == told
    assert stage.generation(resources.VIRTUAL_SERVICES, "cart-app") == route
    rollouts.succeeded(stage)


def test_an_emptied_redis_changes_no_time_and_repeats_no_remark() -> None:
    """R-38: phase and manifest are as before, so the status says the same as before."""
    stage = initialized(a_manifest(interval="2s"))
    stage.wait(timedelta(hours=1))
    before, told = stage.status, stage.texts()
    assert any("is read as 10s" in text for text in told)
    flushed(stage)
    stage.wait(timedelta(minutes=20))

    assert _without_version(stage.status) == _without_version(before)
    assert stage.texts() == told


def _without_version(status: Mapping[str, Any]) -> dict[str, Any]:
    known = [item for item in status["conditions"] if item["type"] != "Recorded"]
    return {**status, "conditions": known}


def test_a_suspended_rollout_stays_where_it_is_although_redis_is_emptied() -> None:
    """Still at its weight, still suspended; then it goes on."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.edit_canary(suspend=True)
    stage.settle()
    flushed(stage)
    stage.wait(timedelta(minutes=20))
    assert stage.split == TrafficSplit(60, 40)

    stage.edit_canary(suspend=False)
    rollouts.succeeded(rollouts.finish(stage))


# --- the status


def recreated(stage: Stage) -> None:
    """The canary deleted without its dependents, and made anew without a status."""
    path = resources.CANARIES.path("shop", "cart")
    stage.kube.request("DELETE", f"{path}?propagationPolicy=Orphan")
    stage.settle()
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**a_manifest(), "metadata": metadata})


def test_with_a_lost_status_the_primary_keeps_what_it_runs() -> None:
    """Promoted is what the primary runs; what the target holds beyond that is analysed (D-7)."""
    stage = initialized(a_manifest())
    stage.edit_canary(suspend=True)
    stage.settle()
    stage.release("cart:2")
    recreated(stage)
    stage.run(lambda on: on.phase() in {"Initialized", "Progressing"}, within=LONG)
    assert stage.image("cart-app-primary") == "cart:1"

    stage.run(rollouts.ended, within=LONG)
    rollouts.finish(stage)
    assert stage.weights == PLAN
    assert NEW in stage.texts()
    rollouts.succeeded(stage)


def test_with_a_lost_status_and_nothing_new_no_rollout_starts() -> None:
    """The primary is adopted, the rest is as it was (D-7)."""
    stage = initialized(a_manifest())
    generation = stage.generation(resources.DEPLOYMENTS, "cart-app-primary")
    recreated(stage)
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    stage.wait(timedelta(minutes=5))

    assert NEW not in stage.texts()
    assert stage.generation(resources.DEPLOYMENTS, "cart-app-primary") == generation
    assert rollouts.replicas(stage) == 0


# --- Flagger's canaries


def taken_over(stage: Stage, **status: object) -> None:
    """The canary as Flagger leaves it: its own hashes in the status, no state of ours."""
    patch = {"status": {**FOREIGN, **status}}
    stage.kube.patch(resources.CANARIES, "shop", "cart", patch, subresource="status")
    flushed(stage)


@pytest.mark.parametrize("phase", ["Initialized", "Succeeded"])
def test_a_canary_of_flagger_is_taken_over_silently(phase: str) -> None:
    """Foreign hashes start no rollout where target and primary are the same (D-34)."""
    stage = initialized(a_manifest())
    taken_over(stage, phase=phase)
    stage.wait(timedelta(minutes=20))
    assert rollouts.told(stage) == []
    assert stage.weights == [0]
    assert stage.phase() == phase

    stage.release("cart:2")
    rollouts.finish(stage)
    assert rollouts.told(stage)[: len(BEGINNING)] == BEGINNING
    rollouts.succeeded(stage)


def test_a_change_made_while_nobody_watched_is_rolled_out_after_a_take_over() -> None:
    """Target and primary differ: that is a new revision, whatever the hashes say (D-34)."""
    stage = initialized(a_manifest())
    stage.edit_canary(suspend=True)
    stage.settle()
    stage.release("cart:2")
    stage.edit_canary(suspend=False)
    taken_over(stage, phase="Initialized")
    rollouts.finish(stage)

    assert stage.weights == PLAN
    rollouts.succeeded(stage)


def test_a_rollout_of_flagger_is_carried_on_at_its_weight() -> None:
    """Taken over at 40 %: the analysis goes on there, with its failed checks (D-34)."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.settle()
    taken_over(stage, lastAppliedSpec="66d5864f5c", failedChecks=1)
    rollouts.finish(stage)

    assert stage.weights == PLAN
    assert stage.status["failedChecks"] == 1
    rollouts.succeeded(stage)


def test_a_revision_that_failed_under_flagger_is_not_tried_again() -> None:
    """Failed stays Failed until the target changes (D-34)."""
    stage = rollouts.released(a_manifest())
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    taken_over(stage, lastAppliedSpec="66d5864f5c")
    stage.wait(timedelta(minutes=20))
    assert stage.weights == [0, 20, 0]
    rollouts.rolled_back(stage)

    stage.meters.source = measuring.healthy
    stage.release("cart:3")
    rollouts.succeeded(rollouts.finish(stage), "cart:3")


@pytest.mark.parametrize("weight", [0, 40])
def test_a_status_that_is_wiped_is_shown_again(weight: int) -> None:
    """The status is a projection: emptied by hand, it is written anew, and nothing else happens.

    At rest that takes until the next resync (D-7).
    """
    stage = initialized(a_manifest())
    if weight:
        stage.release("cart:2")
        rollouts.at_weight(stage, weight)
    stage.settle()
    before = {key: stage.status[key] for key in ("phase", "canaryWeight", "lastPromotedSpec")}
    wiped = {"status": None}
    stage.kube.patch(resources.CANARIES, "shop", "cart", wiped, subresource="status")
    stage.wait(timedelta(seconds=20) if weight else timedelta(minutes=6))

    if weight:
        rollouts.at_weight(stage, 60)
    else:
        assert {key: stage.status.get(key) for key in before} == before
        stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == PLAN


def splits_after_the_loss(stage: Stage) -> list[int]:
    """Redis is emptied; the canary's weights in the route until things have settled."""
    stage.losing.clear()
    stage.weights.clear()
    flushed(stage)
    stage.wait(timedelta(seconds=40))
    return stage.weights


def test_a_status_that_lags_gives_no_traffic_to_a_primary_without_pods() -> None:
    """The promotion had failed, and the canary alone serves; the status was not told yet."""
    stage = rollouts.released(a_manifest(spec={"progressDeadlineSeconds": 60}))
    rollouts.at_weight(stage, 60)
    stage.kubelet.held.add("cart-app-primary")
    stage.run(lambda on: on.phase() == "Promoting", within=LONG)
    stage.losing.add("status")
    stage.run(lambda on: on.split == TrafficSplit(0, 100), within=LONG)
    assert splits_after_the_loss(stage) == [100]


def test_a_primary_that_has_just_crashed_gets_no_traffic_back_by_a_status_that_lags() -> None:
    """The canary has pods, and keeps at least what it has."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.settle()
    stage.losing.add("status")
    rollouts.at_weight(stage, 40)
    stage.kubelet.dead.add("cart-app-primary")
    stage.kubelet.step()
    assert min(splits_after_the_loss(stage)) >= 40


def test_a_status_that_knows_of_no_rollout_parks_no_canary_that_has_traffic() -> None:
    """The target keeps its pods until the route has been led away from them.

    Then it is analysed from the start; nothing of it has failed, so that is not shown.
    """
    stage = rollouts.released(a_manifest())
    stage.losing.add("status")
    rollouts.at_weight(stage, 60)
    stage.losing.clear()
    stage.losing.add("route")
    flushed(stage)
    stage.wait(timedelta(seconds=5))
    assert stage.split == TrafficSplit(40, 60)
    assert stage.deployment("cart-app")["spec"]["replicas"] == 2
    stage.losing.clear()
    phases: list[str] = []

    def succeeded(on: Stage) -> bool:
        phases.append(on.phase())
        return phases[-1] == "Succeeded"

    stage.run(succeeded, within=LONG)
    assert list(dict.fromkeys(phases)) == ["Progressing", "Promoting", "Succeeded"]
    assert stage.weights == [0, 20, 40, 60, 0, 20, 40, 60, 0]
