"""Follows the objects of one resource: list, then watch, for ever.

A watch is resumed where it broke off; when the server no longer remembers that far back, the list
is read again and compared, so a deletion that nobody told is found. Whatever fails, only time is
lost: it is tried again, later each time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from clients import backoff, errors
from clients.clock import Clock
from clients.kube.protocol import Watcher, WatchEvent, WatchType
from clients.kube.resources import Resource
from config import well_known
from scheduler import manifests
from scheduler.backlog import Backlog

log = logging.getLogger(__name__)

FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0
"""Seconds between attempts, doubling, halved at random: an API server that comes back is not met
by everybody at once, and is noticed within half a minute."""

ABSENT_DELAY: Final = 30.0
"""Seconds between looks for a kind that is not installed."""

OWN_ABSENT_DELAY: Final = 1.0
"""The same for kinds of our own: somebody is about to install them, and waits to see it."""

INSTALL: Final = "kubectl apply -f deploy/crds/crds.yaml"
"""What installs our own kinds, from the root of the repository."""

SHORT_WATCH: Final = 1.0
"""A watch that ends within so many seconds without a word is a failure, not an end."""

LONGEST_SILENCE: Final = 75.0
"""A watch of more seconds without a word, not even the bookmark of each minute, waits for versions
that are still to come: the API server's store was restored from older data. It would stay silent
about everything until then, so the objects are listed."""

PATIENCE: Final = 10.0
"""Seconds of failures before a kind that was never listed is set aside. A refusal is final."""

REPEAT: Final = 300.0
"""Seconds after which a failure that lasts is logged again."""

REST: Final = 0.2
"""Longest sleep in seconds without looking whether to stop."""


@dataclass(frozen=True, slots=True)
class Contact:
    """How a watch is doing; `silent_seconds` since the server last said anything, None: never.

    `trouble` is why it has failed to list or watch, as long as it does.
    """

    resource: str
    synced: bool
    absent: bool
    silent_seconds: float | None
    trouble: str


class Reflector:
    """One resource. `step` is for one thread, everything else for any."""

    def __init__(
        self,
        resource: Resource,
        watcher: Watcher,
        backlog: Backlog,
        *,
        namespace: str | None,
        clock: Clock,
        random: Callable[[], float],
        timeout: Callable[[], timedelta],
    ) -> None:
        """`random` gives 0 <= x < 1, `timeout` how long the next watch is to last."""
        self.resource = resource
        self._namespace = namespace
        self._watcher = watcher
        self._backlog = backlog
        self._clock = clock
        self._random = random
        self._timeout = timeout
        self._version: str | None = None
        self._failures = 0
        self._trouble = ""
        self._kind = ""
        self._failing_since: float | None = None
        self._told_at = 0.0
        self._retry_at = clock.monotonic()
        self._heard_at: float | None = None
        self._absent = self._is_set_aside = False
        self._lists_asked, self._lists_read = 1, 0

    @property
    def synced(self) -> bool:
        """Whether all objects have been listed, by a list begun after the last `relist`."""
        return self._lists_read == self._lists_asked

    @property
    def waited_for(self) -> bool:
        """Whether it is to be listed soon: neither was it, nor is it known that it cannot be."""
        is_core = self.resource in self._backlog.watched
        return is_core and not (self.synced or self._absent or self._is_set_aside)

    @property
    def is_wanted(self) -> bool:
        """Whether anybody uses objects of it."""
        return self._backlog.is_wanted(self.resource)

    @property
    def _is_own(self) -> bool:
        return self.resource.group == well_known.GROUP

    def relist(self) -> None:
        """Have all objects listed again, at once; the watch that runs must be ended besides."""
        self._lists_asked += 1
        self._retry_at = self._clock.monotonic()

    def contact(self) -> Contact:
        """How it is doing."""
        heard = self._heard_at
        silent = None if heard is None else self._clock.monotonic() - heard
        return Contact(self.resource.plural, self.synced, self._absent, silent, self._trouble)

    def run(self, stop: threading.Event) -> None:
        """Follows the resource until `stop`."""
        while not stop.is_set():
            wait = self._retry_at - self._clock.monotonic()
            if wait > 0:
                self._clock.sleep(min(wait, REST))
            else:
                self._survive(stop)

    def step(self, stop: threading.Event | None = None) -> None:
        """One list, or one watch to its end; nothing while a failure is too recent."""
        if self._clock.monotonic() < self._retry_at:
            return
        if not self.is_wanted:
            self._rest()
            return
        try:
            if self._version is None or not self.synced:
                self._list()
            else:
                self._follow(self._version, stop)
        except errors.ClientError as error:
            if stop is None or not stop.is_set():  # else we have ended the watch ourselves
                self._fail(error)
        else:
            self._recover()

    def _rest(self) -> None:
        """Knows nothing, for as long as nobody wants to know."""
        if self.synced:
            self._backlog.ignore(self.resource)
            self._lists_asked += 1
        self._retry_at = self._clock.monotonic() + REST

    def _survive(self, stop: threading.Event) -> None:
        try:
            self.step(stop)
        except Exception as defect:  # a watch that ends leaves a whole installation blind
            log.exception("defect while watching", extra={"resource": self.resource.plural})
            self._version = None
            self._retry_at = self._clock.monotonic() + LONGEST_DELAY
            self._trouble = f"defect: {type(defect).__name__}"
            self._give_up()

    def _list(self) -> None:
        asked = self._lists_asked
        listing = self._watcher.list(self.resource, self._namespace)
        self._backlog.listed(self.resource, listing.items)
        self._version = listing.resource_version
        self._absent = self._is_set_aside = False
        self._lists_read = asked
        self._heard_at = self._clock.monotonic()

    def _follow(self, version: str, stop: threading.Event | None) -> None:
        started, quiet = self._clock.monotonic(), True
        timeout = self._timeout()
        try:
            for event in self._watcher.watch(self.resource, self._namespace, version, timeout):
                if not self.synced or (stop is not None and stop.is_set()):
                    return
                self._take(event)
                quiet = False
        finally:
            lasted = self._clock.monotonic() - started
            if quiet and lasted > LONGEST_SILENCE:
                self._version = None
        if quiet and lasted < SHORT_WATCH and self.synced:
            raise errors.Transient("the watch ended at once")
        self._failures = 0

    def _take(self, event: WatchEvent) -> None:
        self._heard_at = self._clock.monotonic()
        self._failures = 0
        if _went_back(self._version, _version(event.object)):
            raise errors.Expired("resourceVersions went back: the API server's store was restored")
        if event.type is not WatchType.BOOKMARK:
            self._backlog.happened(self.resource, event.type, event.object)
        # Only now: an event that was not taken in is to be sent again.
        self._version = _version(event.object) or self._version

    def _recover(self) -> None:
        if self._kind:
            log.info("watching again", extra={"resource": self.resource.plural})
        self._trouble = self._kind = ""
        self._failing_since = None

    def _fail(self, error: errors.ClientError) -> None:
        self._failures += 1
        if isinstance(error, errors.Expired):
            self._version = None
        now = self._clock.monotonic()
        self._retry_at = now + self._delay(error)
        self._failing_since = self._failing_since or now
        if isinstance(error, errors.NotFound):
            self._absent = True
            self._version = None
        if not isinstance(error, errors.Expired):
            self._tell(error, now)
        if isinstance(error, errors.Permanent) or now - self._failing_since >= PATIENCE:
            self._give_up()

    def _tell(self, error: errors.ClientError, now: float) -> None:
        self._trouble, kind = error.message, type(error).__name__
        lasts = (self._is_own or not self._absent) and now - self._told_at >= REPEAT
        if kind == self._kind and not lasts:
            return
        extra = {"resource": self.resource.plural, "kind": kind, "error": error.message}
        if self._absent:
            others = f"install the definitions of {self.resource.group}, if your mesh needs them"
            extra["remedy"] = INSTALL if self._is_own else others
        log.warning("not watching", extra=extra)
        self._kind, self._told_at = kind, now

    def _give_up(self) -> None:
        """Has the others go on without this kind, if they wait for it."""
        if self.waited_for:
            self._backlog.set_aside(self.resource, self._trouble)
            self._is_set_aside = True

    def _delay(self, error: errors.ClientError) -> float:
        """Seconds until the next attempt; none before the first list after a lost history."""
        if isinstance(error, errors.Expired) and self._failures == 1:
            return 0.0
        longest = backoff.doubling(self._failures, FIRST_DELAY, LONGEST_DELAY)
        if isinstance(error, errors.NotFound):
            longest = OWN_ABSENT_DELAY if self._is_own else ABSENT_DELAY
        spread = longest * (0.5 + self._random() / 2)
        asked = error.retry_after if isinstance(error, errors.Transient) else None
        return max(spread, min(asked.total_seconds(), LONGEST_DELAY) if asked else 0.0)


def _version(raw: Any) -> str | None:
    version = manifests.metadata_of(raw).get("resourceVersion")
    return version if isinstance(version, str) and version else None


def _went_back(known: str | None, told: str | None) -> bool:
    """Whether `told` is older; Kubernetes' own versions are numbers, others are not compared."""
    both = known is not None and known.isdecimal() and told is not None and told.isdecimal()
    return both and int(told or "") < int(known or "")
