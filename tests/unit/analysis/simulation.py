"""One canary in simulated time: decisions are applied, effects confirmed, pods take a while.

A tiny stand-in for everything around the rules. Whole rollouts run in it in milliseconds, and what
they did can be read off as rows of (seconds, phase, split) and as a list of events.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from analysis import decide, effects
from analysis.decisions import AskBackends, AskChecks, Decision, Rest, Ruling
from analysis.findings import CheckResult, Findings, HookResult
from analysis.observation import Observation, PastStatus, Workload
from analysis.phases import Phase, shown
from analysis.state import RolloutState
from analysis.strategies import STRATEGIES
from clients.documents.confirmed import Confirmed
from config import derived
from config.api.canary import Canary
from config.readiness import READY, Readiness
from config.scaling import CanaryScale, WorkloadIntent
from tests.unit.analysis import worlds

LOOKS = 40
"""More looks than this at one instant are a loop without an end."""


@dataclass
class Pods:
    """A Deployment whose pods need a while; `dead` ones never come up."""

    revision: str
    replicas: int
    ready_at: datetime
    dead: bool = False
    generation: int = 1


@dataclass
class Simulation:
    """A canary, its workloads and its state; `log` holds every outcome with its second."""

    canary: Canary
    readiness: float = 5.0
    deadline: timedelta = timedelta(minutes=10)
    check: Callable[["Simulation"], tuple[CheckResult, ...]] = lambda _: (worlds.a_check(),)
    hook: Callable[["Simulation", str], bool] = lambda _, __: True
    hook_seconds: float = 1.0
    dead: frozenset[str] = frozenset()
    """Revisions whose pods never become ready."""
    now: datetime = worlds.NOW
    origin: datetime = worlds.NOW
    """Second 0 of `log`."""
    state: RolloutState | None = None
    version: int = 0
    status: PastStatus | None = None
    confirmed: Confirmed = field(default_factory=Confirmed)
    target: Pods | None = None
    primary: Pods | None = None
    log: list[tuple[float, Ruling]] = field(default_factory=list)
    measured: int = 0
    _wakes: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    # -- the user ---------------------------------------------------------------------------

    def release(self, revision: str) -> None:
        """The user changes the pod template of the target."""
        self.target = self._pods(revision, self.target.replicas if self.target else 2)

    def later(self, seconds: float, action: Callable[[], None] = lambda: None) -> None:
        """`action` happens in `seconds`, and the canary is looked at."""
        at = self.now + timedelta(seconds=seconds)
        heapq.heappush(self._wakes, (at, next(self._order), action))

    def run(self, seconds: float = 3600) -> "Simulation":
        """Goes on until nothing is expected to happen any more, `seconds` at most."""
        end = self.now + timedelta(seconds=seconds)
        due = self._settle(Findings())
        while True:
            wake = self._wakes[0][0] if self._wakes else None
            times = [moment for moment in (due, wake) if moment is not None]
            if not times or min(times) > end:
                return self
            self.now = max(self.now, min(times))
            while self._wakes and self._wakes[0][0] <= self.now:
                heapq.heappop(self._wakes)[2]()
            due = self._settle(Findings())

    # -- what is read off -------------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """Where the rollout stands."""
        assert self.state is not None
        return self.state.phase

    @property
    def decisions(self) -> list[tuple[float, Decision]]:
        """Every decision with its second."""
        return [(at, done) for at, done in self.log if isinstance(done, Decision)]

    @property
    def events(self) -> list[str]:
        """The texts of all events in order."""
        return [event.message for _, done in self.decisions for event in done.events]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Phase and split after each decision that changed one of them."""
        told = [(done.state.phase.value, str(done.state.route.split)) for _, done in self.decisions]
        return [row for row, _ in itertools.groupby(told)]

    def when(self, reason: str) -> float:
        """The second of the first decision with this `reason`."""
        return next(at for at, done in self.decisions if done.reason == reason)

    def forget(self) -> None:
        """Redis is emptied: only what the cluster holds remains."""
        assert self.state is not None
        self.status = PastStatus(
            phase=shown(self.state.phase),
            weight=self.state.route.split.canary,
            failed_checks=self.state.failed_checks,
            iterations=self.state.iterations,
            applied=self.state.applied,
            promoted=self.state.promoted,
            version=self.version,
        )
        self._lost_split = self.state.route.split
        self.state, self.version, self.confirmed = None, 0, Confirmed()

    # -- the machinery ----------------------------------------------------------------------

    def observe(self) -> Observation:
        """The canary as the rules see it now."""
        split = self.state.route.split if self.state else getattr(self, "_lost_split", None)
        return Observation(
            now=self.now,
            ref=worlds.REF,
            uid="u1",
            generation=1,
            canary=self.canary,
            strategy=STRATEGIES.chosen(self.canary),
            interval=derived.interval(self.canary),
            threshold=derived.threshold(self.canary),
            version=self.version,
            state=self.state,
            confirmed=self.confirmed,
            target=self._view(self.target),
            primary=self._view(self.primary),
            in_force=split,
            status=self.status,
        )

    def _settle(self, found: Findings) -> datetime | None:
        """Looks until there is nothing more to do at this instant; when to look next."""
        for _ in range(LOOKS):
            due, again = self._look(found)
            found = Findings()
            if not again and (due is None or due > self.now):
                return due
        raise AssertionError(f"no end at {self.now}: {self.log[-3:]}")

    def _look(self, found: Findings) -> tuple[datetime | None, bool]:
        seen = self.observe()
        outcome = decide.decide(seen, found)
        while isinstance(outcome, AskChecks | AskBackends):
            found = self._answer(outcome, found)
            outcome = decide.decide(seen, found)
        self.log.append(((self.now - self.origin).total_seconds(), outcome))
        if isinstance(outcome, Rest):
            return outcome.until, self._carry_out()
        floor = self.status.version if self.status else 0
        self.version = max(self.version, floor) + 1
        before, self.state = self.state, outcome.state
        due = effects.due(outcome.state, outcome.due, self.now)
        if outcome.state.round and outcome.state.round != (before and before.round):
            self._ask_hooks(outcome.state)
        return due, self._carry_out()

    def _answer(self, question: AskChecks | AskBackends, found: Findings) -> Findings:
        if isinstance(question, AskBackends):
            return replace(found, backends=())
        self.measured += 1
        return replace(found, checks=self.check(self))

    def _ask_hooks(self, state: RolloutState) -> None:
        asked = state.round
        assert asked is not None
        named = [
            hook.name for hook in self.canary.spec.analysis.webhooks if hook.type is asked.type
        ]

        def answered() -> None:
            if self.state is None or self.state.round is None or self.state.round.id != asked.id:
                return
            results = tuple(
                HookResult(name, asked.type, ok=ok, message="" if ok else "no")
                for name in named
                for ok in [self.hook(self, name)]
            )
            self._settle(Findings(hooks={asked.type: results}))

        self.later(self.hook_seconds, answered)

    def _carry_out(self) -> bool:
        """Brings about what is outstanding; whether the rollout is woken by that."""
        if self.state is None:
            return False
        wanted = effects.outstanding(self.state, self.version, self.confirmed)
        wakes = False
        if effects.Lane.ROUTE in wanted:
            wakes = effects.awaits_route(self.state, self.now)
            self._confirm(route_seq=self.state.route.seq, route_at=self.now)
        if effects.Lane.WORKLOAD in wanted and self._converge(self.state.workload):
            wakes = True
            self._confirm(workload_seq=self.state.workload.seq)
        self._confirm(status_version=self.version)
        return wakes

    def _converge(self, intent: WorkloadIntent) -> bool:
        """What the workload worker does; False when the revision to promote is gone."""
        target = self.target
        held = target.revision if target else ""
        if self.primary is None:
            if target is None or (intent.base and held not in (intent.base, intent.promote)):
                return False
            self.primary = self._pods(held, max(target.replicas, 1))
            self._confirm(primary_generation=self.primary.generation)
        elif intent.promote and self.primary.revision != intent.promote:
            if held != intent.promote:
                return False
            changed = self._pods(held, self.primary.replicas)
            self.primary = replace(changed, generation=self.primary.generation + 1)
            self._confirm(primary_generation=self.primary.generation)
        if target is not None and intent.canary is CanaryScale.ZERO:
            target.replicas = 0
        if target is not None and intent.canary is CanaryScale.RUNNING and not target.replicas:
            self.target = self._pods(held, self.primary.replicas)
        return True

    def _pods(self, revision: str, replicas: int) -> Pods:
        up = self.now + timedelta(seconds=self.readiness)
        if replicas:
            self.later(self.readiness)
            self.later(self.deadline.total_seconds())
        return Pods(revision, replicas, up, dead=revision in self.dead)

    def _view(self, pods: Pods | None) -> Workload | None:
        if pods is None:
            return None
        ready, patience, available = READY, None, pods.replicas
        if pods.replicas and (pods.dead or self.now < pods.ready_at):
            ends = pods.ready_at - timedelta(seconds=self.readiness) + self.deadline
            retriable = self.now < ends
            ready = Readiness(ready=False, retriable=retriable, message="not yet")
            patience, available = ends if retriable else None, 0
        return Workload(pods.revision, pods.generation, pods.replicas, available, ready, patience)

    def _confirm(self, **changes: Any) -> None:
        self.confirmed = replace(self.confirmed, **changes)


def initialized(canary: Canary, **settings: Any) -> Simulation:
    """A simulation of `canary` whose primary serves `OLD`; its log and clock start afresh."""
    world = Simulation(canary, **settings)
    world.release(worlds.OLD)
    world.run()
    assert world.phase is Phase.INITIALIZED
    world.log.clear()
    world.origin = world.now
    return world
