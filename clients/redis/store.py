"""Everything Coalmine keeps in Redis, behind one door: keys are in `keys`, scripts in `lua/`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from clients import errors
from clients.redis import keys, rollouts, scripts, server, snapshots
from clients.redis.records import Claimed, Epoch, Overdue, Progress, Snapshot
from clients.redis.scripts import Invocation
from config import moments
from config.ranks import Rank
from config.realms import Realm
from config.refs import CanaryRef
from config.settings.groups import RedisSettings
from config.shards import WHOLE, Shard

SPAN: Final = 10**15
"""Milliseconds between the due times of two ranks in the agenda; as in `lua/prelude.lua`."""

LOOKED_AT: Final = 500
"""Due entries of a rank that a claim looks at, from either end: some hundred µs of the server."""


class Store(scripts.Door):
    """Rollouts and notices, the due times of all canaries, and the epoch of one installation.

    Redis may be emptied, restarted with older data, or failed over to a replica that lags. The
    epoch, in which the leader confirmed what is stored, is missing then, or of another history of
    writes, and the scripts neither give out nor begin nor commit anything until the leader has
    stored everything and confirmed it. Where leaders share out the namespaces (`config.shards`),
    this is so for each shard by itself.

    Safe to share by threads. Raises the kinds of `clients.errors` alone: Transient while the
    server is away or unwell, Permanent when it refuses us.
    """

    def read(self, ref: CanaryRef) -> Snapshot:
        """All that is stored about `ref`, without taking anything."""
        return self.run(rollouts.reading(ref))

    def claim(self, most: int, queued_ttl: timedelta, shard: Shard = WHOLE) -> Claimed:
        """What is due in a shard, the most urgent first; the caller enqueues a tick for each ref.

        A ref counts as queued until its tick begins or `queued_ttl` is over, and is due again
        then; or when the lease of a tick that is under way ends. Refs are given out while fewer
        than `most` of their rank, or of more urgent ones, are queued, whatever their shard. Within
        a rank namespaces take turns, and within a namespace goes first what has been due for
        longest. Refs that are queued or running are not given out; a running tick is asked to run
        again. Nothing is given out while what is stored is not confirmed.
        """
        rows, around = (keys.AGENDA, keys.EPOCH, keys.QUEUE), keys.TICK.around()
        arguments = (most, queued_ttl, *around, LOOKED_AT, shard.index, shard.count)
        return self.run(Invocation("claim", None, rows, arguments, _claimed))

    def agenda(self) -> Mapping[CanaryRef, datetime]:
        """All due times, earliest first."""
        with scripts.translated("reading the agenda"):
            entries = self.client.zrange(keys.AGENDA.pattern, 0, -1, withscores=True)
        dues = sorted((score % SPAN, member) for member, score in entries)
        return {CanaryRef.parse(member): moments.at(due) for due, member in dues}

    def due(self, ref: CanaryRef) -> datetime | None:
        """When `ref` is looked at next; None for one that is not on the agenda."""
        with scripts.translated("reading the agenda"):
            score = self.client.zscore(keys.AGENDA.pattern, str(ref))
        return None if score is None else moments.at(score % SPAN)

    def overdue(self, before: datetime) -> Mapping[Rank, Overdue]:
        """What was due `before` and is not enqueued, by rank."""
        return self._by_rank(keys.AGENDA, before)

    def queued(self, ttl: timedelta) -> Mapping[Rank, Overdue]:
        """The canaries whose ticks wait in the queue, by rank, and since when.

        `ttl` is the `queued_ttl` that they were claimed with.
        """
        ends = self._by_rank(keys.QUEUE, self.now() + ttl)
        return {rank: replace(each, since=each.since - ttl) for rank, each in ends.items()}

    def _by_rank(self, row: keys.Row, before: datetime) -> Mapping[Rank, Overdue]:
        pipeline = self.client.pipeline(transaction=False)
        for rank in Rank:
            spans = (rank * SPAN, rank * SPAN + moments.milliseconds(before))
            pipeline.zcount(row.pattern, *spans)
            pipeline.zrangebyscore(row.pattern, *spans, start=0, num=1, withscores=True)
        with scripts.translated("reading the agenda"):
            replies = pipeline.execute()
        return {
            rank: Overdue(int(count), moments.at(first[0][1] % SPAN))
            for rank, count, first in zip(Rank, replies[::2], replies[1::2], strict=True)
            if first
        }

    def progress(self, refs: Sequence[CanaryRef]) -> Mapping[CanaryRef, Progress]:
        """How far each of `refs` is; not those of which something else is stored."""
        pipeline = self.client.pipeline(transaction=False)
        for ref in refs:
            pipeline.hmget(keys.STATE.of(ref), ["version", "json"])
            pipeline.hgetall(keys.CONFIRMED.of(ref))
            pipeline.hgetall(keys.TALLY.of(ref))
        with scripts.translated("reading how far canaries are"):
            replies = pipeline.execute(raise_on_error=False)
        progress = {}
        for ref, *each in zip(refs, replies[::3], replies[1::3], replies[2::3], strict=True):
            if any(isinstance(reply, Exception) for reply in each):
                continue
            with suppress(ValueError, TypeError):
                progress[ref] = snapshots.progress(ref, each)
        return progress

    def keep_time(self, leapt: timedelta | None = None) -> tuple[datetime, bool]:
        """Now, and whether somebody has to find out if the server's clock has leapt until then.

        Who has says by how much it has `leapt`, perhaps not at all. The first one is believed, and
        what is due is carried along; leaps of less than ten seconds count as none.
        """
        rows = (keys.LEAPS, keys.AGENDA, keys.QUEUE)

        def decode(reply: Sequence[Any]) -> tuple[datetime, bool]:
            return moments.at(reply[0]), bool(int(reply[1]))

        by = None if leapt is None else leapt // timedelta(milliseconds=1)
        return self.run(Invocation("keep_time", None, rows, (by,), decode))

    def open_epoch(self, term: int, shard: Shard = WHOLE) -> Epoch:
        """The epoch to store all of a shard in now. Raises Conflict when the `term` is over."""
        rows = (keys.EPOCH, keys.LEADER, keys.FENCE)
        arguments = (term, shard.index, shard.count)
        decode = partial(_epoch, shard)
        return self.run(scripts.for_leader("open_epoch", None, rows, arguments, decode))

    def confirm_epoch(self, term: int, epoch: Epoch) -> bool:
        """Whether what was stored since `open_epoch` is confirmed now.

        It is not when Redis has been emptied, restarted or failed over meanwhile: all has to be
        stored again. Raises Conflict when the term is over.
        """
        rows = (keys.EPOCH, keys.LEADER)
        arguments = (term, epoch.number, epoch.shard.index, epoch.shard.count)
        return self.run(scripts.for_leader("confirm_epoch", None, rows, arguments, bool))

    def acquire(self, holder: str, ttl: timedelta, shard: Shard = WHOLE) -> int | None:
        """The term of a shard's leader, a fencing token, for `ttl`; None while another leads it.

        The same holder renews it and keeps its token. Tokens of later holders are greater, also
        after Redis was emptied. Raises Conflict while any shard of another number of them is led,
        or this one for another realm than that which `holder` ends with (`config.realms`).
        """
        arguments = (holder, ttl, shard.index, shard.count)
        rows = (keys.LEADER, keys.FENCE)
        count, *token = self.run(Invocation("acquire", None, rows, arguments, list[Any]))
        if count != shard.count:
            text = f"shard {shard}: there are leaders of {count} shards"
            raise errors.Conflict(f"{text}; allowed is one number of shards for all beats")
        if token[0]:
            return int(token[0])
        ours, theirs = Realm.of_holder(holder), Realm.of_holder(token[1])
        if text := ours.objection(theirs) if ours else "":
            raise errors.Conflict(text)
        return None

    def realms(self) -> frozenset[Realm]:
        """What the installations of the leaders are in charge of, as far as their names tell."""
        realms = map(Realm.of_holder, self._leaders())
        return frozenset(realm for realm in realms if realm)

    def led(self) -> frozenset[Shard]:
        """The shards that have a leader, as far as the server knows; for logs."""
        return frozenset(Shard.parse(line.split(" ")[2]) for line in self._leaders())

    def _leaders(self) -> list[str]:
        with scripts.translated("reading the leaders"):
            return (self.client.get(keys.LEADER.pattern) or "").splitlines()

    def release(self, holder: str) -> bool:
        """Whether `holder` led, and nobody does now."""
        return self.run(Invocation("release", None, (keys.LEADER,), (holder,), bool))

    def timeline(self, ref: CanaryRef, count: int = 50) -> tuple[Mapping[str, Any], ...]:
        """The last `count` entries, newest last."""
        with scripts.translated("reading the timeline"):
            newest_first = self.client.xrevrange(keys.TIMELINE.of(ref), count=count)
        return tuple(json.loads(fields["entry"]) for _, fields in reversed(newest_first))


def _claimed(reply: Sequence[Any]) -> Claimed:
    confirmed, canaries, busy, *members = reply
    by_rank: defaultdict[Rank, list[CanaryRef]] = defaultdict(list)
    for member, rank in zip(members[::2], members[1::2], strict=True):
        by_rank[Rank(int(rank))].append(CanaryRef.parse(member))
    return Claimed(by_rank, int(canaries), int(busy), bool(confirmed))


def _epoch(shard: Shard, reply: Sequence[Any]) -> Epoch:
    number, confirmed = reply
    return Epoch(int(number), already_confirmed=bool(confirmed), shard=shard)


def connect_store(settings: RedisSettings) -> Store:
    """The store that `settings` name; it connects at its first use.

    Whether the server suits is asked separately (`server.check_server`), so that a process can
    start before its Redis does. Raises as `server.connect`, and SettingsError without a URL.
    """
    return Store(server.connect(settings.state_url()))
