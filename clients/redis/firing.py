"""What fires at the Alertmanagers that were told of a canary, also of one that is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from clients.redis import keys, scripts
from clients.redis.scripts import Door
from config import moments
from config.refs import CanaryRef


@dataclass(frozen=True, slots=True)
class Told:
    """The names of what may fire at a receiver, and when it took all of them last."""

    alarms: frozenset[str] = frozenset()
    at: datetime = moments.EPOCH


NOTHING_TOLD: Final = Told()


class FiringAlerts:
    """The names of the alerts that fire, by canary and account of a receiver.

    Safe to share by threads, and by processes.
    """

    def __init__(self, door: Door, lasts: timedelta) -> None:
        """An alert ends by itself after `lasts`: what fires is kept for as long."""
        self._door: Final = door
        self._lasts: Final = lasts

    def of(self, ref: CanaryRef) -> Mapping[str, Told]:
        """What fires of a canary, by account."""
        with scripts.translated("reading what fires"):
            stored = self._door.client.hgetall(keys.FIRING.of(ref))
        return {account: _decoded(text) for account, text in stored.items()}

    def keep(self, ref: CanaryRef, account: str, told: Told) -> None:
        """Keeps what was `told` to a receiver; of one at which nothing fires, nothing."""
        key = keys.FIRING.of(ref)
        pipeline = self._door.client.pipeline()
        if told.alarms:
            pipeline.hset(key, account, _encoded(told))
            pipeline.pexpire(key, self._lasts)
        else:
            pipeline.hdel(key, account)
        with scripts.translated("keeping what fires"):
            pipeline.execute()


def _encoded(told: Told) -> str:
    return " ".join([str(moments.milliseconds(told.at)), *sorted(told.alarms)])


def _decoded(text: str) -> Told:
    at, *alarms = text.split(" ")
    return Told(frozenset(alarms), moments.at(int(at)))
