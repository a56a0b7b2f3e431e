"""Whole rollouts while the namespaces are shared out: each shard is led, or missing, by itself.

Aspects: a leader that dies while Redis is emptied; another number of shards in the middle of
rollouts. Left out: single leaders (tests/unit/scheduler/test_sharded.py) and scripts
(tests/contract/store/test_store_shards.py).
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from clients import errors
from clients.kube import resources
from config.refs import CanaryRef
from config.settings.settings import Settings
from config.shards import Shard
from tests.fakes.shards import in_shard, parts
from tests.stage.beat import FOR_EVER, Beat
from tests.stage.stage import Stage, a_deployment
from tests.unit.analysis.worlds import a_manifest

LONG: Final = timedelta(minutes=30)
PLAN: Final = [0, 20, 40, 60]
"""The weights of `a_manifest`, in their order."""


class Beats(Beat):
    """The beats of several shards, for a stage that has one."""

    def __init__(self, first: Beat, all_shards: Iterable[Shard]) -> None:
        shard, *others = all_shards
        self._first = first
        self.members = {shard: first}
        for shard in others:
            self.start(shard)

    def start(self, shard: Shard, holder: str = "stage") -> None:
        """Another process, which leads."""
        self.members[shard] = self._first.beside(shard, f"{holder} {shard}")

    def claim(self) -> None:
        """One step of each loop."""
        for beat in self.members.values():
            beat.claim()

    def store(self) -> None:
        """All see and store what happened."""
        for beat in self.members.values():
            beat.store()

    @property
    def is_idle(self) -> bool:
        """Whether nobody has anything to store."""
        return all(beat.is_idle for beat in self.members.values())


class SharedStage(Stage):
    """A stage with a leader for each of `count` shards and the canaries `refs`."""

    def __init__(self, count: int, refs: Iterable[CanaryRef]) -> None:
        settings = Settings()
        scheduler = replace(settings.scheduler, shard=Shard(0, count))
        super().__init__(settings=replace(settings, scheduler=scheduler))
        self.beat = self.beats = Beats(self.beat, parts(count))
        self.refs = tuple(refs)
        self.routed = defaultdict[CanaryRef, list[int]](list)
        for ref in self.refs:
            self._deploy(ref)

    def _deploy(self, ref: CanaryRef) -> None:
        self.kube.create(resources.NAMESPACES, None, {"metadata": {"name": ref.namespace}})
        target, metadata = a_deployment(), {"name": "cart-app", "namespace": ref.namespace}
        self.create(resources.DEPLOYMENTS, {**target, "metadata": metadata})
        metadata = {"name": ref.name, "namespace": ref.namespace}
        self.create(resources.CANARIES, {**a_manifest(), "metadata": metadata})

    def release_all(self, image: str) -> None:
        """All targets get another image; what was seen of weights before is forgotten."""
        self.routed.clear()
        containers = [{"name": "app", "image": image}]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        for ref in self.refs:
            self.kube.patch(resources.DEPLOYMENTS, ref.namespace, "cart-app", patch)

    def phases(self) -> list[str]:
        """What each canary shows."""
        return [self.phase(ref) for ref in self.refs]

    def images(self) -> set[str]:
        """What the primaries run."""
        return {
            self.kube.get(resources.DEPLOYMENTS, ref.namespace, "cart-app-primary")["spec"][
                "template"
            ]["spec"]["containers"][0]["image"]
            for ref in self.refs
        }

    def is_at(self, weight: int) -> bool:
        """Whether all canaries have had so much traffic in this release."""
        return all(weight in self.routed[ref] for ref in self.refs)

    def _note_weight(self) -> None:
        for ref in self.refs:
            weight, seen = self._weight(ref), self.routed[ref]
            if weight is not None and seen[-1:] != [weight]:
                seen.append(weight)

    def _weight(self, ref: CanaryRef) -> int | None:
        try:
            route: Any = self.kube.get(resources.VIRTUAL_SERVICES, ref.namespace, "cart-app")
        except errors.NotFound:
            return None
        both = route["spec"]["http"][0]["route"]
        weights = {each["destination"]["host"]: int(each["weight"]) for each in both}
        assert sum(weights.values()) == 100
        return weights["cart-app-canary"]


def initialized(count: int, refs: Iterable[CanaryRef]) -> SharedStage:
    """A stage whose canaries are at rest."""
    stage = SharedStage(count, refs)
    stage.run(lambda _: set(stage.phases()) == {"Initialized"}, within=LONG)
    return stage


@pytest.mark.parametrize("count", [2, 3])
def test_one_missing_leader_holds_up_its_own_rollouts_alone(count: int) -> None:
    """It dies at 20 %, and Redis is emptied; its standby, once it leads, goes on from there."""
    missing, *led = (in_shard(shard) for shard in parts(count))
    stage = initialized(count, [missing, *led])
    stage.release_all("app:2")
    stage.run(lambda _: stage.is_at(20), within=LONG)
    del stage.beats.members[Shard(0, count)]
    stage.forget_everything()
    stage.run(lambda _: all(stage.phase(ref) == "Succeeded" for ref in led), within=LONG)
    stage.wait(timedelta(minutes=1))

    assert stage.phase(missing) == "Progressing"
    assert stage.store.read(missing).state is None
    assert stage.routed[missing] == [0, 20]
    assert [stage.routed[ref] for ref in led] == [[*PLAN, 0]] * len(led)

    stage.beats.start(Shard(0, count), "standby")
    stage.run(lambda _: set(stage.phases()) == {"Succeeded"}, within=LONG)
    assert stage.routed[missing] == [*PLAN, 0]
    assert stage.images() == {"app:2"}


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 2), (2, 1)])
@pytest.mark.parametrize("emptied", [False, True])
def test_rollouts_outlive_another_number_of_shards(
    before: int, after: int, *, emptied: bool
) -> None:
    """Those who come do not lead before the last of those who go has ended; nothing is lost."""
    refs = {in_shard(shard) for count in (before, after) for shard in parts(count)}
    stage = initialized(before, sorted(refs))
    stage.release_all("app:2")
    stage.run(lambda _: stage.is_at(20), within=LONG)

    *gone, last = stage.beats.members.values()
    for beat in gone:
        beat.end()
    if emptied:
        stage.forget_everything()
        last.claim()  # and leads on
    for shard in parts(after):
        with pytest.raises(errors.Conflict, match=f"there are leaders of {before} shards"):
            stage.store.acquire("new", FOR_EVER, shard)
    last.end()
    stage.beats.members.clear()
    for shard in parts(after):
        stage.beats.start(shard)
    stage.run(lambda _: set(stage.phases()) == {"Succeeded"}, within=LONG)
    assert {ref: stage.routed[ref] for ref in refs} == {ref: [*PLAN, 0] for ref in refs}
    assert stage.images() == {"app:2"}
