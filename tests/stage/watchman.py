"""What must hold of a canary at every moment, whoever stalls and whatever happens meanwhile."""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from analysis.phases import Phase, shown
from analysis.state import RolloutState
from clients import errors
from clients.redis import keys
from config.refs import CanaryRef
from config.traffic import TOTAL_WEIGHT
from tests.stage import rollouts
from tests.stage.stage import REF
from tests.stage.troubled import TroubledStage

LEASE: Final = timedelta(seconds=8)
REPAIR: Final = timedelta(seconds=2)
SECOND: Final = timedelta(seconds=1)
INTERVAL: Final = timedelta(seconds=30)
PLAN: Final = {0, 20, 30, 40, 60, 100}
"""The weights of a canary that steps by 20 or 30 up to 60, or has all when its primary is lost."""


@dataclass
class Watchman:
    """Looks at all of one canary between any two steps; raises AssertionError for what must not be.

    `target` is a Deployment of the canary's namespace, which is the stage's.
    """

    stage: TroubledStage
    ref: CanaryRef = REF
    target: str = "cart-app"
    counts: Counter[str] = field(default_factory=Counter)
    since: dict[str, datetime] = field(default_factory=dict)
    excused_until: datetime | None = None
    version: str | None = None
    state: RolloutState | None = None
    phase: Phase | None = None
    failed: set[str] = field(default_factory=set)
    promoted: list[str] = field(default_factory=lambda: ["cart:1"])
    landings: int = 0

    @property
    def primary(self) -> str:
        """The name of the primary."""
        return f"{self.target}-primary"

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
        version = self.stage.redis.hget(keys.STATE.of(self.ref), "version")
        if version in {None, self.version}:
            return
        if self.version and int(version or 0) == int(self.version) + 1:  # not rebuilt after a loss
            self._look_at_checks(self.state, self.stage.state_of(self.ref))
        self.state, before = self.stage.state_of(self.ref), self.phase
        state, self.version, self.phase = self.state, version, self.state.phase
        assert state.route.split.canary in PLAN
        if state.phase is Phase.FAILED and before is not Phase.FAILED:
            self.failed.add(state.applied)
        if state.phase in {Phase.PROMOTING, Phase.FINALISING} and before is Phase.PROGRESSING:
            self.counts["promotions"] += 1
            assert state.applied not in self.failed, "a failed revision is promoted"

    def _look_at_checks(self, before: RolloutState | None, state: RolloutState) -> None:
        if before is not None and state.failed_checks > before.failed_checks:
            self.counts["failed checks"] += 1
            weights = state.route.split.canary, before.route.split.canary
            assert weights[0] <= weights[1], "the weight rises with a failed check"

    def _look_at_primary(self) -> None:
        with contextlib.suppress(errors.NotFound):
            image = self.stage.image(self.primary)
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
                assert now - began <= bound, f"{self.ref} {name} since {began.time()}: {self.state}"

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
        stage, state, weight = self.stage, self.state, self.stage.weight_of(self.target)
        if weight is None or state is None:
            return {}
        of_primary, of_canary = available(stage, self.primary), available(stage, self.target)
        is_gone = of_primary is None or rollouts.replicas(stage, self.primary) == 0
        off_intent = weight != state.route.split.canary
        confirmed = off_intent and stage.store.read(self.ref).confirmed.route_seq
        return {
            "dead canary": (bool(of_primary and not of_canary and weight), SECOND),
            "lost primary": (bool(is_gone and of_canary and weight < TOTAL_WEIGHT), SECOND),
            "off what is in force": (off_intent and confirmed >= state.route.seq, SECOND),
            "off what is wanted": (off_intent, INTERVAL * 2),
            "untrue status": (stage.phase(self.ref) != shown(state.phase), INTERVAL),
        }


def available(stage: TroubledStage, name: str) -> int | None:
    """The available pods of a Deployment that are to stay; None when it is gone."""
    try:
        deployment = stage.deployment(name)
    except errors.NotFound:
        return None
    status = deployment.get("status") or {}
    return status.get("availableReplicas", 0) if deployment["spec"]["replicas"] else 0


def try_all(
    play: Callable[[int], Counter[str]], seeds: Sequence[int], reached: Mapping[str, float]
) -> None:
    """Plays all `seeds`. Raises AssertionError also when too little was `reached` per run."""
    counts = Counter[str]()
    for seed in seeds:
        try:
            counts.update(play(seed))
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
    assert all(counts[name] / len(seeds) >= least for name, least in reached.items()), counts
