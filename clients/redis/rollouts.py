"""One canary's part of the store: snapshot, decision, hook calls, confirmation, projections."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, partial
from types import MappingProxyType
from typing import Any, Final

from clients.documents import calls, confirmed
from clients.documents import notice as notices
from clients.documents import world as worlds
from clients.documents.calls import HookCalls, HookResult
from clients.documents.confirmed import Confirmation, Lane
from clients.documents.packed import canonical
from clients.documents.world import World
from clients.redis import keys, scripts
from clients.redis.records import Asked, Basis, Begun, Call, Commit, Kept, Snapshot, Work
from clients.redis.scripts import Invocation
from config.ranks import Rank
from config.refs import CanaryRef

log = logging.getLogger(__name__)

#: About so many entries are kept of a timeline; Redis cuts whole blocks of about a hundred.
TIMELINE_LENGTH: Final = 200

#: How long answers wait for a decision; hooks whose answers are gone are called again.
ANSWERS_KEPT: Final = timedelta(days=1)

#: How long a message that follows the last answer may wait before it counts as lost.
MESSAGE_WAITS: Final = timedelta(seconds=5)

#: Field of a document's hash with the version of its layout.
VERSION: Final = "v"

_STORED: Final = (keys.STATE, keys.CONFIRMED, keys.WORLD)
_COMMITTED: Final = (
    *(keys.STATE, keys.CONFIRMED, keys.TIMELINE, keys.NOTICES),
    *(keys.TICK, keys.AGENDA, keys.EPOCH),
)


class Rollouts(scripts.Door):
    """State by compare-and-set, with leases that save work but guarantee nothing."""

    def read(self, ref: CanaryRef) -> Snapshot:
        """All that is stored about `ref`, without taking anything."""
        return self.run(reading(ref))

    def begin(
        self, ref: CanaryRef, work: Work, ttl: timedelta, *, if_due: bool = False
    ) -> Begun | None:
        """The lease on `work`, and what is stored now that it is ours; one round trip.

        None while another run has it: that one is asked to run again, and should it die, the
        canary is due when its lease ends. A run counts as dead after `ttl`; a tick that dies is
        followed by another then. With `if_due`, None also for a canary that is neither queued nor
        due, and for a lane from which nothing is wanted: whoever asked for this run has had one,
        however old the message. None as well while what is stored is not confirmed (see
        `store.Store`); the canary is due as soon as it is.
        """
        return self.run(beginning(ref, work, ttl, if_due=if_due))

    def commit(self, ref: CanaryRef, commit: Commit) -> int | None:
        """The version that `commit` made, or None when nothing was changed; one round trip.

        None means that the state is no longer the expected version, that a first state, or one of
        another Canary object, came with a tick lease that is lost, or that Redis failed over or
        lost something since `begin`. The tick lease stays as it is then: finish it. The same commit
        sent again with its token gives the same version again. The canary is due at `commit.due`,
        or earlier if it was poked since the tick lease was taken; without that lease a due time is
        only brought forward, and a tick that runs meanwhile is asked to run again.
        """
        return self.run(committing(ref, commit))

    def take_call(self, ref: CanaryRef, round_id: int, key: str, ttl: timedelta) -> Call | None:
        """The right to make call `key` for `ttl`; None when it is not to be made (any more)."""
        call = a_call(Asked(ref, round_id, key))
        return call if self.renew_call(call, ttl) else None

    def renew_call(self, call: Call, ttl: timedelta) -> bool:
        """Whether `call` is still ours to make, for `ttl` from now."""
        return self.run(taking(call, ttl))

    def answer_call(self, call: Call, answer: HookResult, others: Collection[str] = ()) -> Kept:
        """What has become of the answer to `call`.

        It is kept unless another has taken the call since, or its round is over. When the calls
        `others` of the round have answered as well, the canary counts as queued: the caller has it
        looked at, and should that come to nothing, it is due after `MESSAGE_WAITS`.
        """
        return self.run(answering(call, answer, others))

    def calls(self, ref: CanaryRef, round_id: int) -> HookCalls:
        """How far the calls of a round are."""
        with scripts.translated("reading calls"):
            return calls.decode(self.client.hgetall(keys.CALLS.of(ref)), round_id)

    def finish(
        self,
        ref: CanaryRef,
        work: Work,
        token: str,
        due: datetime | None = None,
        rank: Rank | None = None,
    ) -> bool:
        """Whether another run was asked for since `begin`; releases the lease.

        After a tick that run is already on the agenda; after other work the caller enqueues it.
        `due` is when to look at the canary next, and `rank` how urgent that is (None: as it was);
        given by other work than a tick it only brings the due time forward. It is now when Redis
        failed over or lost something since `begin`.
        Nothing happens, and the answer is False, when the lease is lost.
        """
        return self.run(finishing(ref, work, token, due, rank))

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
        return self.run(confirming(ref, news, basis, over=over, wake=wake))

    def put_world(
        self,
        ref: CanaryRef,
        world: World,
        roles: Collection[str] | None = None,
        *,
        wake: Mapping[str, timedelta] = MappingProxyType({}),
        ours: Collection[str] = (),
        term: int | None = None,
    ) -> frozenset[str]:
        """Those of `roles` whose object really changed; None: the roles that `world` has.

        A role that `world` does not have is deleted. A change to a role in `wake` makes the canary
        due so much later at the latest, in the same step: a watcher that dies afterwards has lost
        nothing. It is due now when the role is among `ours`, which our writer of workloads may have
        changed, but none is at work, and when a workload was known as it had been before our own
        last write. With `term`, that of the leader that stores, raises Conflict and changes nothing
        when that is over.
        """
        return self.run(storing(ref, world, roles, wake=wake, ours=ours, term=term))

    def forget(self, ref: CanaryRef, *, term: int | None = None) -> None:
        """Drops everything about `ref`, undelivered notices included.

        Raises Conflict, and drops nothing, when the leader's `term` is over.
        """
        self.run(forgetting(ref, term=term))


def reading(ref: CanaryRef) -> Invocation[Snapshot]:
    """`Rollouts.read`, still to be made; as are the others below."""
    return Invocation("read", ref, _STORED, (), partial(_snapshot, ref))


def beginning(
    ref: CanaryRef, work: Work, ttl: timedelta, *, if_due: bool = False
) -> Invocation[Begun | None]:
    """See `Rollouts.begin`."""
    shared = (keys.AGENDA, keys.FENCE, keys.TICK, keys.EPOCH, keys.QUEUE)
    rows = (keys.LEASES[work], *_STORED, *shared, keys.NOTICES, keys.CALLS)
    nonce = secrets.token_hex(4)
    lane = None if work is Work.TICK else Lane(work.value)
    unless = (confirmed.SEQUENCES[lane] if lane else True) if if_due else None

    def decode(reply: Any) -> Begun | None:
        if not reply:
            return None
        token, stored, canaries, more, untold = reply
        snapshot, fields = _snapshot(ref, stored), _by_field(more)
        if work is Work.TICK:
            is_untold = bool(int(untold))
            return Begun(str(token), snapshot, int(canaries), calls=fields, is_untold=is_untold)
        return Begun(str(token), snapshot, int(canaries), notices.untold(fields))

    return Invocation("begin", ref, rows, (ttl, ref, work.value, nonce, unless), decode)


def committing(ref: CanaryRef, commit: Commit) -> Invocation[int | None]:
    """See `Rollouts.commit`."""

    def decode(reply: Any) -> int | None:
        return int(reply) if reply else None

    return Invocation("commit", ref, _COMMITTED, _arguments(ref, commit), decode)


def a_call(asked: Asked) -> Call:
    """A call that nobody else may make once it is taken."""
    return Call(asked.ref, asked.round, asked.key, secrets.token_hex(8))


def taking(call: Call, ttl: timedelta) -> Invocation[bool]:
    """See `Rollouts.renew_call`; a call that nobody makes is taken by it."""
    rows, given = (keys.CALLS, keys.STATE, keys.EPOCH), (call.round, call.key, call.nonce)
    return Invocation("take_call", call.ref, rows, (*given, ttl, ANSWERS_KEPT, call.ref), bool)


def answering(call: Call, answer: HookResult, others: Collection[str] = ()) -> Invocation[Kept]:
    """See `Rollouts.answer_call`."""
    rows, given = (keys.CALLS, keys.TICK, keys.AGENDA), (call.round, call.key, call.nonce)
    encoded = calls.encode(answer)
    arguments: list[scripts.Argument] = [call.ref, *given, encoded, MESSAGE_WAITS, *others]
    return Invocation("answer_call", call.ref, rows, arguments, Kept)


def finishing(
    ref: CanaryRef,
    work: Work,
    token: str,
    due: datetime | None = None,
    rank: Rank | None = None,
    *,
    told: Collection[str] = (),
    uid: str = "",
) -> Invocation[bool]:
    """See `Rollouts.finish`; notices of `uid` that were `told` are dropped, lease or not."""
    rows = (keys.LEASES[work], keys.AGENDA, keys.TICK, keys.EPOCH, keys.NOTICES, keys.STATE)
    return Invocation("finish", ref, rows, (ref, token, due, work.value, rank, uid, *told), bool)


def confirming(
    ref: CanaryRef, news: Confirmation, basis: Basis, *, over: World | None = None, wake: bool
) -> Invocation[bool]:
    """See `Rollouts.confirm`."""
    added = confirmed.encode(news)
    objects = worlds.encode(news.world)
    before = worlds.encode(over or World(), objects.keys())
    kept = ((role, text, before.get(role, "")) for role, text in objects.items())
    lease = keys.LEASES[news.lane]
    rows = (keys.CONFIRMED, keys.STATE, keys.WORLD, lease, keys.TICK, keys.AGENDA)
    head = (ref, basis.uid, basis.part, basis.token, wake)
    layouts = (confirmed.VERSION, worlds.VERSION, len(added))
    pairs = [part for row in (*added.items(), *kept) for part in row]
    return Invocation("confirm", ref, rows, (*head, *layouts, *pairs), bool)


def storing(
    ref: CanaryRef,
    world: World,
    roles: Collection[str] | None = None,
    *,
    wake: Mapping[str, timedelta] = MappingProxyType({}),
    ours: Collection[str] = (),
    term: int | None = None,
) -> Invocation[frozenset[str]]:
    """See `Rollouts.put_world`."""
    objects = worlds.encode(world, roles)
    after = {role: str(pause // timedelta(milliseconds=1)) for role, pause in wake.items()}
    parts = [
        part
        for role in (objects if roles is None else roles)
        for part in (role, objects.get(role, ""), after.get(role), role in ours)
    ]
    lease = keys.LEASES[Work.WORKLOAD]
    rows = (keys.WORLD, keys.TICK, keys.AGENDA, keys.LEADER, keys.CONFIRMED, lease)
    head = (ref, worlds.VERSION, term)
    return scripts.for_leader("put_world", ref, rows, (*head, *parts), frozenset)


def forgetting(ref: CanaryRef, *, term: int | None = None) -> Invocation[bool]:
    """See `Rollouts.forget`."""
    rows = (keys.AGENDA, keys.LEADER, *keys.OF_CANARY)
    return scripts.for_leader("forget", ref, rows, (ref, term), bool)


def comparing(ref: CanaryRef, roles: Collection[str]) -> Invocation[bool]:
    """Whether the objects in `roles`, as they are known now, are all as we last wrote them."""

    def decode(reply: Sequence[str | None]) -> bool:
        return all(
            known and worlds.version_of(role, known) == ours
            for role, known, ours in zip(roles, reply[::2], reply[1::2], strict=True)
        )

    fields = [part for role in roles for part in (role, confirmed.version_field(role))]
    return Invocation("compare", ref, (keys.WORLD, keys.CONFIRMED), fields, decode)


def _arguments(ref: CanaryRef, commit: Commit) -> list[scripts.Argument]:
    return [
        ref,
        commit.expected,
        commit.floor,
        canonical(commit.state),
        str(commit.state.get("uid") or ""),
        commit.token,
        commit.due,
        None if commit.timeline is None else canonical(commit.timeline),
        TIMELINE_LENGTH,
        commit.rank,
        *(canonical(notices.encode(notice)) for notice in commit.notices),
    ]


def _by_field(flat: Sequence[str]) -> dict[str, str]:
    """A hash as scripts answer with it: field, value, field, value."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _snapshot(ref: CanaryRef, reply: Sequence[Any]) -> Snapshot:
    now, version, state, *stored = reply
    brought_about, world = map(_by_field, stored)
    layouts = brought_about.pop(VERSION, None), world.pop(VERSION, None)
    snapshot = Snapshot(
        now=scripts.at(now),
        version=int(version),
        state=_parsed(ref, state) if state else None,
        confirmed=confirmed.decode(brought_about, layouts[0]),
        world=worlds.decode(world, layouts[1]),
    )
    if not snapshot.confirmed.is_readable:
        _say_unreadable(ref, keys.CONFIRMED, layouts[0])
    if not snapshot.world.is_readable:
        _say_unreadable(ref, keys.WORLD, layouts[1])
    return snapshot


def _parsed(ref: CanaryRef, state: str) -> Mapping[str, Any] | None:
    """The state; None for what is no JSON object: it is rebuilt from the status."""
    try:
        parsed = json.loads(state)
    except ValueError:
        parsed = None
    if isinstance(parsed, Mapping):
        return parsed
    _say_unreadable(ref, keys.STATE, None)
    return None


@cache  # once per document and process
def _say_unreadable(ref: CanaryRef, row: keys.Row, layout: str | None) -> None:
    extra = {"canary": ref.dotted, "key": row.of(ref), "layout": layout}
    log.warning("document unreadable, or of another layout: not read", extra=extra)
