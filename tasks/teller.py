"""Tells what Kubernetes is not: each channel in order, at least once, and nobody waits for it.

The notices are those of all channels (`tasks.delivery`); each has an account of its own. The status
lane says when there is something to tell, and every look at a canary does as long as there is: what
a channel could not be told is told with the next notice, the next look, or after its pause.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from clients import errors
from clients.clock import Clock
from clients.documents.notice import Notice
from clients.fair_threads import FairThreads
from clients.instruments import SILENT, Instruments
from clients.kube.protocol import Kube, NoKube
from clients.redis import rollouts
from clients.redis.records import Begun, Snapshot, Work
from clients.redis.scripts import Invocation
from clients.redis.store import Store
from config.refs import CanaryRef
from tasks import failures, gather
from tasks.audience import Audience
from tasks.delivery import Delivery

log = logging.getLogger(__name__)

TELL_LEASE: Final = timedelta(seconds=90)
"""How long one run may take: `LONGEST`, and a pause between two attempts after it."""

LONGEST: Final = timedelta(seconds=45)
"""After which no attempt is begun."""

TOO_OLD: Final = timedelta(hours=1)
"""How old a notice may be that is told: who was away for longer reads the events."""


class NotYet(errors.Transient):
    """Nothing has failed: there is no time, or others go first."""


class CanaryChannel(Protocol):
    """A channel of one canary."""

    @property
    def name(self) -> str:
        """Its account."""

    def told(
        self, delivery: Delivery, waiting: Sequence[Notice], kube: Kube
    ) -> errors.ClientError | None:
        """Why it was not told all that is `waiting` for it, oldest first; None when it was."""


Channels = Callable[[CanaryRef, Snapshot, Callable[[], bool]], Sequence[CanaryChannel]]
"""The channels of a canary, which ask before each attempt whether there is time for it."""


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells one sort of channels, on threads of its own: gates and checks never wait for one."""

    store: Store
    clock: Clock
    threads: FairThreads
    work: Work
    channels: Channels
    audience: Audience
    kube: Kube = field(default_factory=NoKube)
    doubt: Callable[[], None] = lambda: None
    instruments: Instruments = SILENT

    def tell(self, *refs: CanaryRef) -> None:
        """Has told what is untold of each of `refs`; comes back before it is."""
        for ref in refs:
            self.threads.submit(ref, partial(self._tell, ref))

    def _tell(self, ref: CanaryRef) -> None:
        try:
            begun = self.store.run(rollouts.beginning(ref, self.work, TELL_LEASE))
            if begun is not None:
                _Run(self, ref, begun).start()
        except errors.ClientError as failure:
            failures.tell_of(ref, failure, self.doubt)


class _Run:
    """What is told of one canary under a lease: each channel by a call of its own."""

    def __init__(self, teller: Teller, ref: CanaryRef, begun: Begun) -> None:
        self._teller = teller
        self._ref = ref
        self._begun = begun
        self._canary = gather.accepted(begun.snapshot.world)
        self._delivery = Delivery(
            *(teller.store, ref, begun.untold, begun.token, _uid(begun)), tell=teller.instruments
        )
        self._ends = teller.clock.monotonic() + LONGEST.total_seconds()
        self._failures: list[errors.ClientError] = []
        self._left = 0
        self._counting = threading.Lock()

    def start(self) -> None:
        """Has everything told; whoever is told last finishes the run."""
        channels = self._teller.channels(self._ref, self._begun.snapshot, self._is_in_time)
        self._left = len(channels)
        for channel in channels:
            self._teller.threads.submit(self._ref, partial(self._tell, channel))
        if not channels:
            self._finish()

    def _is_in_time(self) -> bool:
        return self._teller.clock.monotonic() < self._ends

    def _tell(self, channel: CanaryChannel) -> None:
        try:
            failure = self._told(channel)
            if failure is not None:
                self._failures.append(failure)
                extra = {"canary": self._ref.dotted, "channel": channel.name}
                level = logging.DEBUG if isinstance(failure, NotYet) else logging.WARNING
                log.log(level, "not told", extra={**extra, "error": failure.message})
        finally:
            with self._counting:
                self._left -= 1
                is_last = not self._left
            if is_last:
                self._finish()

    def _told(self, channel: CanaryChannel) -> errors.ClientError | None:
        """Why the channel was not told all; None when it was."""
        waiting = self._delivery.missing(channel.name)
        fresh = [each for each in waiting if not self._is_too_old(each.at)]
        if len(fresh) < len(waiting):
            extra = {"canary": self._ref.dotted, "channel": channel.name}
            log.error("notices given up", extra={**extra, "count": len(waiting) - len(fresh)})
        try:
            failure = channel.told(self._delivery, fresh, self._teller.kube)
            if failure is None and waiting:
                self._delivery.note(channel.name, waiting[-1].id)
        except errors.ClientError as away:  # Redis: what was told is told once more
            return away
        return failure

    def _is_too_old(self, at: datetime) -> bool:
        snapshot = self._begun.snapshot
        return snapshot.now - snapshot.leaps.carried(at, snapshot.now) > TOO_OLD

    def _finish(self) -> None:
        try:
            again = self._teller.store.run(self._finishing())
        except errors.ClientError as failure:
            failures.tell_of(self._ref, failure, self._teller.doubt)
            return
        if again and not self._failures:
            self._teller.tell(self._ref)

    def _finishing(self) -> Invocation[bool]:
        snapshot = self._begun.snapshot
        pauses = [each.retry_after for each in self._failures if each.retry_after]
        return rollouts.finishing(
            self._ref,
            self._teller.work,
            self._begun.token,
            snapshot.now + min(pauses) if pauses else None,
            told=self._delivery.told(self._teller.audience.accounts(self._canary)),
            uid=_uid(self._begun),
        )


def _uid(begun: Begun) -> str:
    return (begun.snapshot.state or {}).get("uid") or ""
