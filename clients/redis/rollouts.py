"""The scripts about one canary, each still to be run: what is stored, decided, brought about.

Many travel in one round trip (`Door.run_all`), each atomic for itself. Leases save work but
guarantee nothing; the state changes by compare-and-set alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from clients.documents import calls, confirmed
from clients.documents import notice as notices
from clients.documents import world as worlds
from clients.documents.calls import HookResult
from clients.documents.confirmed import Confirmation, Lane
from clients.documents.world import World
from clients.redis import keys, scripts, snapshots
from clients.redis.records import Asked, Basis, Begun, Call, Commit, Kept, Snapshot, Work
from clients.redis.scripts import Invocation
from config import canonical
from config.ranks import Rank
from config.refs import CanaryRef

TIMELINE_LENGTH: Final = 200
"""About so many entries are kept of a timeline; Redis cuts whole blocks of about a hundred."""

ANSWERS_KEPT: Final = timedelta(days=1)
"""How long answers wait for a decision; hooks whose answers are gone are called again."""

MESSAGE_WAITS: Final = timedelta(seconds=5)
"""How long a message that follows the last answer may wait before it counts as lost."""

_STORED: Final = (keys.STATE, keys.CONFIRMED, keys.WORLD)
_COMMITTED: Final = (
    *(keys.STATE, keys.CONFIRMED, keys.TIMELINE, keys.NOTICES),
    *(keys.TICK, keys.AGENDA, keys.EPOCH, keys.TALLY),
)


def reading(ref: CanaryRef) -> Invocation[Snapshot]:
    """All that is stored about `ref`, without taking anything."""
    return Invocation("read", ref, (*_STORED, keys.LEAPS), (), partial(snapshots.decoded, ref))


def beginning(
    ref: CanaryRef, work: Work, ttl: timedelta, *, if_due: bool = False
) -> Invocation[Begun | None]:
    """The lease on `work`, and what is stored now that it is ours.

    None while another run has it: that one is asked to run again, and should it die, the canary is
    due when its lease ends. A run counts as dead after `ttl`; a tick that dies is followed by
    another then. With `if_due`, None also for a canary that is neither queued nor due, and for a
    lane from which nothing is wanted: whoever asked for this run has had one, however old the
    message. None as well while what is stored is not confirmed (see `store.Store`); the canary is
    due as soon as it is.
    """
    shared = (keys.AGENDA, keys.FENCE, keys.TICK, keys.EPOCH, keys.QUEUE)
    rows = (keys.LEASES[work], *_STORED, *shared, keys.NOTICES, keys.CALLS, keys.LEAPS)
    nonce = secrets.token_hex(4)
    unless = if_due and (work is Work.TICK or confirmed.SEQUENCES[Lane(work.value)])

    def decode(reply: Any) -> Begun | None:
        if not reply:
            return None
        token, stored, canaries, more, untold = reply
        snapshot, fields = snapshots.decoded(ref, stored), snapshots.by_field(more)
        if work is Work.TICK:
            is_untold = bool(int(untold))
            return Begun(str(token), snapshot, int(canaries), calls=fields, is_untold=is_untold)
        return Begun(str(token), snapshot, int(canaries), notices.untold(fields))

    return Invocation("begin", ref, rows, (ttl, ref, work.value, nonce, unless), decode)


def committing(ref: CanaryRef, commit: Commit) -> Invocation[int | None]:
    """The version that `commit` made, or None when nothing was changed.

    None means that the state is no longer the expected version, that a first state, or one of
    another Canary object, came with a tick lease that is lost, or that Redis failed over or lost
    something since that was taken. The tick lease stays as it is then: finish it. The same commit
    sent again with its token gives the same version again. The canary is due at `commit.due`, or
    earlier if it was poked since the tick lease was taken; without that lease a due time is only
    brought forward, and a tick that runs meanwhile is asked to run again.
    """

    def decode(reply: Any) -> int | None:
        return int(reply) if reply else None

    return Invocation("commit", ref, _COMMITTED, _arguments(ref, commit), decode)


def a_call(asked: Asked) -> Call:
    """A call that nobody else may make once it is taken."""
    return Call(asked.ref, asked.round, asked.key, secrets.token_hex(8))


def taking(call: Call, ttl: timedelta) -> Invocation[bool]:
    """Whether `call` is ours to make, for `ttl` from now; one that nobody makes is taken by it."""
    rows, given = (keys.CALLS, keys.STATE, keys.EPOCH), (call.round, call.key, call.nonce)
    return Invocation("take_call", call.ref, rows, (*given, ttl, ANSWERS_KEPT, call.ref), bool)


def answering(call: Call, answer: HookResult, others: Collection[str] = ()) -> Invocation[Kept]:
    """What has become of the answer to `call`.

    It is kept unless another has taken the call since, or its round is over. When the calls
    `others` of the round have answered as well, the canary counts as queued: the caller has it
    looked at, and should that come to nothing, it is due after `MESSAGE_WAITS`.
    """
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
    """Whether another run was asked for since the lease was taken; releases it.

    After a tick that run is already on the agenda; after other work the caller enqueues it.
    `due` is when to look at the canary next, and `rank` how urgent that is (None: as it was);
    given by other work than a tick it only brings the due time forward. It is now when Redis
    failed over or lost something meanwhile. Nothing happens, and the answer is False, when the
    lease is lost; but notices of `uid` that were `told` are dropped.
    """
    rows = (keys.LEASES[work], keys.AGENDA, keys.TICK, keys.EPOCH, keys.NOTICES, keys.STATE)
    return Invocation("finish", ref, rows, (ref, token, due, work.value, rank, uid, *told), bool)


def noting(ref: CanaryRef, token: str, uid: str, channel: str, notice_id: str) -> Invocation[bool]:
    """Whether a channel is recorded to have all notices of `uid` up to this one.

    It is not when it has later ones, or when Redis failed over or lost something since the lease
    `token` was taken, which may be over by now.
    """
    rows = (keys.NOTICES, keys.STATE, keys.EPOCH)
    arguments = (ref, token, uid, notices.ACCOUNT + channel, notice_id)
    return Invocation("note_delivered", ref, rows, arguments, bool)


def confirming(
    ref: CanaryRef, news: Confirmation, basis: Basis, *, over: World | None = None, wake: bool
) -> Invocation[bool]:
    """Whether `news` were recorded, and the objects in them kept as a part of the world.

    Nothing is unless the state is about the same Canary object and says the same, and the
    lease is held still: what was done for another intent is not believed. What was recorded
    about an earlier object is dropped. Of the objects, one is not kept where something else is
    known by now than in `over`, the world they were computed from: a watcher knows better.
    `wake` makes the canary due.
    """
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
    """Those of `roles` whose object really changed; None: the roles that `world` has.

    A role that `world` does not have is deleted. A change to a role in `wake` makes the canary
    due so much later at the latest, in the same step: a watcher that dies afterwards has lost
    nothing. It is due now when the role is among `ours`, which our writer of workloads may have
    changed, but none is at work, and when a workload was known as it had been before our own
    last write. With `term`, that of the leader that stores, raises Conflict and changes nothing
    when that is over.
    """
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
    """Drops everything about `ref`, undelivered notices included.

    Raises Conflict, and drops nothing, when the leader's `term` is over.
    """
    rows = (keys.AGENDA, keys.LEADER, *keys.DROPPED)
    return scripts.for_leader("forget", ref, rows, (ref, term), bool)


def poking(
    ref: CanaryRef,
    at: datetime | None = None,
    *,
    rank: Rank = Rank.INITIALIZATION,
    term: int | None = None,
) -> Invocation[bool]:
    """Makes `ref` due at `at` (now if None) or earlier, also if a tick is running.

    A tick that begins between now and `at` may set another due time: it sees all there is.
    `rank` is of a canary that is not on the agenda; others keep theirs. Raises Conflict, and
    changes nothing, when the leader's `term` is over.
    """
    rows = (keys.TICK, keys.AGENDA, keys.LEADER)
    return scripts.for_leader("poke", ref, rows, (ref, term, at, rank), bool)


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
    added = commit.counted.additions
    return [
        ref,
        commit.expected,
        commit.floor,
        canonical.text(commit.state),
        str(commit.state.get("uid") or ""),
        commit.token,
        commit.due,
        None if commit.timeline is None else canonical.text(commit.timeline),
        TIMELINE_LENGTH,
        commit.again,
        commit.rank,
        commit.counted.text,
        len(added),
        *(part for field in added.items() for part in field),
        *(canonical.text(notices.encode(notice)) for notice in commit.notices),
    ]
