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
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from analysis.phases import Phase, shown
from analysis.state import RolloutState
from clients import errors
from clients.kube import resources
from clients.redis import keys
from config.traffic import TOTAL_WEIGHT
from tests.fakes import memory_redis
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.stage import REF, a_deployment, initialized
from tests.stage.troubled import TroubledStage
from tests.unit.analysis.worlds import a_manifest

PRIMARY: Final = "cart-app-primary"
TARGET: Final = "cart-app"
LEASE: Final = timedelta(seconds=8)
REPAIR: Final = timedelta(seconds=2)
SECOND: Final = timedelta(seconds=1)
INTERVAL: Final = timedelta(seconds=30)
WEBHOOKS: Final = [
    {"name": "gate", "type": "pre-rollout", "url": "http://gate/"},
    {"name": "load", "type": "rollout", "url": "http://load/"},
]
UNKNOWN: Final = {"name": "no", "type": "confirm-promotion", "url": "http://no/"}
"""Not carried out yet: a manifest with it is not accepted."""

MANIFEST: Final = a_manifest(webhooks=WEBHOOKS, spec={"progressDeadlineSeconds": 120})
SOURCES: Final = (measuring.healthy, measuring.healthy, measuring.failing, measuring.silent)
PLAN: Final = {0, 20, 30, 40, 60, 100}
LONGEST: Final = timedelta(minutes=10)
"""From the end of all trouble to the end of a rollout: fewer than twenty intervals."""


# --- what must hold at every moment


@dataclass
class Watchman:
    """Looks at everything between any two steps; raises AssertionError for what must not be."""

    stage: TroubledStage
    counts: Counter[str] = field(default_factory=Counter)
    since: dict[str, datetime] = field(default_factory=dict)
    excused_until: datetime | None = None
    version: str | None = None
    state: RolloutState | None = None
    phase: Phase | None = None
    failed: set[str] = field(default_factory=set)
    promoted: list[str] = field(default_factory=lambda: ["cart:1"])
    landings: int = 0

    def look(self, leapt: bool) -> None:
        """`leapt`: time has passed since everything had come to rest."""
        self._look_at_landings()
        self._look_at_decisions()
        self._look_at_primary()
        self._look_at_standing(leapt)

    def _look_at_landings(self) -> None:
        for landing in self.stage.workers.landings[self.landings :]:
            is_late = landing.landed >= landing.began + LEASE
            self.counts.update(["landed", f"landed {landing.kind}", *["late"] * is_late])
        self.landings = len(self.stage.workers.landings)

    def _look_at_decisions(self) -> None:
        version = self.stage.redis.hget(keys.STATE.of(REF), "version")
        if version in {None, self.version}:
            return
        self.state, before = self.stage.state, self.phase
        state, self.version, self.phase = self.state, version, self.state.phase
        assert state.route.split.canary in PLAN
        if state.phase is Phase.FAILED and before is not Phase.FAILED:
            self.failed.add(state.applied)
        if state.phase in {Phase.PROMOTING, Phase.FINALISING} and before is Phase.PROGRESSING:
            self.counts["promotions"] += 1
            assert state.applied not in self.failed, "a failed revision is promoted"

    def _look_at_primary(self) -> None:
        with contextlib.suppress(errors.NotFound):
            image = self.stage.image(PRIMARY)
            if image != self.promoted[-1]:
                assert image not in self.promoted, f"{image} is promoted twice"
                self.promoted.append(image)

    # --- what must not last

    def _look_at_standing(self, leapt: bool) -> None:
        now = self.stage.clock.now()
        if self._is_excused():
            self.since.clear()
            return
        for name, (holds, bound) in self._wrongs().items():
            if not holds:
                self.since.pop(name, None)
                continue
            began = self.since.setdefault(name, now)
            if leapt:
                self.counts.update(["stood", name])
                assert now - began <= bound, f"{name} since {began.time()}: {self.stage.state}"

    def _is_excused(self) -> bool:
        """Whether somebody who has a lease stalls, or was killed, or something is away."""
        stage, now = self.stage, self.stage.clock.now()
        holders = [*stage.workers.parked, *stage.workers.dead]
        if (
            any(now < actor.started + LEASE for actor in holders)
            or stage.is_leaderless
            or stage.is_redis_away
            or not stage.beat.is_idle
        ):
            self.excused_until = now + REPAIR
        return self.excused_until is not None and now < self.excused_until

    def _wrongs(self) -> Mapping[str, tuple[bool, timedelta]]:
        stage, state, weight = self.stage, self.state, self.stage.weight
        if weight is None or state is None:
            return {}
        of_primary, of_canary = available(stage, PRIMARY), available(stage, TARGET)
        is_gone = of_primary is None or rollouts.replicas(stage, PRIMARY) == 0
        off_intent = weight != state.route.split.canary
        confirmed = off_intent and stage.store.read(REF).confirmed.route_seq
        return {
            "dead canary": (bool(of_primary and not of_canary and weight), SECOND),
            "lost primary": (bool(is_gone and of_canary and weight < TOTAL_WEIGHT), SECOND),
            "off what is in force": (off_intent and confirmed >= state.route.seq, SECOND),
            "off what is wanted": (off_intent, INTERVAL * 2),
            "untrue status": (stage.phase() != shown(state.phase), INTERVAL),
        }


