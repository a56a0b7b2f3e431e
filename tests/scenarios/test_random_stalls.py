"""Whoever works may stall, at any request and for any time, while anything else happens.

A worker of any lane, a hook's caller or the leader stalls between two requests, or with one on its
way: shorter or longer than its lease, and past two of them; then it goes on, or is killed. Users
release, revert and edit meanwhile, objects are deleted, pods die, the API server refuses, Redis is
away, emptied or fails over to older data, leaders succeed each other.

`COALMINE_STALLS=1000` tries as many runs.
"""

import contextlib
import os
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from analysis.phases import Phase, shown
from clients import errors
from clients.kube import resources
from tests.stage import hands, measuring
from tests.stage.stage import REF, a_deployment, initialized
from tests.stage.troubled import TroubledStage
from tests.stage.watchman import Watchman, available, try_all
from tests.unit.analysis.worlds import a_manifest

PRIMARY: Final = "cart-app-primary"
TARGET: Final = "cart-app"
WEBHOOKS: Final = [
    {"name": "gate", "type": "pre-rollout", "url": "http://gate/"},
    {"name": "load", "type": "rollout", "url": "http://load/"},
]
NOWHERE: Final = {"name": "no", "type": "rollout", "url": "nowhere"}
"""A manifest with it is not accepted."""

MANIFEST: Final = a_manifest(webhooks=WEBHOOKS, spec={"progressDeadlineSeconds": 120})
SOURCES: Final = (measuring.healthy, measuring.healthy, measuring.failing, measuring.silent)
LONGEST: Final = timedelta(minutes=10)
"""From the end of all trouble to the end of a rollout: fewer than twenty intervals."""


# --- what happens meanwhile


Hand = Callable[[TroubledStage], None]


@dataclass
class Releases:
    """Images never released before."""

    number: int = 1

    def release(self, stage: TroubledStage) -> None:
        """A new revision, now and then one that never comes up."""
        self.number += 1
        with contextlib.suppress(errors.NotFound):
            stage.release(f"cart:{self.number}", broken=stage.chance.random() < 0.1)


def revert(stage: TroubledStage) -> None:
    """The target is set back to what the primary runs."""
    with contextlib.suppress(errors.NotFound):
        stage.release(stage.image(PRIMARY))


def edit(stage: TroubledStage) -> None:
    """Another manifest, perhaps one that is not accepted."""
    analysis: Mapping[str, object] = stage.chance.choice(
        [
            {"interval": "10s"},
            {"interval": "30s"},
            {"stepWeight": 30},
            {"threshold": 1},
            {"webhooks": [*WEBHOOKS, NOWHERE]},
            {"webhooks": WEBHOOKS},
        ]
    )
    stage.edit_canary(analysis=analysis)


def measure(stage: TroubledStage) -> None:
    """Another verdict from now on."""
    stage.source = stage.chance.choice(SOURCES)


def refuse(stage: TroubledStage) -> None:
    """A webhook changes its mind."""
    stage.webhooks.refusing.symmetric_difference_update({stage.chance.choice(["gate", "load"])})


def lose_primary(stage: TroubledStage) -> None:
    """The primary is deleted."""
    delete(stage, resources.DEPLOYMENTS, PRIMARY)


def lose_target(stage: TroubledStage) -> None:
    """The target is deleted, and made anew some time later."""
    with contextlib.suppress(errors.NotFound):
        image = stage.image(TARGET)
        delete(stage, resources.DEPLOYMENTS, TARGET)
        stage.wait(timedelta(seconds=stage.chance.choice([0, 1, 20])))
        stage.create(resources.DEPLOYMENTS, a_deployment(image))


def lose_route(stage: TroubledStage) -> None:
    """The route is deleted."""
    delete(stage, resources.VIRTUAL_SERVICES, "cart-app")


def lose_canary(stage: TroubledStage) -> None:
    """The Canary is deleted, and made anew some time later."""
    live = stage.kube.get(resources.CANARIES, REF.namespace, REF.name)
    delete(stage, resources.CANARIES, REF.name)
    stage.wait(timedelta(seconds=stage.chance.choice([0, 1, 20])))
    metadata = {"name": REF.name, "namespace": REF.namespace}
    body = {**live, "metadata": metadata}
    body.pop("status", None)
    stage.create(resources.CANARIES, body)


def sicken(stage: TroubledStage) -> None:
    """Pods die, or are back."""
    name = stage.chance.choice([TARGET, TARGET, PRIMARY])
    if stage.chance.random() < 0.3:
        stage.kubelet.few[name] = 1
    else:
        stage.kubelet.few.pop(name, None)
        stage.kubelet.dead.symmetric_difference_update({name})


