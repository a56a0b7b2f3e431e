"""Traffic follows the pods: sides that are deleted, scaled to zero, crash, or lose a few pods."""

from datetime import timedelta

import pytest

from clients.kube import resources
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY, TrafficSplit
from tests.stage import measuring, rollouts
from tests.stage.bag import Message
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage
from tests.unit.analysis.worlds import a_manifest

PRIMARY = "cart-app-primary"
SOON = timedelta(seconds=5)
A_MINUTE = {"progressDeadlineSeconds": 60}
ABSENT = "deployment not found"
AT_ZERO = "waiting for rollout to finish: scaled to zero"
WAY_OUT = "set cart-app.shop back to the promoted revision to have it made anew"


def delete(stage: Stage, name: str) -> None:
    """Somebody deletes a Deployment."""
    stage.kube.delete(resources.DEPLOYMENTS, REF.namespace, name)
    stage.settle()


def scale(stage: Stage, name: str, replicas: int) -> None:
    """Somebody scales a Deployment."""
    stage.edit(resources.DEPLOYMENTS, name, {"spec": {"replicas": replicas}})
    stage.settle()


def present(stage: Stage) -> set[str]:
    """The names of the Deployments there are."""
    return {item["metadata"]["name"] for item in stage.kube.list(resources.DEPLOYMENTS).items}


def promoting(stage: Stage) -> Stage:
    """`stage`, gone on until the primary was given the new revision and does not come up."""
    stage.kubelet.held.add(PRIMARY)
    stage.run(
        lambda on: on.state.phase == "Promoting" and on.image(PRIMARY) == "cart:2", within=LONG
    )
    return stage


# --- the primary


@pytest.mark.parametrize("weight", [0, 20, 60])
def test_a_primary_deleted_in_mid_rollout_leaves_its_traffic_to_the_canary(weight: int) -> None:
    """At once; it is said, and no primary is made from a revision that was not analysed."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), weight)
    delete(stage, PRIMARY)
    stage.wait(SOON)
    assert stage.split == ALL_TO_CANARY
    assert f"Routing all traffic to cart-app.shop, {PRIMARY}.shop lost: {ABSENT}" in stage.texts()

    stage.wait(timedelta(hours=1))
    assert stage.split == ALL_TO_CANARY
    assert present(stage) == {"cart-app"}
    assert rollouts.replicas(stage) == 2
    assert f"{PRIMARY}.shop not ready: {ABSENT}, {WAY_OUT}" in stage.texts()
    assert (stage.phase(), stage.status["canaryWeight"]) == ("Failed", 100)


def test_a_primary_lost_in_mid_rollout_is_made_anew_from_the_promoted_revision() -> None:
    """The way out that is told: the target is set back."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    delete(stage, PRIMARY)
    stage.wait(timedelta(minutes=10))
    stage.release("cart:1")
    stage.wait(timedelta(minutes=10))

    assert stage.image(PRIMARY) == "cart:1"
    assert stage.split == ALL_TO_PRIMARY
    assert rollouts.replicas(stage) == 0
    stage.release("cart:3")
    rollouts.succeeded(rollouts.finish(stage), "cart:3")


def test_a_lost_primary_survives_the_loss_of_redis_without_a_promotion_unseen() -> None:
    """The canary goes on serving, and its revision is still not analysed."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    delete(stage, PRIMARY)
    stage.wait(timedelta(minutes=1))
    stage.forget_everything()
    stage.wait(timedelta(minutes=10))

    assert stage.split == ALL_TO_CANARY
    assert present(stage) == {"cart-app"}


def test_a_primary_deleted_while_promoting_is_made_anew_from_what_was_analysed() -> None:
    """The canary serves meanwhile, then the promotion is completed."""
    stage = promoting(rollouts.released(a_manifest()))
    stage.kubelet.held.clear()
    delete(stage, PRIMARY)
    stage.run(lambda on: on.split == ALL_TO_CANARY, within=SOON)
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == [0, 20, 40, 60, 100, 0]


def test_a_primary_deleted_after_a_failed_rollout_is_spoken_of() -> None:
    """Nothing can be made anew, and no side has pods: at least it is said, and how to mend it."""
    stage = rollouts.released(a_manifest())
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    delete(stage, PRIMARY)
    stage.wait(timedelta(hours=1))

    assert present(stage) == {"cart-app"}
    assert stage.split == ALL_TO_PRIMARY
    assert f"{PRIMARY}.shop not ready: {ABSENT}, {WAY_OUT}" in stage.texts()


def test_a_primary_scaled_to_zero_in_mid_rollout_gets_its_traffic_back_when_it_is_back() -> None:
    """The canary serves meanwhile; its revision was not analysed, so the rollout has failed."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    scale(stage, PRIMARY, 0)
    stage.wait(SOON)
    assert stage.split == ALL_TO_CANARY
    assert f"Routing all traffic to cart-app.shop, {PRIMARY}.shop lost: {AT_ZERO}" in stage.texts()

    stage.wait(timedelta(minutes=10))
    assert stage.split == ALL_TO_CANARY
    scale(stage, PRIMARY, 2)
    stage.wait(timedelta(minutes=1))
    rollouts.rolled_back(stage)


