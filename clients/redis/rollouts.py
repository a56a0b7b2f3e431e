"""One canary's part of the store: snapshot, decision, confirmation, projections."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from clients.documents import confirmed
from clients.documents import notice as notices
from clients.documents import world as worlds
from clients.documents.confirmed import Confirmation
from clients.documents.world import World, canonical
from clients.redis import keys, scripts
from clients.redis.records import Basis, Begun, Commit, Snapshot, Work
from config.refs import CanaryRef

#: About so many entries are kept of a timeline; Redis cuts whole blocks of about a hundred.
TIMELINE_LENGTH: Final = 200

#: Field of a document's hash with the version of its layout.
VERSION: Final = "v"

LEASES: Final[Mapping[Work, keys.Row]] = {
    Work.TICK: keys.TICK,
    Work.ROUTE: keys.ROUTE,
    Work.WORKLOAD: keys.WORKLOAD,
    Work.STATUS: keys.STATUS,
}


class Rollouts(scripts.Door):
    """State by compare-and-set, with leases that save work but guarantee nothing."""

    def read(self, ref: CanaryRef) -> Snapshot:
        """All that is stored about `ref`, without taking anything."""
        return _snapshot(self._run("read", _stored(ref), []))

    def begin(
        self, ref: CanaryRef, work: Work, ttl: timedelta, *, if_due: bool = False
    ) -> Begun | None:
        """The lease on `work`, and what is stored now that it is ours; one round trip.

        None while another run has it: that one is asked to run again, and should it die, the
        canary is due when its lease ends. A run counts as dead after `ttl`; a tick that dies is
        followed by another then. With `if_due`, None also for a canary that is neither queued nor
        due: whoever asked for this run has had one, however old the message. None as well while
        what is stored is not confirmed (see `agenda.Agenda`); the canary is due as soon as it is.
        """
        shared = [keys.AGENDA.only, keys.FENCE.only, keys.TICK.of(ref), keys.EPOCH.only]
        nonce = secrets.token_hex(4)
        arguments: list[str | int] = [scripts.span(ttl), str(ref), work.value, nonce, _flag(if_due)]
        reply = self._run("begin", [LEASES[work].of(ref), *_stored(ref), *shared], arguments)
        return Begun(str(reply[0]), _snapshot(reply[1])) if reply else None

    def commit(self, ref: CanaryRef, commit: Commit) -> int | None:
        """The version that `commit` made, or None when nothing was changed; one round trip.

        None means that the state is no longer the expected version, that a first state came with
        a tick lease that is lost, or that Redis failed over or lost something since `begin`. The
        tick lease stays as it is then: finish it. Sending the same commit with the same token
        again gives the same version again.

        Where the tick lease was held, the canary is due at `commit.due`, or earlier if it was
        poked since. Without it, a due time is only brought forward, and a tick that runs
        meanwhile is asked to run again.
        """
        reply = self._run("commit", _committed(ref), _arguments(ref, commit))
        return int(reply) if reply else None

    def finish(self, ref: CanaryRef, work: Work, token: str, due: datetime | None = None) -> bool:
        """Whether another run was asked for since `begin`; releases the lease.

        After a tick that run is already on the agenda; after other work the caller enqueues it.
        `due` is when to look at the canary next; given by other work than a tick it only brings
        the due time forward. It is now when Redis failed over or lost something since `begin`.
        Nothing happens, and the answer is False, when the lease is lost.
        """
        names = [LEASES[work].of(ref), keys.AGENDA.only, keys.TICK.of(ref), keys.EPOCH.only]
        given = scripts.optional_milliseconds(due)
        return bool(self._run("finish", names, [str(ref), token, given, work.value]))

    def confirm(
        self,
        ref: CanaryRef,
        news: Confirmation,
        basis: Basis,
        *,
        over: World | None = None,
        wake: bool,
    ) -> bool:
        """Whether `news` were recorded, and the objects in them kept as a part of the world.

        Nothing is unless the state is about the same Canary object and says the same, and the
        lease is held still: what was done for another intent is not believed. What was recorded
        about an earlier object is dropped. Of the objects, one is not kept where something else is
        known by now than in `over`, the world they were computed from: a watcher knows better.
        `wake` makes the canary due.
        """
        added = confirmed.encode(news)
        objects = worlds.encode(news.world)
        before = worlds.encode(over or World())
        kept = ((role, text, before.get(role, "")) for role, text in objects.items())
        rows = (keys.CONFIRMED, keys.STATE, keys.WORLD, LEASES[basis.work], keys.TICK)
        head = [str(ref), basis.uid, basis.part, basis.token, _flag(wake)]
        layouts = [str(confirmed.VERSION), str(worlds.VERSION), str(len(added))]
        pairs = [part for row in (*added.items(), *kept) for part in row]
        names = [*(row.of(ref) for row in rows), keys.AGENDA.only]
        return bool(self._run("confirm", names, [*head, *layouts, *pairs]))

    def put_world(
        self,
        ref: CanaryRef,
        world: World,
        roles: Collection[str] | None = None,
        *,
        wake: Collection[str] = (),
        term: int | None = None,
    ) -> frozenset[str]:
        """Those of `roles` whose object really changed; None: the roles that `world` has.

        A role that `world` does not have is deleted. A change to a role in `wake` makes the canary
        due, in the same step: a watcher that dies afterwards has lost nothing. With `term`, that of
        the leader that stores, raises Conflict and changes nothing when that is over.
        """
        objects = worlds.encode(world)
        parts = [
            part
            for role in (objects if roles is None else roles)
            for part in (role, objects.get(role, ""), _flag(role in wake))
        ]
        leader = keys.LEADER.named(keys.BEAT)
        names = [keys.WORLD.of(ref), keys.TICK.of(ref), keys.AGENDA.only, leader]
        arguments = [str(ref), worlds.VERSION, scripts.term_argument(term), *parts]
        return frozenset(self._run_for_leader("put_world", names, arguments))

    def forget(self, ref: CanaryRef, *, term: int | None = None) -> None:
        """Drops everything about `ref`, undelivered notices included.

        Raises Conflict, and drops nothing, when the leader's `term` is over.
        """
        names = [keys.AGENDA.only, keys.LEADER.named(keys.BEAT)]
        names += [row.of(ref) for row in keys.OF_CANARY]
        self._run_for_leader("forget", names, [str(ref), scripts.term_argument(term)])

    def refs(self) -> tuple[CanaryRef, ...]:
        """All canaries that have a state, sorted. Walks the whole key space: for tools only."""
        pattern = keys.STATE.of(CanaryRef("*", "*"))
        with scripts.translated("listing canaries"):
            found = [keys.STATE.canary(key) for key in self._client.scan_iter(pattern, count=1000)]
        return tuple(sorted({ref for ref in found if ref is not None}))


def _stored(ref: CanaryRef) -> list[str]:
    return [row.of(ref) for row in (keys.STATE, keys.CONFIRMED, keys.WORLD)]


def _committed(ref: CanaryRef) -> list[str]:
    rows = (keys.STATE, keys.CONFIRMED, keys.TIMELINE, keys.NOTICES, keys.TICK)
    return [*(row.of(ref) for row in rows), keys.AGENDA.only, keys.EPOCH.only]


def _arguments(ref: CanaryRef, commit: Commit) -> list[str | int]:
    return [
        str(ref),
        commit.expected,
        commit.floor,
        canonical(commit.state),
        str(commit.state.get("uid") or ""),
        commit.token or "",
        scripts.optional_milliseconds(commit.due),
        "" if commit.timeline is None else canonical(commit.timeline),
        TIMELINE_LENGTH,
        *(canonical(notices.encode(notice)) for notice in commit.notices),
    ]


def _snapshot(reply: Sequence[Any]) -> Snapshot:
    now, version, state, *stored = reply
    brought_about, world = map(_pairs, stored)
    return Snapshot(
        now=scripts.at(now),
        version=int(version),
        state=json.loads(state) if state else None,
        confirmed=confirmed.decode(brought_about, brought_about.pop(VERSION, None)),
        world=worlds.decode(world, world.pop(VERSION, None)),
    )


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _flag(value: bool) -> str:  # noqa: FBT001 - its only meaning
    return "1" if value else ""