HANDS: Final[tuple[Hand, ...]] = (
    revert,
    edit,
    measure,
    refuse,
    lose_primary,
    lose_target,
    lose_route,
    lose_canary,
    sicken,
    sicken,
    *hands.ALL,
)


def delete(stage: TroubledStage, resource: resources.Resource, name: str) -> None:
    """Deletes an object, if it is there."""
    with contextlib.suppress(errors.NotFound):
        stage.kube.delete(resource, REF.namespace, name)


# --- how it ends


def heal(stage: TroubledStage, promoted: str) -> None:
    """From now on all is well, and whoever stalls goes on.

    A primary that was lost is made anew from what it ran: users set the target back if they are
    told to.
    """
    stage.share = 0
    stage.door.faults.clear()
    stage.kubelet.dead.clear()
    stage.kubelet.few.clear()
    stage.source = measuring.healthy
    stage.webhooks.refusing.clear()
    stage.edit_canary(analysis=MANIFEST["spec"]["analysis"])
    stage.wait(timedelta(minutes=1))
    if available(stage, PRIMARY) is None:
        stage.release(promoted)


def at_rest(stage: TroubledStage) -> bool:
    """Whether a rollout, if there was any, is over; a broken target can be nobody's primary."""
    resting = {
        Phase.INITIALIZING,
        Phase.INITIALIZED,
        Phase.SUCCEEDED,
        Phase.FAILED,
        Phase.PROMOTION_FAILED,
    }
    return not stage.workers.parked and stage.state.phase in resting


def is_final(stage: TroubledStage) -> bool:
    """Whether the last release is what is promoted, or was initialized with."""
    over = {"Succeeded", "Initialized"}
    return stage.image(PRIMARY) == "cart:final" and stage.phase() in over and is_true(stage)


def is_true(stage: TroubledStage) -> bool:
    """Whether route and status say what is so."""
    state, status = stage.state, stage.status
    numbers = ("canaryWeight", "failedChecks", "iterations")
    said = (status["phase"], *(status.get(name, 0) for name in numbers))
    weight = state.route.split.canary
    so = (shown(state.phase), weight, state.failed_checks, state.iterations)
    revisions = (status["lastAppliedSpec"], status["lastPromotedSpec"])
    is_true = said == so and revisions == (state.applied, state.promoted)
    return is_true and stage.weight in {
        weight,
        None if state.phase is Phase.INITIALIZING else weight,
    }


def knows_what_is(stage: TroubledStage) -> bool:
    """Whether what is stored of the cluster is what a leader sees that looks at it anew."""
    known = stage.store.read(REF).world
    stage.replace_leader()
    stage.settle()
    return stage.store.read(REF).world == known


MOST: Final = 6
"""Releases of one run under trouble."""


def is_reached(watchman: Watchman) -> bool:
    """Whether writes have come late enough that the run was worth its while."""
    return watchman.counts["landed"] >= 2


def play(seed: int) -> Counter[str]:
    """One run; how often what was asserted."""
    chance = random.Random(seed)
    random.seed(seed)
    stage = initialized(MANIFEST, TroubledStage(chance))
    assert isinstance(stage, TroubledStage)
    watchman, releases = Watchman(stage), Releases()
    stage.watchman = watchman.look
    stage.share = chance.choice([0.4, 0.6, 0.8])
    try:
        least = chance.randrange(1, 4)
        while releases.number <= MOST and (releases.number <= least or not is_reached(watchman)):
            releases.release(stage)
            hands.pass_time(stage)
            for _ in range(chance.randrange(3)):
                chance.choice(HANDS)(stage)
                hands.pass_time(stage)
        heal(stage, watchman.promoted[-1])
        stage.run(lambda _: at_rest(stage), within=LONGEST)
        stage.wait(timedelta(seconds=15))
        assert is_true(stage), (stage.state, stage.status)
        assert knows_what_is(stage)
        stage.release("cart:final")
        stage.run(lambda _: is_final(stage), within=LONGEST)
        assert is_true(stage), (stage.state, stage.status)
        watchman.counts.update(stage.webhooks.counts)
        watchman.counts["ended"] += 1
    finally:
        stage.workers.close()
    return watchman.counts


EXAMPLES: Final = int(os.environ.get("COALMINE_STALLS", "6"))
REACHED: Final = {"landed": 1.0, "late": 0.3, "promotions": 1.0, "stood": 0.5, "calls": 2.0}
"""How often something is reached at least, per run: late is a write after the end of its lease."""


def test_whoever_stalls_nothing_wrong_lasts_and_every_rollout_ends() -> None:
    """Late writes are put right within a second; what has failed is not promoted, nor any twice."""
    try_all(play, range(EXAMPLES), REACHED)
