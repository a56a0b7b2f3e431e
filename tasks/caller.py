"""Makes the calls of hook rounds: at most one worker at a time calls one webhook of a round.

Whoever calls holds a lease on the call and renews it for as long as the call takes, which may be
many minutes; the answer counts while the lease is held. A worker that dies is silent, and the call
is asked for again when its lease ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from analysis import hooks
from analysis import state as states
from analysis.findings import HookResult
from clients import errors
from clients.clock import Clock
from clients.http import client
from clients.http.client import Http, Response
from clients.redis.records import Call
from clients.redis.store import Store
from config.ranks import Rank
from config.refs import CanaryRef
from tasks import gather
from tasks.queues import Dispatcher

RENEWAL_SECONDS: Final = hooks.LEASE.total_seconds() / 4
"""Between two signs of life: three of them may fail."""


class Poster(Protocol):
    """What the caller needs of a web client; posting never raises for what an endpoint does."""

    def post(self, call: hooks.HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """The answer to `call`; `is_wanted` is asked before each attempt."""


class HttpPoster:
    """Posts for real, each attempt with the time limit and all with the retries of the manifest."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._http = {checked: Http(clock, verify_tls=checked) for checked in (True, False)}

    def post(self, call: hooks.HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """The answer to `call`, or why there is none."""
        http = self._http[call.verify_tls]

        def attempt() -> Response:
            if not is_wanted():
                raise errors.Permanent("no longer asked for")
            return http.post_json(call.url, dict(call.body), timeout=call.timeout)

        try:
            response = client.persistently(attempt, call.url, self._clock, call.retries)
        except errors.ClientError as failure:
            return HookResult(call.name, call.type, ok=False, message=failure.message)
        return hooks.answered(call, response.status, response.body)


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls hooks as the canary's manifest says at the moment of the call."""

    store: Store
    poster: Poster
    dispatcher: Dispatcher
    renewal: float = RENEWAL_SECONDS

    def call(self, ref: CanaryRef, round_id: int, key: str) -> None:
        """Makes the call `key` of round `round_id` and keeps its answer.

        Does nothing when the state does not wait for it (any more), or another worker makes it.
        """
        found = self.take(ref, round_id, key)
        if found is None:
            return
        call, taken = found
        with self._renewing(taken):
            answer = self.poster.post(call, lambda: self._is_wanted(taken))
        if self.store.answer_call(taken, answer):
            with suppress(errors.ClientError):  # then the agenda asks, where the answer left word
                self.dispatcher.tick([ref], Rank.STEP)

    def take(self, ref: CanaryRef, round_id: int, key: str) -> tuple[hooks.HookCall, Call] | None:
        """The call to make, and the right to make it; None when it is not to be made."""
        call = self._find(ref, round_id, key)
        taken = self.store.take_call(ref, round_id, key, hooks.LEASE) if call else None
        return (call, taken) if call and taken else None

    def _find(self, ref: CanaryRef, round_id: int, key: str) -> hooks.HookCall | None:
        snapshot = self.store.read(ref)
        canary = gather.accepted(snapshot.world)
        if canary is None or snapshot.state is None:
            return None
        state = states.from_json(snapshot.state)
        if state.round is None or state.round.id != round_id:
            return None
        return next((each for each in hooks.awaited(canary, state) if each.key == key), None)

    def _is_wanted(self, taken: Call) -> bool:
        """Whether the call is still ours to make; so while Redis does not say otherwise."""
        try:
            is_asked = self._find(taken.ref, taken.round, taken.key) is not None
            return is_asked and self.store.renew_call(taken, hooks.LEASE)
        except errors.ClientError:
            return True

    @contextmanager
    def _renewing(self, taken: Call) -> Iterator[None]:
        """A block for whose length `taken` stays ours, if this process and Redis live."""
        over = threading.Event()

        def renew() -> None:
            while not over.wait(self.renewal):
                with suppress(errors.ClientError):
                    self.store.renew_call(taken, hooks.LEASE)

        thread = threading.Thread(target=renew, name="hook-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
