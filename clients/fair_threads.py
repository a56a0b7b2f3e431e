"""Threads that canaries share, none of which gets so many that another waits for it."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from config.refs import CanaryRef

log = logging.getLogger(__name__)

CROWD: Final = 3
"""How many calls of one namespace may be under way for each thread that is left to the others."""

IDLE_SECONDS: Final = 30.0
"""After which a thread without work ends: longer than the usual interval between two checks."""

CLOSING_SECONDS: Final = 0.05
"""Between two looks whether calls have ended."""

_Call = Callable[[], object]
_Key = TypeVar("_Key")


class FairThreads:
    """Makes calls, at most `most` at once, for canaries that do not wait for each other's.

    A canary never has more calls under way than it leaves threads to others (and one), a namespace
    never more than `CROWD` times as many: whoever comes next finds a free one, however many calls
    that hang came before. What has to wait is begun in turn by namespace, and in the order of
    `submit` within one. Safe to share by threads; its own are daemons, so that a call that
    never ends does not keep the process.
    """

    def __init__(self, name: str, most: int) -> None:
        self.freed: Callable[[], None] = lambda: None
        """Hears, in a thread of ours, that there is room again."""
        self.most = most
        self._name = name
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[CanaryRef, deque[_Call]]] = {}
        self._by_namespace: Counter[str] = Counter()
        self._by_canary: Counter[CanaryRef] = Counter()
        self._under_way = 0
        self._begun: SimpleQueue[tuple[CanaryRef, _Call]] = SimpleQueue()
        """Calls that are under way, as soon as a thread takes them."""
        self._threads = 0

    def submit(self, owner: CanaryRef, call: _Call) -> None:
        """Has `call`, which should raise nothing, made for `owner` as soon as it is its turn."""
        with self._lock:
            canaries = self._waiting.setdefault(owner.namespace, {})
            canaries.setdefault(owner, deque()).append(call)
            self._begin()

    def has_room(self, beside: int = 0) -> bool:
        """Whether more than `beside` calls could begin at once."""
        return self._under_way + beside < self.most

    def is_idle(self) -> bool:
        """Whether nothing is under way, and nothing waits."""
        with self._lock:
            return not self._under_way and not self._waiting

    def close(self) -> None:
        """Forgets what waits, and comes back when what is under way has ended."""
        with self._lock:
            self._waiting.clear()
        while not self.is_idle():
            threading.Event().wait(CLOSING_SECONDS)

    def _begin(self) -> None:
        """Begins what may be."""
        while (owner := self._next_owner()) is not None:
            call = self._removed(owner)
            self._count(owner, 1)
            self._begun.put((owner, call))
            if self._threads < self._under_way:
                self._threads += 1
                threading.Thread(target=self._serve, name=self._name, daemon=True).start()

    def _next_owner(self) -> CanaryRef | None:
        """Whose call is begun next; None while nobody's may be."""
        free = self.most - self._under_way
        if not free:
            return None
        for namespace, canaries in self._waiting.items():
            if self._by_namespace[namespace] <= CROWD * free:
                for owner in canaries:
                    if self._by_canary[owner] <= free:
                        return owner
        return None

    def _serve(self) -> None:
        while work := self._taken():
            owner, call = work
            try:
                call()
            except Exception:
                log.exception("defect of a call", extra={"canary": owner.dotted})
            with self._lock:
                had_room = self.has_room()
                self._count(owner, -1)
                self._begin()
                has_room = self.has_room()
            if has_room and not had_room:
                self.freed()

    def _taken(self) -> tuple[CanaryRef, _Call] | None:
        """The next call to make; None when there was none for long."""
        try:
            return self._begun.get(timeout=IDLE_SECONDS)
        except Empty:
            with self._lock:
                if self._begun.empty():
                    self._threads -= 1
                    return None
            return self._taken()

    def _removed(self, owner: CanaryRef) -> _Call:
        """The first call of `owner`; its namespace waits for its next turn."""
        canaries = self._waiting.pop(owner.namespace)
        calls = canaries[owner]
        call = calls.popleft()
        if not calls:
            del canaries[owner]
        if canaries:
            self._waiting[owner.namespace] = canaries
        return call

    def _count(self, owner: CanaryRef, change: int) -> None:
        self._under_way += change
        _add(self._by_namespace, owner.namespace, change)
        _add(self._by_canary, owner, change)


def _add(counts: Counter[_Key], key: _Key, change: int) -> None:
    """Nothing is left of a count that is back at 0: there are more canaries than threads."""
    counts[key] += change
    if not counts[key]:
        del counts[key]
