"""What only a leader knows: its canaries, the agenda and the queues.

Whoever does not lead tells nothing of it, so that no figure is there twice: not with a standby, nor
after a change of leaders, nor with several shards, of which each has canaries of its own and the
first tells what they have in common.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from analysis import effects
from analysis import state as states
from analysis.effects import Lane
from analysis.phases import RESTING, Phase
from clients import errors
from clients.documents.tally import Tally
from clients.redis.records import Overdue, Progress
from clients.redis.store import Store
from config import batches, moments
from config.ranks import Rank
from config.refs import CanaryRef
from config.settings.settings import Settings
from exporter import flagger, table
from exporter.exposition import family
from scheduler.entries import Standing
from scheduler.health import Role
from scheduler.loop import Loop
from tasks.queues import Dispatcher

OTHER: Final = "other"
"""Stands for a phase that is none of ours: anybody may write a status."""

_PHASES: Final = frozenset(phase.value for phase in Phase if phase is not Phase.NEW)
_AT_REST: Final = frozenset(phase.value for phase in RESTING)
_TIMED: Final = (Lane.ROUTE, Lane.WORKLOAD)


@dataclass(frozen=True, slots=True)
class Known:
    """What was read of a canary when its status was that of the version `seen`."""

    seen: str
    tally: Tally
    unapplied: frozenset[Lane]
    decided: datetime
    """When its route or workload was decided last."""

    def is_good_for(self, standing: Standing) -> bool:
        """Whether there is nothing else to be read now.

        A decision that changes any of it is shown in the status after it, or while the canary is
        not at rest.
        """
        status = standing.status
        is_same = self.seen == status.resource_version and not self.unapplied
        return is_same and str(status.fields.get("phase")) in _AT_REST


class Fleet:
    """Looks the figures up; for one thread at a time."""

    def __init__(
        self, loop: Loop, store: Store, dispatcher: Dispatcher, settings: Settings, version: str
    ) -> None:
        self._loop = loop
        self._store = store
        self._dispatcher = dispatcher
        self._settings = settings
        self._version = version
        self._known: dict[CanaryRef, Known] = {}

    def __call__(self) -> Iterable[str]:
        """The families; those of the fleet unless leadership ended while they were looked up."""
        yield from self._of_beat()
        census = self._loop.census()
        told = list(self._of_fleet(census)) if census is not None else []
        if self._loop.census() is not None:
            yield from told
        else:
            self._known.clear()

    def _of_beat(self) -> Iterator[str]:
        health = self._loop.health()
        is_leader, shard = health.role is Role.LEADER, (health.shard,)
        yield family(table.LEADING, {shard: is_leader})
        if is_leader and health.claimed_seconds_ago is not None:
            yield family(table.SYNCED, {shard: health.is_ready()})
            yield family(table.CLAIM_AGE, {shard: health.claimed_seconds_ago})

    def _of_fleet(self, census: Sequence[Standing]) -> Iterator[str]:
        """What is seen; and what is stored, as long as Redis and the queues answer."""
        provider = self._settings.canaries.mesh_provider
        yield family(table.FLAGGER_INFO, {(self._version, provider): 1})
        yield from flagger.seen(census)
        shard = str(self._settings.scheduler.shard)
        yield family(table.PHASES, {(shard, *of): n for of, n in _phases(census).items()})
        try:
            self._read(census)
            yield from flagger.counted(
                census, {ref: known.tally for ref, known in self._known.items()}
            )
            yield from _unapplied(shard, self._known.values(), self._store.now())
            if self._settings.scheduler.shard.index == 0:
                yield from self._in_common()
        except errors.ClientError:
            return  # that Redis is away is told by the probes, and by what is missing here

    def _read(self, census: Sequence[Standing]) -> None:
        """Reads what may have changed; forgets who is gone."""
        standings = {each.ref: each for each in census}
        self._known = {
            ref: known
            for ref, known in self._known.items()
            if ref in standings and known.is_good_for(standings[ref])
        }
        asked = (ref for ref in standings if ref not in self._known)
        for refs in batches.parts(asked, batches.MOST):
            for ref, progress in self._store.progress(refs).items():
                self._known[ref] = _known(standings[ref], progress)

    def _in_common(self) -> Iterator[str]:
        """What all shards have in common."""
        now = self._store.now()
        queued = self._store.queued(self._settings.scheduler.tick_lease)
        waiting: dict[tuple[str, ...], float] = {
            (str(queue),): count for queue, count in self._dispatcher.waiting().items()
        }
        yield family(table.QUEUED, waiting)
        for counts, ages, found in (
            (table.OVERDUE, table.OVERDUE_AGE, self._store.overdue(now)),
            (table.QUEUED_TICKS, table.QUEUED_AGE, queued),
        ):
            yield family(counts, {_label(rank): _count(found, rank) for rank in Rank})
            yield family(ages, {_label(rank): _age(found, rank, now) for rank in Rank})


def _phases(census: Iterable[Standing]) -> Mapping[tuple[str, ...], float]:
    """How many canaries are in each phase; 0 where none is, or a sum over no series were none."""
    shown = (str(each.status.fields.get("phase") or OTHER) for each in census)
    count = Counter(phase if phase in _PHASES else OTHER for phase in shown)
    return {(phase,): count[phase] for phase in (*sorted(_PHASES), OTHER)}


def _known(standing: Standing, progress: Progress) -> Known:
    state = states.readable(progress.state)
    if state is None:
        return Known(standing.status.resource_version, progress.tally, frozenset(), moments.EPOCH)
    confirmed = progress.confirmed.about(state.uid)
    missing = effects.outstanding(state, progress.version, confirmed)
    return Known(
        standing.status.resource_version,
        progress.tally,
        missing | confirmed.troubles.keys(),
        state.intended_at or state.since,
    )


def _unapplied(shard: str, known: Iterable[Known], now: datetime) -> Iterator[str]:
    """What was decided and is not in force: where, and since when."""
    since: defaultdict[Lane, list[datetime]] = defaultdict(list)
    for each in known:
        for lane in each.unapplied:
            since[lane].append(each.decided)
    yield family(table.UNAPPLIED, {(shard, lane.value): len(since[lane]) for lane in Lane})
    ages = {lane: now - min(since[lane], default=now) for lane in _TIMED}
    yield family(
        table.UNAPPLIED_AGE,
        {(shard, lane.value): max(age, timedelta(0)).total_seconds() for lane, age in ages.items()},
    )


def _label(rank: Rank) -> tuple[str]:
    return (rank.name.lower(),)


def _count(found: Mapping[Rank, Overdue], rank: Rank) -> int:
    return found[rank].count if rank in found else 0


def _age(found: Mapping[Rank, Overdue], rank: Rank, now: datetime) -> float:
    """Seconds for which the first of a rank has waited; 0 without one."""
    return max(0.0, (now - found[rank].since).total_seconds()) if rank in found else 0.0
