"""Tells an Alertmanager how things are with a canary, until what it was told last is true.

Whoever tells may stall for however long, while others tell of something newer. So the state is read
again after each push: what is not so any more is put right at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from clients.redis.firing import NOTHING_TOLD, FiringAlerts, Told
from clients.redis.records import Snapshot
from config.refs import CanaryRef
from notify.channels.alertmanager import REFRESH, Alarm, Firing, Levels
from tasks.teller import NotYet

TRIES: Final = 3
"""Pushes in one run: each further one follows a change during the last."""

_SOON: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alertmanager:
    """An Alertmanager that hears of the canary `ref`, known by its account.

    `memory` is what it was told, `firing` what fires there by a snapshot, which `read` makes;
    `push` raises what came of it.
    """

    ref: CanaryRef
    account: str
    memory: FiringAlerts
    firing: Callable[[Snapshot], tuple[Firing, ...]]
    read: Callable[[], Snapshot]
    push: Callable[[Levels], None]

    def level(self, snapshot: Snapshot, *, is_news: bool) -> bool:
        """Whether it was told anything: what fires, and what was told to fire and does not.

        What fires and is no news it is told now and then. Raises as `push`, the errors of the
        store, and NotYet while things change too fast.
        """
        for count in range(TRIES):
            fires = self._tell(snapshot, is_news=is_news or count > 0)
            if fires is None:
                return count > 0
            snapshot = self.read()
            if _names(self.firing(snapshot)) == fires:
                return True
        raise NotYet("things change while they are told", retry_after=_SOON)

    def _tell(self, snapshot: Snapshot, *, is_news: bool) -> frozenset[str] | None:
        """What it was told that fires; None when there was nothing to tell."""
        firing = self.firing(snapshot)
        fires, told = _names(firing), self.memory.of(self.ref).get(self.account, NOTHING_TOLD)
        begun, over = fires - told.alarms, [each for each in Alarm if each in told.alarms - fires]
        is_fresh = told.at <= snapshot.now < told.at + REFRESH / 2  # a clock may have been ahead
        if not (over or begun or (fires and (is_news or not is_fresh))):
            return None
        if begun:  # before it is told: whoever dies then leaves what is to be resolved
            self.memory.keep(self.ref, self.account, Told(told.alarms | fires, told.at))
        self.push(Levels(snapshot.now, firing, over))
        self.memory.keep(self.ref, self.account, Told(fires, snapshot.now))
        return fires


def _names(firing: Iterable[Firing]) -> frozenset[str]:
    return frozenset(each.alarm.value for each in firing)
