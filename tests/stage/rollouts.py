"""Words for whole rollouts: how they begin, how they end, and what was told about them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from config.traffic import TrafficSplit
from tests.stage.bag import Message
from tests.stage.stage import REF, Stage, initialized

LONG: Final = timedelta(minutes=30)
INTERVAL: Final = timedelta(seconds=30)
READINESS: Final = timedelta(seconds=3)
"""How long the pods of a stage take to become ready."""

NEW: Final = "New revision detected! Scaling up cart-app.shop"
WAITING: Final = (
    "canary deployment cart-app.shop not ready: waiting for rollout to finish: "
    "0 of 2 (readyThreshold 100%) updated replicas are available"
)
STARTING: Final = "Starting canary analysis for cart-app.shop"
COPYING: Final = "Copying cart-app.shop template spec to cart-app-primary.shop"
PRIMARY_WAITING: Final = (
    "cart-app-primary.shop not ready: waiting for rollout to finish: "
    "0 of 2 (readyThreshold 100%) updated replicas are available"
)
TO_PRIMARY: Final = "Routing all traffic to primary"
COMPLETED: Final = "Promotion completed! Scaling down cart-app.shop"
RESTARTING: Final = "New revision detected! Restarting analysis for cart-app.shop"
FAILED: Final = "Canary failed! Scaling down cart.shop"

BEGINNING: Final = [NEW, STARTING]
ENDING: Final = [COPYING, TO_PRIMARY, COMPLETED]


def advance(*weights: int) -> list[str]:
    """The events of these steps."""
    return [f"Advance cart.shop canary weight {weight}" for weight in weights]


def released(manifest: Mapping[str, Any], image: str = "cart:2") -> Stage:
    """A stage on which `image` was just released to an initialized canary."""
    stage = initialized(manifest)
    stage.release(image)
    return stage


def at_weight(stage: Stage, weight: int) -> Stage:
    """`stage`, gone on until the canary has `weight`."""
    stage.run(lambda on: on.split == TrafficSplit.of(weight), within=LONG)
    return stage


def ended(stage: Stage) -> bool:
    """Whether a rollout has ended, its last hooks are called and everything is told."""
    over = {"Succeeded", "Failed"}
    told = not stage.store.undelivered(stage.ref)[0] and stage.phase() == shown(stage)
    return stage.phase() in over and told and not stage.state.epilogue


def shown(stage: Stage) -> str:
    """The phase that the status should show."""
    return stage.state.phase.value.replace("PromotionFailed", "Failed")


def finish(stage: Stage) -> Stage:
    """`stage`, gone on until the rollout has ended and what it leaves to do is done."""
    stage.run(ended, within=LONG)
    stage.wait(timedelta(seconds=10))
    return stage


def followed(stage: Stage) -> list[TrafficSplit]:
    """The splits that the live route has had until the rollout ended, each once."""
    splits: list[TrafficSplit] = []

    def is_over(on: Stage) -> bool:
        if on.split is not None and on.split not in splits[-1:]:
            splits.append(on.split)
        return ended(on)

    stage.run(is_over, within=LONG)
    return splits


def a_message(kind: str) -> Message:
    """A nudge of this kind for the canary of the stage."""
    return Message(kind, REF)


def told(stage: Stage) -> list[str]:
    """What was told since the initialization."""
    texts = stage.texts()
    return texts[texts.index("Initialization done! cart.shop") + 1 :]


def replicas(stage: Stage, name: str = "cart-app") -> int:
    """The replicas asked for of a Deployment."""
    return int(stage.deployment(name)["spec"]["replicas"])


def succeeded(stage: Stage, image: str = "cart:2") -> None:
    """Asserts that `image` was promoted and nothing of the rollout is left."""
    assert stage.phase() == "Succeeded"
    assert stage.image("cart-app-primary") == image
    assert stage.split == TrafficSplit(100, 0)
    assert replicas(stage) == 0
    assert stage.status["lastPromotedSpec"] == stage.status["lastAppliedSpec"]


def rolled_back(stage: Stage, image: str = "cart:1") -> None:
    """Asserts that the rollout failed, and left the primary with `image` and all traffic."""
    assert stage.phase() == "Failed"
    assert stage.image("cart-app-primary") == image
    assert stage.split == TrafficSplit(100, 0)
    assert replicas(stage) == 0
    assert stage.status["failedChecks"] == stage.status["canaryWeight"] == 0
