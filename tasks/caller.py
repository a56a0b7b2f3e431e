"""Makes the calls of hook rounds: at most one worker at a time calls one webhook of a round.

Whoever calls holds a lease on the call and renews it for as long as the call takes, which may be
many minutes; the answer counts while the lease is held. A worker that dies is silent, and the call
is asked for again when its lease ends. What comes in one job is looked up, taken and answered for
together; each call is made by a thread of its own, and none waits for another to end.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from analysis import hooks
from analysis import state as states
from analysis.findings import HookResult
from analysis.hooks import HookCall
from clients import errors, instruments
from clients.clock import Clock
from clients.fair_threads import FairThreads
from clients.http import client
from clients.http.client import Http, Response
from clients.instruments import Instruments
from clients.redis import rollouts
from clients.redis.records import Asked, Call, Kept, Snapshot
from clients.redis.scripts import Invocation
from clients.redis.store import Store
from config.networks import NONE_DENIED, Denied
from config.ranks import Rank
from config.refs import CanaryRef
from tasks import failures, gather
from tasks.queues import Dispatcher

RENEWAL_SECONDS: Final = hooks.CALL_LEASE.total_seconds() / 4
"""Between two signs of life: three of them may fail."""

TOGETHER_SECONDS: Final = 0.1
"""How long answers to the calls of one job wait for each other, unless all have come: canaries
whose answers are kept together are looked at, and written, together."""

BEGUN_AT_ONCE: Final = 4
"""Jobs that look their calls up at a time: that takes milliseconds."""

FRESH_SECONDS: Final = 1.0
"""After which a call that was taken is looked at again before it is made."""


class Poster(Protocol):
    """What the caller needs of a web client; posting never raises for what an endpoint does."""

    def post(self, call: HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """The answer to `call`; `is_wanted` is asked before each attempt."""


class HttpPoster:
    """Posts for real, each attempt with the time limit and all with the retries of the manifest."""

    def __init__(self, clock: Clock, connections: int = 1, denied: Denied = NONE_DENIED) -> None:
        """`connections` to one server are kept open; nobody in `denied` networks is asked."""
        self._clock = clock
        self._http = {
            checked: Http(clock, verify_tls=checked, connections=connections, denied=denied)
            for checked in (True, False)
        }

    def post(self, call: HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """The answer to `call`, or why there is none."""
        http = self._http[call.verify_tls]

        def attempt() -> Response:
            if not is_wanted():
                raise errors.Permanent("no longer asked for")
            return http.post_json(call.url, dict(call.body), timeout=call.timeout)

        try:
            response = client.persistently(attempt, call.url, self._clock, call.retries)
        except errors.ClientError as failure:
            message = failure.message
            return HookResult(call.name, call.type, ok=False, message=message, answered=False)
        return hooks.answered(call, response.status, response.body)


@dataclass(frozen=True, slots=True)
class Timed:
    """A poster that tells how long its calls took."""

    poster: Poster
    clock: Clock
    tell: Instruments

    def post(self, call: HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """As the poster does."""
        began = self.clock.monotonic()
        result = self.poster.post(call, is_wanted)
        took, outcome = self.clock.monotonic() - began, "passed" if result.ok else "refused"
        self.tell.observe(instruments.HOOKS, took, call.type.value, outcome)
        return result


class Leases:
    """Renews the leases of the calls that this process makes, all in one round trip."""

    def __init__(self, store: Store, every: float = RENEWAL_SECONDS) -> None:
        """`every` so many seconds."""
        self._store = store
        self._every = every
        self._lock = threading.Lock()
        self._held: set[Call] = set()
        self._is_renewing = False

    def hold(self, calls: Collection[Call]) -> None:
        """Keeps `calls` ours, if this process and Redis live."""
        with self._lock:
            self._held.update(calls)
            if not self._held or self._is_renewing:
                return
            self._is_renewing = True
        threading.Thread(target=self._renew, name="hook-leases", daemon=True).start()

    def drop(self, calls: Collection[Call]) -> None:
        """They have been answered."""
        with self._lock:
            self._held.difference_update(calls)

    def _renew(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(self._every)
            with self._lock:
                held = tuple(self._held)
                self._is_renewing = bool(held)
            if not held:
                return
            with suppress(errors.ClientError):
                self._store.run_all([rollouts.taking(call, hooks.CALL_LEASE) for call in held])


@dataclass(frozen=True, slots=True)
class Taken:
    """A call that is ours to make, since `at`, a moment of the monotonic clock."""

    hook: HookCall
    call: Call
    others: tuple[str, ...]
    """The keys of the other calls of its round that are of its type."""
    at: float


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls hooks as the canary's manifest says at the moment of the call."""

    store: Store
    poster: Poster
    dispatcher: Dispatcher
    clock: Clock
    threads: FairThreads
    leases: Leases
    doubt: Callable[[], None] = lambda: None
    """Hears of a failure that others may meet, too."""
    together: float = TOGETHER_SECONDS

    def call(self, *asked: Asked) -> None:
        """Has the calls made and their answers kept; comes back before they are.

        Nothing is done about those that the state does not wait for (any more), or another worker
        makes.
        """
        taken = self.take(*asked)
        self.leases.hold([each.call for each in taken])
        job = _Job(self, len(taken))
        for each in taken:
            self.threads.submit(each.call.ref, partial(job.make, each))

    def take(self, *asked: Asked) -> list[Taken]:
        """The calls to make, with the right to make them: those of `asked` that are to be made."""
        refs = tuple(dict.fromkeys(each.ref for each in asked))
        replies = self._replies(refs, list(map(rollouts.reading, refs)))
        snapshots = dict(zip(refs, replies, strict=True))
        at, taken = self.clock.monotonic(), list[Taken]()
        for each in asked:
            wanted = _wanted(snapshots[each.ref], each.round)
            taken += (
                Taken(hook, rollouts.a_call(each), _others(hook, wanted), at)
                for hook in wanted
                if hook.key == each.key
            )
        scripts = [rollouts.taking(each.call, hooks.CALL_LEASE) for each in taken]
        is_ours = self._replies([each.call.ref for each in taken], scripts)
        return [each for each, ours in zip(taken, is_ours, strict=True) if ours]

    def is_wanted(self, taken: Taken) -> bool:
        """Whether the call is still ours to make; so while Redis does not say otherwise."""
        if self.clock.monotonic() - taken.at < FRESH_SECONDS:
            return True
        call = taken.call
        try:
            wanted = _wanted(self.store.read(call.ref), call.round)
            is_asked = any(each.key == call.key for each in wanted)
            return is_asked and self.store.run(rollouts.taking(call, hooks.CALL_LEASE))
        except errors.ClientError:
            return True

    def keep(self, answers: Sequence[tuple[Taken, HookResult]]) -> None:
        """Keeps the answers; canaries that wait for no more, or are called off, are looked at."""
        calls = [taken.call for taken, _ in answers]
        scripts = [
            rollouts.answering(each.call, answer, () if hooks.calls_off(answer) else each.others)
            for each, answer in answers
        ]
        try:
            kept = self._replies([call.ref for call in calls], scripts)
        except errors.ClientError as failure:
            failures.tell(failure, self.doubt)
            return
        finally:
            self.leases.drop(calls)
        last = (call.ref for call, each in zip(calls, kept, strict=True) if each is Kept.LAST)
        if refs := tuple(dict.fromkeys(last)):
            with suppress(errors.ClientError):  # then the agenda asks, where the answer left word
                self.dispatcher.tick(refs, Rank.STEP)

    def _replies(self, refs: Sequence[CanaryRef], scripts: Sequence[Invocation[Any]]) -> list[Any]:
        """What the scripts gave, in one round trip; None where one failed."""
        replies = self.store.run_all(scripts)
        for ref, reply in zip(refs, replies, strict=True):
            if isinstance(reply, Exception):
                failures.tell_of(ref, reply, self.doubt)
        return [None if isinstance(reply, Exception) else reply for reply in replies]