def test_a_primary_scaled_to_zero_at_rest_is_spoken_of_and_a_release_waits_for_it() -> None:
    """Somebody's will is not undone, but nobody is left in the dark."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    scale(stage, PRIMARY, 0)
    stage.wait(timedelta(minutes=10))
    waiting = f"{PRIMARY}.shop not ready: {AT_ZERO}"
    assert stage.texts()[-1] == waiting
    assert rollouts.replicas(stage, PRIMARY) == 0

    stage.release("cart:3")
    stage.wait(timedelta(minutes=10))
    assert stage.texts()[-1] == waiting
    scale(stage, PRIMARY, 2)
    stage.run(lambda on: on.image(PRIMARY) == "cart:3", within=LONG)
    rollouts.succeeded(rollouts.finish(stage), "cart:3")


def test_a_primary_that_dies_for_good_in_mid_rollout_leaves_its_traffic_to_the_canary() -> None:
    """At its deadline: until then it may come back, and the canary is not analysed yet."""
    stage = rollouts.at_weight(rollouts.released(a_manifest(spec=A_MINUTE)), 20)
    stage.kubelet.dead.add(PRIMARY)
    stage.wait(timedelta(seconds=50))
    assert stage.split == TrafficSplit(80, 20)
    stage.wait(timedelta(seconds=15))
    assert stage.split == ALL_TO_CANARY

    stage.kubelet.dead.clear()
    stage.wait(timedelta(minutes=1))
    rollouts.rolled_back(stage)


# --- the canary


def test_a_failed_promotion_leaves_the_old_pods_that_serve_with_their_traffic() -> None:
    """The new revision dies after its analysis, in both copies: old pods of the primary serve."""
    stage = rollouts.at_weight(rollouts.released(a_manifest(spec=A_MINUTE)), 60)
    promoting(stage)
    stage.kubelet.few[PRIMARY] = 1
    stage.settle()
    stage.kubelet.dead.add("cart-app")
    stage.settle()
    assert stage.split == ALL_TO_PRIMARY

    stage.wait(timedelta(minutes=3))
    assert stage.split == ALL_TO_PRIMARY
    assert stage.state.phase == "PromotionFailed"
    stage.kubelet.dead.clear()
    stage.kubelet.held.clear()
    stage.kubelet.few.clear()
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == [0, 20, 40, 60, 0]


def test_after_a_failed_promotion_traffic_follows_the_pods() -> None:
    """The canary crashes when the primary has some again, and the other way round."""
    stage = promoting(rollouts.released(a_manifest(spec=A_MINUTE)))
    stage.run(lambda on: on.split == ALL_TO_CANARY, within=LONG)
    stage.kubelet.few[PRIMARY] = 1
    stage.kubelet.dead.add("cart-app")
    stage.settle()
    assert stage.split == ALL_TO_PRIMARY

    stage.kubelet.dead.clear()
    stage.kubelet.few[PRIMARY] = 0
    stage.settle()
    assert stage.split == ALL_TO_CANARY


def test_a_target_deleted_between_promotion_steps_loses_its_traffic_at_once() -> None:
    """Its pods go with it; the primary has the revision already, and the rollout ends well."""
    manifest = a_manifest(stepWeight=50, maxWeight=100, stepWeightPromotion=20)
    stage = rollouts.at_weight(rollouts.released(manifest), 100)
    stage.run(lambda on: on.split == TrafficSplit(20, 80), within=LONG)
    delete(stage, "cart-app")
    assert stage.split == ALL_TO_PRIMARY

    stage.wait(timedelta(minutes=5))
    assert stage.phase() == "Succeeded"
    assert stage.image(PRIMARY) == "cart:2"


def test_a_target_deleted_right_after_the_copy_is_not_said_to_have_failed_to_copy() -> None:
    """It loses its traffic at once; what fails at the deadline is the primary, and that is told."""
    manifest = a_manifest(stepWeight=50, maxWeight=100)
    stage = promoting(rollouts.at_weight(rollouts.released(manifest), 100))
    delete(stage, "cart-app")
    assert stage.split == ALL_TO_PRIMARY

    stage.wait(timedelta(minutes=15))
    assert stage.split == ALL_TO_PRIMARY
    told = [text for text in stage.texts() if text.startswith("Promotion of")]
    assert len(told) == 1
    assert told[0].startswith("Promotion of cart-app.shop failed, primary not ready: ")


def test_a_partly_unready_canary_is_judged() -> None:
    """One of two pods is missing for ever, and the metrics fail: three checks find it out."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.kubelet.few["cart-app"] = 1
    stage.meters.source = measuring.failing
    began = stage.clock.now()
    stage.run(rollouts.ended, within=LONG)

    assert stage.clock.now() - began <= timedelta(seconds=100)
    assert len(stage.meters.asked) == 3
    assert "Rolling back cart.shop failed checks threshold reached 3" in stage.texts()
    rollouts.rolled_back(rollouts.finish(stage))


