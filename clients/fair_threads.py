"""Threads that canaries share, none of which gets so many that another waits for it."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
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
        self._name = name
        self.most = most
        self._changed = threading.Condition()
        self._waiting: dict[str, dict[CanaryRef, deque[_Call]]] = {}
        self._by_namespace: Counter[str] = Counter()
        self._by_canary: Counter[CanaryRef] = Counter()
        self._at_work = 0
        self._threads = 0
        self._idle = 0

    def submit(self, owner: CanaryRef, call: _Call) -> None:
        """Has `call`, which should raise nothing, made for `owner` as soon as it is its turn."""
        with self._changed:
            canaries = self._waiting.setdefault(owner.namespace, {})
            canaries.setdefault(owner, deque()).append(call)
            self._employ()

    def has_room(self) -> bool:
        """Whether a call of somebody who has none under way would begin at once."""
        return self._at_work < self.most

    def is_idle(self) -> bool:
        """Whether nothing is under way, and nothing waits."""
        with self._changed:
            return not self._at_work and not self._waiting

    def close(self) -> None:
        """Forgets what waits, and comes back when what is under way has ended."""
        with self._changed:
            self._waiting.clear()
            while self._at_work:
                self._changed.wait(CLOSING_SECONDS)

    def _employ(self) -> None:
        """Has a thread look for work, if there is one to spare and work that may begin."""
        if self._next_owner() is None:
            return
        if self._idle:
            self._changed.notify()
        elif self._threads < self.most:
            self._threads += 1
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()

    def _next_owner(self) -> CanaryRef | None:
        """Whose call is begun next; None while nobody's may be."""
        free = self.most - self._at_work
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
            with self._changed:
                had_room = self.has_room()
                self._count(owner, -1)
            if not had_room:
                self.freed()

    def _taken(self) -> tuple[CanaryRef, _Call] | None:
        """The next call, which counts as under way; None when there was none for long."""
        with self._changed:
            while (owner := self._next_owner()) is None:
                self._idle += 1
                is_woken = self._changed.wait(IDLE_SECONDS)
                self._idle -= 1
                if not is_woken and self._next_owner() is None:
                    self._threads -= 1
                    return None
            call = self._removed(owner)
            self._count(owner, 1)
            self._employ()
            return owner, call

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
        self._at_work += change
        _add(self._by_namespace, owner.namespace, change)
        _add(self._by_canary, owner, change)


def _add(counts: Counter[_Key], key: _Key, change: int) -> None:
    """Nothing is left of a count that is back at 0: there are more canaries than threads."""
    counts[key] += change
    if not counts[key]:
        del counts[key]
