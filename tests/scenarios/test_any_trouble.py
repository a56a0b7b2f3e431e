"""Whatever happens to a canary, in whatever order: once the world is well, releases are promoted.

Users release, revert, edit, delete and suspend; Redis is emptied, the API server fails, pods die,
messages are lost, repeated and reordered. Then all is well again. Not here: dying processes.
"""

import contextlib
import random
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from clients import errors
from clients.kube import resources
from config.traffic import TrafficSplit
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.stage import REF, Stage, a_deployment, initialized
from tests.unit.analysis.worlds import a_manifest

Hand = Callable[[Stage, random.Random], None]

SOURCES: Final = (measuring.healthy, measuring.healthy, measuring.failing, measuring.silent)
IMAGES: Final = ("cart:1", "cart:2", "cart:3", "cart:4")
RESTING: Final = {"Initialized", "Succeeded", "Failed"}
MANIFEST: Final = a_manifest(spec={"progressDeadlineSeconds": 120})


def release(stage: Stage, chance: random.Random) -> None:
    """A release, of a new or of an old image, now and then one that never comes up."""
    stage.release(chance.choice(IMAGES), broken=chance.random() < 0.2)


def measure(stage: Stage, chance: random.Random) -> None:
    """Another verdict from now on."""
    stage.meters.source = chance.choice(SOURCES)


def suspend(stage: Stage, chance: random.Random) -> None:
    """Suspended, or resumed."""
    stage.edit_canary(suspend=chance.random() < 0.5)


def edit(stage: Stage, chance: random.Random) -> None:
    """Another manifest, perhaps one that cannot be carried out, or that the API server refuses."""
    analysis: Mapping[str, Any] = chance.choice(
        [
            {"interval": "10s"},
            {"interval": "1m"},
            {"stepWeight": 30},
            {"stepWeight": 20},
            {"iterations": 3},
            {"iterations": None},
            {"stepWeightPromotion": 40},
            {"stepWeightPromotion": None},
        ]
    )
    with contextlib.suppress(errors.Permanent):
        stage.edit_canary(analysis=analysis, skipAnalysis=chance.random() < 0.1)


def reroute(stage: Stage, chance: random.Random) -> None:
    """The route is deleted."""
    _delete(stage, resources.VIRTUAL_SERVICES, "cart-app")


def unserve(stage: Stage, chance: random.Random) -> None:
    """A Service is deleted."""
    name = chance.choice(["cart-app", "cart-app-primary", "cart-app-canary"])
    _delete(stage, resources.SERVICES, name)


def lose_primary(stage: Stage, chance: random.Random) -> None:
    """The primary is deleted."""
    _delete(stage, resources.DEPLOYMENTS, "cart-app-primary")


def lose_target(stage: Stage, chance: random.Random) -> None:
    """The target is deleted and made anew, perhaps with replicas of its own."""
    image = stage.image("cart-app")
    _delete(stage, resources.DEPLOYMENTS, "cart-app")
    stage.settle()
    stage.create(resources.DEPLOYMENTS, a_deployment(image, chance.choice([0, 1, 2])))


def scale(stage: Stage, chance: random.Random) -> None:
    """Somebody scales the target."""
    patch = {"spec": {"replicas": chance.choice([0, 1, 3])}}
    stage.edit(resources.DEPLOYMENTS, "cart-app", patch)


def sicken(stage: Stage, chance: random.Random) -> None:
    """Pods die, or do not come up, or do again."""
    name = chance.choice(["cart-app", "cart-app-primary"])
    illness = chance.choice([stage.kubelet.dead, stage.kubelet.held])
    illness.symmetric_difference_update({name})


def fail(stage: Stage, chance: random.Random) -> None:
    """The next requests of a kind fail, some of them after they were carried out."""
    resource = chance.choice(["virtualservices", "deployments", "canaries", "events", "services"])
    error = chance.choice([errors.Transient("away", status=500), errors.Conflict("busy")])
    after, times = chance.random() < 0.3, chance.randrange(1, 8)
    stage.door.faults.add(Fault(error, resource=resource, times=times, after=after))


def flush(stage: Stage, chance: random.Random) -> None:
    """Redis is emptied; messages on their way may arrive."""
    stage.forget_everything()


def pass_time(stage: Stage, chance: random.Random) -> None:
    """Some time passes, in order."""
    stage.wait(timedelta(seconds=chance.choice([1, 10, 40, 200])))


def mix(stage: Stage, chance: random.Random) -> None:
    """Messages are delivered, lost, repeated and reordered."""
    for _ in range(chance.randrange(12)):
        stage.kubelet.step()
        stage.observe()
        stage.claim()
        if not stage.bag.messages:
            stage.clock.advance(timedelta(milliseconds=chance.choice([1, 400, 2500])))
            continue
        at = chance.randrange(len(stage.bag.messages))
        message = stage.bag.messages[at]
        if chance.random() < 0.8:
            stage.bag.messages.pop(at)
        if chance.random() < 0.9:
            stage.deliver(message)


HANDS: Final[tuple[Hand, ...]] = (
    release,
    release,
    measure,
    suspend,
    edit,
    reroute,
    unserve,
    lose_primary,
    lose_target,
    scale,
    sicken,
    fail,
    flush,
    pass_time,
    pass_time,
    pass_time,
    mix,
    mix,
)


def _delete(stage: Stage, resource: resources.Resource, name: str) -> None:
    try:
        stage.kube.delete(resource, REF.namespace, name)
    except errors.NotFound:
        return


def heal(stage: Stage) -> None:
    """The world is well from now on, and has been for a while.

    A primary that was lost while the target changed is made anew from what it ran, and for that
    users have to set the target back, as they are told.
    """
    stage.door.faults.clear()
    stage.kubelet.dead.clear()
    stage.kubelet.held.clear()
    stage.meters.source = measuring.healthy
    spec = MANIFEST["spec"]["analysis"]
    analysis = {**spec, "iterations": None, "stepWeightPromotion": None}
    stage.edit_canary(suspend=False, skipAnalysis=None, analysis=analysis)
    stage.wait(timedelta(minutes=15))
    for image in IMAGES:
        if not _present(stage, "cart-app-primary"):
            stage.release(image)
            stage.wait(timedelta(minutes=10))


def _is_promoted(stage: Stage) -> bool:
    return _present(stage, "cart-app-primary") and stage.image("cart-app-primary") == "cart:final"


def _present(stage: Stage, name: str) -> bool:
    names = {item["metadata"]["name"] for item in stage.kube.list(resources.DEPLOYMENTS).items}
    return name in names


@given(seed=st.integers(0, 2**32 - 1), hands=st.integers(1, 25))
@settings(max_examples=8)
def test_after_any_trouble_everything_comes_to_rest_and_a_good_release_is_promoted(
    seed: int, hands: int
) -> None:
    """No stuck rollout: what is left rests, consistent with itself, and the next one succeeds."""
    stage = initialized(MANIFEST)
    chance = random.Random(seed)
    for _ in range(hands):
        chance.choice(HANDS)(stage, chance)

    heal(stage)
    assert stage.phase() in RESTING, (stage.state, stage.texts()[-5:])
    assert stage.split == TrafficSplit(100, 0), (stage.state, stage.texts()[-5:])

    stage.release("cart:final")
    stage.run(_is_promoted, within=timedelta(hours=1))
    rollouts.succeeded(rollouts.finish(stage), "cart:final")