def available(stage: TroubledStage, name: str) -> int | None:
    """The available pods of a Deployment that are to stay; None when it is gone."""
    try:
        deployment = stage.deployment(name)
    except errors.NotFound:
        return None
    status = deployment.get("status") or {}
    return status.get("availableReplicas", 0) if deployment["spec"]["replicas"] else 0


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
            {"webhooks": [*WEBHOOKS, UNKNOWN]},
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


def fail(stage: TroubledStage) -> None:
    """The next request of a kind fails, perhaps after it was carried out."""
    chance = stage.chance
    resource = chance.choice(["virtualservices", "deployments", "canaries", "events", "services"])
    error = chance.choice([errors.Transient("away", status=500), errors.Conflict("busy")])
    after = chance.random() < 0.3
    stage.door.faults.add(Fault(error, resource=resource, after=after))


def hide_redis(stage: TroubledStage) -> None:
    """Redis does not answer for some time."""
    span = timedelta(seconds=stage.chance.choice([0.5, 4, 12]))
    stage.workers.redis_away_until = stage.clock.now() + span


def flush(stage: TroubledStage) -> None:
    """Redis is emptied."""
    stage.losses += 1
    stage.forget_everything()


def fail_over(stage: TroubledStage) -> None:
    """Redis comes back as it was some time ago."""
    copy = memory_redis.copied(stage.redis)
    stage.wait(timedelta(seconds=stage.chance.choice([0.2, 3, 40])))
    stage.losses += 1
    stage.fail_over(copy)


def replace_leader(stage: TroubledStage) -> None:
    """Another one leads."""
    stage.replace_leader()


def kill(stage: TroubledStage) -> None:
    """A worker that stalls is killed."""
    if stage.workers.parked:
        stage.workers.kill(stage.chance.choice(stage.workers.parked))


def relist(stage: TroubledStage) -> None:
    """The API server has forgotten the versions that watches began from."""
    stage.kube.compact()


def pass_time(stage: TroubledStage) -> None:
    """Some time passes."""
    stage.wait(timedelta(seconds=stage.chance.choice([1, 9, 31, 70])))


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
    fail,
    hide_redis,
    flush,
    fail_over,
    replace_leader,
    kill,
    relist,
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


def play(seed: int) -> Counter[str]:
    """One run; how often what was asserted."""
    chance = random.Random(seed)
    random.seed(seed)
    stage = initialized(MANIFEST, TroubledStage(chance))
    assert isinstance(stage, TroubledStage)
    watchman, releases = Watchman(stage), Releases()
    stage.watchman = watchman.look
    stage.share = chance.choice([0.2, 0.4, 0.6])
    try:
        for _ in range(chance.randrange(1, 4)):
            releases.release(stage)
            pass_time(stage)
            for _ in range(chance.randrange(3)):
                chance.choice(HANDS)(stage)
                pass_time(stage)
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
    counts = Counter[str]()

    for seed in range(EXAMPLES):
        try:
            counts.update(play(seed))
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise

    reached = {name: counts[name] / EXAMPLES for name in REACHED}
    assert all(reached[name] >= least for name, least in REACHED.items()), counts