@dataclass(slots=True)
class _Job:
    """Calls that came together: answers that come together are kept together."""

    caller: Caller
    left: int
    """Calls without an answer."""
    counting: threading.Lock = field(default_factory=threading.Lock)
    all_in: threading.Event = field(default_factory=threading.Event)
    answers: deque[tuple[Taken, HookResult]] = field(default_factory=deque)
    keeping: threading.Lock = field(default_factory=threading.Lock)

    def make(self, taken: Taken) -> None:
        """Makes one call, and sees that its answer is kept."""
        try:
            wanted = partial(self.caller.is_wanted, taken)
            self.answers.append((taken, self.caller.poster.post(taken.hook, wanted)))
        except BaseException:
            self.caller.leases.drop([taken.call])
            raise
        finally:
            self._count()
        self._keep()

    def _count(self) -> None:
        with self.counting:
            self.left -= 1
            if not self.left:
                self.all_in.set()

    def _keep(self) -> None:
        """Keeps the answers there are, unless another thread is at it: that looks once more."""
        while self.answers and self.keeping.acquire(blocking=False):
            try:
                self.all_in.wait(self.caller.together)
                ready = [self.answers.popleft() for _ in range(len(self.answers))]
                self.caller.keep(ready)
            finally:
                self.keeping.release()


def _others(hook: HookCall, wanted: Sequence[HookCall]) -> tuple[str, ...]:
    """The keys of those that are answered for together with `hook`."""
    alike = (call.key for call in wanted if call.type is hook.type)
    return tuple(key for key in alike if key != hook.key)


def _wanted(snapshot: Snapshot | None, round_id: int) -> tuple[HookCall, ...]:
    """The calls that the state waits for, if it is in this round."""
    canary = gather.accepted(snapshot.world) if snapshot else None
    if snapshot is None or canary is None or snapshot.state is None:
        return ()
    state = states.stored(snapshot.state, snapshot.leaps.total)
    return hooks.awaited(canary, state) if state.round and state.round.id == round_id else ()
