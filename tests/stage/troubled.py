"""A stage on which whoever works may stall at any request, and where leaders succeed each other."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import redis.exceptions

from analysis import hooks
from analysis.findings import HookResult, Measurement
from analysis.hooks import HookCall
from analysis.metrics.checks import Check
from clients import errors
from clients.kube import resources
from clients.redis import keys
from config import moments
from tasks.wiring import Services
from tests.stage.bag import Message
from tests.stage.measuring import Source, healthy
from tests.stage.stage import REF, Stage
from tests.stage.stalls import Actor, Plan, Stallings, Workers

TAKEOVER: Final = timedelta(seconds=6)
"""After which a standby leads in the place of a leader that says nothing."""

SPANS: Final = (0.4, 3.0, 7.5, 8.5, 9.5, 12.0, 17.0, 40.0)
"""How long work stalls, in seconds: short, nearly a lease, longer, two leases, an interval."""

PLACES: Final = {
    "tick": ("", "measure", "send commit", "hear commit", "hear begin"),
    "route": (
        "",
        "send confirm",
        "hear patch virtualservices",
        *["send patch virtualservices"] * 5,
    ),
    "workload": ("", "send confirm", "hear patch deployments", *["send patch deployments"] * 5),
    "status": ("", "send create", "hear patch canaries", *["send patch canaries"] * 5),
    "call": ("", "send post", "hear post", "send answer_call"),
    "beat": ("", "send put_world", "send claim", "hear claim", "hear watch", "send"),
}
"""Where each kind of work stalls; several are likelier."""

MOST_PARKED: Final = 3

CUT: Final = 0.03
"""How often a connection to Redis breaks in the middle of an exchange, where all work stalls."""


class Webhooks:
    """Endpoints that take long, as long as their caller stalls; nobody is called twice at once."""

    def __init__(self, stage: "TroubledStage") -> None:
        self._stage = stage
        self._calls: dict[tuple[int, str], datetime] = {}
        self.refusing: set[str] = set()
        self.counts = Counter[str]()

    def post(self, call: HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """The answer, once the caller has got over it."""
        stage = self._stage
        assert stage.workers.current is not None
        what = (stage.losses, stage.workers.current.kind + call.key)
        if not is_wanted():
            return HookResult(call.name, call.type, ok=False, message="no longer asked for")
        taken = stage.clock.now()
        before = self._calls.get(what)
        assert before is None or taken >= before + hooks.CALL_LEASE, (
            f"{what} is called twice at once"
        )
        self.counts["calls"] += 1
        self._calls[what] = taken
        try:
            stage.workers.request("send post")
            stage.workers.request("hear post")
        finally:
            if self._calls.get(what) == taken:
                del self._calls[what]
        bad = call.name in self.refusing
        return HookResult(call.name, call.type, ok=not bad, message="refused" if bad else "")


class TroubledStage(Stage):
    """A stage on which `share` of all work stalls; with `batches`, jobs are of several canaries."""

    def __init__(self, chance: random.Random, *, batches: bool = False) -> None:
        self.webhooks = Webhooks(self)
        super().__init__(poster=self.webhooks)
        self.bag.batches = batches
        self.services = on_one_thread(self.services)
        self.chance = chance
        self.share = 0.0
        self.losses = 0
        self.source: Source = healthy
        self.workers = Workers(self.clock)
        self.door.faults = Stallings(self.workers)
        self.kube.faults = Stallings(self.workers)
        self.meters.source = self._measured
        self.watchman: Callable[[bool], None] = lambda _: None
        self._leader = self.workers.perform("beat", lambda: None, None)
        self._scripts = {digest: name for name, digest in self.store._digests.items()}
        self._stall_at_redis()

    # --- work

    def deliver(self, message: Message) -> None:
        """As `Stage.deliver`, by a worker that may stall."""
        kind = f"call{message.round}" if message.kind == "call" else message.kind
        self.workers.perform(
            kind, lambda: super(TroubledStage, self).deliver(message), self._plan(message.kind)
        )

    def observe(self) -> None:
        """As `Stage.observe`, by a leader that may stall."""
        if not self.is_leaderless:
            beat = self.beat
            self._leader = self.workers.perform("beat", beat.store, self._plan("beat"))
        self._note_weight()

    def claim(self) -> None:
        """As `Stage.claim`, by a leader that may stall."""
        if not self.is_leaderless:
            beat = self.beat
            self._leader = self.workers.perform("beat", beat.claim, self._plan("beat"))

    def fail_over(self, copy: Mapping[str, bytes]) -> None:
        """As `Stage.fail_over`; a lease of an earlier leader has run out by then."""
        super().fail_over(copy)
        self.redis.delete(keys.LEADER.of(None))

    @property
    def is_leaderless(self) -> bool:
        """Whether the leader has stalled, or died, and nobody knows yet."""
        return not self._leader.is_over or self._leader.is_dead

    def replace_leader(self) -> None:
        """Another process leads; the one before does not know."""
        self.beat = self.beat.successor()
        self._leader = self.workers.perform("beat", lambda: None, None)

    def settle(self, *, most: int = 600) -> None:
        """As `Stage.settle`; those whose time has come go on in between."""
        for _ in range(most):
            self._go_on()
            self.kubelet.step()
            self.observe()
            self.claim()
            if self.bag.messages:
                self.deliver(self.bag.messages.pop(0))
            elif self.is_leaderless or self.is_redis_away or self.beat.is_idle:
                return
            self.watchman(False)
        raise AssertionError(f"not settled after {most} messages: {self.bag.messages}")

    def advance(self, latest: datetime | None = None) -> None:
        """As `Stage.advance`, not beyond the next end of a stall."""
        self.watchman(False)
        now = self.clock.now()
        ends = [actor.until for actor in self.workers.parked]
        if self.is_leaderless:
            ends.append((self._leader.parked_at or now) + TAKEOVER)
        moments = [*ends, self.workers.redis_away_until, *((latest,) if latest else ())]
        super().advance(min((at for at in moments if at > now), default=None))
        self.watchman(True)

    def _go_on(self) -> None:
        now = self.clock.now()
        over = [actor for actor in self.workers.parked if actor.until <= now]
        if over:
            self.workers.resume(self.chance.choice(over))
        if self.is_leaderless and now >= (self._leader.parked_at or now) + TAKEOVER:
            self.replace_leader()

    @property
    def is_redis_away(self) -> bool:
        """Whether Redis does not answer."""
        return self.clock.now() < self.workers.redis_away_until

    @property
    def weight(self) -> int | None:
        """The canary's weight in the live route, whatever anybody knows; None without one."""
        return self.weight_of("cart-app")

    def weight_of(self, target: str) -> int | None:
        """As `weight`, of the canary of another target."""
        try:
            route = self.kube.get(resources.VIRTUAL_SERVICES, REF.namespace, target)
        except errors.NotFound:
            return None
        destinations = route["spec"]["http"][0]["route"]
        weights = {each["destination"]["host"]: each["weight"] for each in destinations}
        return int(weights[f"{target}-canary"])

    def _note_weight(self) -> None:
        """Nothing: it costs much, and `weight` tells."""

    # --- where work stalls

    def _plan(self, kind: str) -> Plan | None:
        chance = self.chance
        share = self.share / 20 if kind == "beat" else self.share
        if chance.random() >= share or len(self.workers.parked) >= MOST_PARKED:
            return None
        words = chance.choice(PLACES[kind])
        at = 1 if words not in {"", "send"} else chance.randrange(1, 25 if kind == "beat" else 10)
        span = timedelta(seconds=chance.choice(SPANS))
        return Plan(at, words, span, dies=chance.random() < 0.15, lands=chance.random() < 0.5)

    def _measured(self, check: Check) -> Measurement:
        self.workers.request("measure")
        return self.source(check)

    def _stall_at_redis(self) -> None:
        """Whoever sends commands may stall before they are carried out, and before the replies."""
        execute, pipeline = self.redis.execute_command, self.redis.pipeline

        def one(*args: Any, **options: Any) -> Any:
            def carry_out() -> Any:
                return execute(*self._timed(args), **options)

            return self._exchanged([args], carry_out)

        def several(*args: Any, **options: Any) -> Any:
            queued: Any = pipeline(*args, **options)
            send = queued.execute

            def exchanged(**options: Any) -> Any:
                return self._exchanged(
                    [args for args, _ in queued.command_stack],
                    lambda: self._carried_out(queued, partial(send, **options)),
                )

            queued.execute = exchanged
            return queued

        self.redis.execute_command = one  # type: ignore[method-assign]
        self.redis.pipeline = several  # type: ignore[method-assign]

    def _exchanged(self, commands: Sequence[Sequence[Any]], carry_out: Callable[[], Any]) -> Any:
        names = list(dict.fromkeys(map(self._name, commands)))
        self.workers.request(", ".join(f"send {name}" for name in names), is_redis=True)
        reply = carry_out()
        self.workers.request(", ".join(f"hear {name}" for name in names), is_redis=True)
        return reply

    def _carried_out(self, queued: Any, send: Callable[[], Any]) -> Any:
        """The replies to a pipeline; now and then a worker's connection breaks in the middle of it.

        The client sends all of it once more then, unless the connection breaks again.
        """
        commands = [(self._timed(args), options) for args, options in queued.command_stack]
        if self.workers.current is not None and self.chance.random() < self.share * CUT:
            queued.command_stack = commands[: self.chance.randrange(len(commands) + 1)]
            send()
            if self.chance.random() < 0.5:
                # What it holds is missed as late as if it had died.
                self.workers.dead.append(Actor("cut", self.clock.now()))
                raise redis.exceptions.ConnectionError("cut")
        queued.command_stack = commands
        return send()

    def _name(self, command: Sequence[Any]) -> str:
        is_script = command[0] == "EVALSHA"
        return str(self._scripts.get(command[1], command[0]) if is_script else command[0])

    def _timed(self, command: Sequence[Any]) -> tuple[Any, ...]:
        """A script with the present time: the server's is that of its work."""
        if command[0] != "EVALSHA":
            return tuple(command)
        at = 3 + int(command[2])
        now = moments.milliseconds(self.clock.now())
        return (*command[:at], now, *command[at + 1 :])


class Inline(ThreadPoolExecutor):
    """Has calls made at once, by whoever hands them in: a process stalls as a whole."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """Makes the call."""
        call(*args, **options)
        return Future()


def on_one_thread(services: Services) -> Services:
    """`services` that use no threads."""
    crew = replace(services.analyst.crew, pool=Inline())
    return replace(
        services,
        analyst=replace(services.analyst, crew=crew),
        status=replace(services.status, crew=crew),
        route=replace(services.route, crew=crew),
        workload=replace(services.workload, crew=crew),
    )