def test_a_partly_unready_canary_takes_no_step_up() -> None:
    """Its checks pass, but its next step would fall on fewer pods than it needs."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.kubelet.few["cart-app"] = 1
    stage.wait(timedelta(minutes=5))
    assert stage.split == TrafficSplit(80, 20)
    assert 9 <= len(stage.meters.asked) <= 10

    stage.kubelet.few.clear()
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == [0, 20, 40, 60, 0]


def test_a_partly_unready_canary_is_told_of_every_five_minutes() -> None:
    """Not at each of its checks, which pass: one event, counted up, as of all that stands still."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.kubelet.few["cart-app"] = 1
    stage.wait(timedelta(minutes=9))
    events = stage.kube.list(resources.EVENTS).items
    assert [event["count"] for event in events if ": 1 of 2 " in event["message"]] == [2]


def test_a_partly_unready_primary_does_not_keep_a_bad_canary() -> None:
    """There are pods to fall back on, so the canary is judged as ever."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.kubelet.few[PRIMARY] = 1
    stage.meters.source = measuring.failing
    stage.run(rollouts.ended, within=timedelta(seconds=100))
    rollouts.rolled_back(rollouts.finish(stage))


def test_a_canary_that_crashes_again_and_again_is_rolled_back() -> None:
    """Each crash costs a failed check, as many as the manifest allows."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    for crash in range(3):
        stage.run(lambda on: on.split != ALL_TO_PRIMARY, within=LONG)
        stage.kubelet.dead.add("cart-app")
        stage.settle()
        assert stage.split == ALL_TO_PRIMARY
        assert stage.state.phase == ("Progressing" if crash < 2 else "Failed")
        stage.kubelet.dead.clear()
    rollouts.rolled_back(rollouts.finish(stage))
    assert stage.weights == [0, 20, 0, 20, 0, 20, 0]


# --- what is known too late


def test_a_view_of_the_target_older_than_our_own_write_calls_no_rollout_off() -> None:
    """A watch that lags shows the target as it was before we scaled it, with the old revision."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    old = stage.store.read(REF).world
    stage.release("cart:3")
    rollouts.at_weight(stage, 20)
    now = stage.store.read(REF).world
    assert old.target
    assert now.target
    assert old.target.generation < now.target.generation
    stage.store.put_world(REF, old, {"target"}, wake={"target": timedelta(0)})
    stage.deliver(Message("tick", REF))
    assert stage.state.phase == "Progressing"

    stage.store.put_world(REF, now, {"target"}, wake={"target": timedelta(0)})
    rollouts.succeeded(rollouts.finish(stage), "cart:3")
    assert "target reverted" not in " ".join(stage.texts())
