"""When each canary is looked at next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from clients.redis import keys, scripts
from clients.redis.records import Claimed
from config.refs import CanaryRef


class Agenda(scripts.Door):
    """The due times of all canaries, and the epoch that tells an emptied Redis from an idle one."""

    def poke(self, ref: CanaryRef, at: datetime | None = None) -> None:
        """Makes `ref` due at `at` (now if None) or earlier, also if a tick is running.

        A tick that begins between now and `at` may set another due time: it sees all there is.
        """
        names = [keys.TICK.of(ref), keys.AGENDA.only]
        self._run("poke", names, [str(ref), scripts.optional_milliseconds(at)])

    def claim(self, limit: int, queued_ttl: timedelta, retry: timedelta) -> Claimed:
        """What is due, of at most `limit` entries; the caller enqueues a tick for each ref.

        A ref counts as queued until its tick begins or `queued_ttl` is over, and is due again
        after `retry`, or when the lease of a tick that is under way ends. Refs that are queued or
        running are not given out; a running tick is asked to run again.
        """
        spans = [scripts.span(queued_ttl), scripts.span(retry)]
        names = [keys.AGENDA.only, keys.EPOCH.only]
        reply = self._run("claim", names, [limit, *spans, *keys.TICK.around()])
        alive, first, *members = reply
        return Claimed(
            refs=tuple(CanaryRef.parse(member) for member in members),
            next_due=scripts.at(first) if first else None,
            epoch_alive=bool(alive),
        )

    def agenda(self) -> Mapping[CanaryRef, datetime]:
        """All due times, earliest first."""
        with scripts.translated("reading the agenda"):
            entries = self._client.zrange(keys.AGENDA.only, 0, -1, withscores=True)
        return {CanaryRef.parse(member): scripts.at(due) for member, due in entries}

    def set_epoch(self, value: str) -> None:
        """Marks this Redis as filled; for the leader."""
        with scripts.translated("writing the epoch"):
            self._client.set(keys.EPOCH.only, value)

    def epoch(self) -> str | None:
        """The mark of `set_epoch`; None when Redis was emptied since."""
        with scripts.translated("reading the epoch"):
            return self._client.get(keys.EPOCH.only)
