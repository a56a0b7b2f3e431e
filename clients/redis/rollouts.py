"""One canary's part of the store: snapshot, decision, confirmation, projections."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from clients.redis import keys, scripts
from clients.redis.records import Begun, Commit, Snapshot, Work
from config.refs import CanaryRef

#: About so many entries are kept of a timeline; Redis cuts whole blocks of about a hundred.
TIMELINE_LENGTH: Final = 200

#: Fields of a confirmation that only grow.
SEQUENCES: Final = ("route_seq", "workload_seq", "status_version")

LEASES: Final[Mapping[Work, keys.Row]] = {
    Work.TICK: keys.TICK,
    Work.ROUTE: keys.ROUTE,
    Work.WORKLOAD: keys.WORKLOAD,
    Work.STATUS: keys.STATUS,
}


def canonical(value: Mapping[str, Any]) -> str:
    """JSON that is equal for equal values: sorted keys, no spaces. Raises ValueError for NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


class Rollouts(scripts.Door):
    """State by compare-and-set, with leases that save work but guarantee nothing."""

    def read(self, ref: CanaryRef) -> Snapshot:
        """All that is stored about `ref`, without taking anything."""
        return _snapshot(self._run("read", _stored(ref), []))

    def begin(self, ref: CanaryRef, work: Work, ttl: timedelta) -> Begun | None:
        """The lease on `work`, and what is stored now that it is ours; one round trip.

        None while another run has it: that one is asked to run again, and should it die, the
        canary is due when its lease ends. A run counts as dead after `ttl`; a tick that dies is
        followed by another then.
        """
        shared = [keys.AGENDA.only, keys.FENCE.only, keys.TICK.of(ref)]
        nonce = secrets.token_hex(4)
        arguments: list[str | int] = [scripts.span(ttl), str(ref), work.value, nonce]
        reply = self._run("begin", [LEASES[work].of(ref), *_stored(ref), *shared], arguments)
        return Begun(str(reply[0]), _snapshot(reply[1])) if reply else None

    def commit(self, ref: CanaryRef, commit: Commit) -> int | None:
        """The version that `commit` made, or None when nothing was changed; one round trip.

        None means that the state is no longer the expected version, or that a first state came
        with a tick lease that is lost. The tick lease stays as it is then: finish it. Sending the
        same commit with the same token again gives the same version again.

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
        the due time forward. Nothing happens, and the answer is False, when the lease is lost.
        """
        names = [LEASES[work].of(ref), keys.AGENDA.only, keys.TICK.of(ref)]
        given = scripts.optional_milliseconds(due)
        return bool(self._run("finish", names, [str(ref), token, given, work.value]))

    def confirm(self, ref: CanaryRef, uid: str, fields: Mapping[str, str], *, wake: bool) -> bool:
        """Whether `fields` were recorded as brought about for the Canary object `uid`.

        They are not when one of `SEQUENCES` is older than what is recorded, or when the state is
        about another object. Fields of an earlier object are dropped. `wake` makes the canary due.
        """
        growing = [name for name in SEQUENCES if name in fields]
        ordered = [*growing, *(name for name in fields if name not in SEQUENCES)]
        pairs = [part for name in ordered for part in (name, _whole(name, fields[name]))]
        names = [row.of(ref) for row in (keys.CONFIRMED, keys.STATE, keys.TICK)]
        arguments = [str(ref), uid, "1" if wake else "", len(growing), *pairs]
        return bool(self._run("confirm", [*names, keys.AGENDA.only], arguments))

    def put_world(
        self,
        ref: CanaryRef,
        changes: Mapping[str, Mapping[str, Any] | None],
        wake: Collection[str] = (),
        *,
        over: Mapping[str, Any] | None = None,
    ) -> frozenset[str]:
        """The roles whose JSON really changed; None deletes a role.

        A change to a role in `wake` makes the canary due, in the same step: a watcher that dies
        afterwards has lost nothing. With `over`, a world read before, a role that holds something
        else by now is left alone: a watcher knows better.
        """
        parts = [
            part
            for role, value in changes.items()
            for part in (role, _stored_as(value), _flag(role in wake), _expected(role, over))
        ]
        names = [keys.WORLD.of(ref), keys.TICK.of(ref), keys.AGENDA.only]
        return frozenset(self._run("put_world", names, [str(ref), *parts]))

    def forget(self, ref: CanaryRef) -> None:
        """Drops everything about `ref`, undelivered notices included."""
        with scripts.translated("forget"), self._client.pipeline(transaction=True) as pipeline:
            pipeline.delete(*(row.of(ref) for row in keys.OF_CANARY))
            pipeline.zrem(keys.AGENDA.only, str(ref))
            pipeline.execute()

    def refs(self) -> tuple[CanaryRef, ...]:
        """All canaries that have a state, sorted. Walks the whole key space: for tools only."""
        pattern = keys.STATE.of(CanaryRef("*", "*"))
        with scripts.translated("listing canaries"):
            found = [keys.STATE.canary(key) for key in self._client.scan_iter(pattern, count=1000)]
        return tuple(sorted({ref for ref in found if ref is not None}))


def _stored_as(value: Mapping[str, Any] | None) -> str:
    return "" if value is None else canonical(value)


def _expected(role: str, over: Mapping[str, Any] | None) -> str:
    return "" if over is None else "=" + _stored_as(over.get(role))


def _stored(ref: CanaryRef) -> list[str]:
    return [row.of(ref) for row in (keys.STATE, keys.CONFIRMED, keys.WORLD)]


def _committed(ref: CanaryRef) -> list[str]:
    rows = (keys.STATE, keys.CONFIRMED, keys.TIMELINE, keys.NOTICES, keys.TICK)
    return [*(row.of(ref) for row in rows), keys.AGENDA.only]


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
        *(canonical(notice) for notice in commit.notices),
    ]


def _snapshot(reply: Sequence[Any]) -> Snapshot:
    now, version, state, confirmed, world = reply
    return Snapshot(
        now=scripts.at(now),
        version=int(version),
        state=json.loads(state) if state else None,
        confirmed=_pairs(confirmed),
        world={role: json.loads(value) for role, value in _pairs(world).items()},
    )


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _flag(value: bool) -> str:  # noqa: FBT001 - its only meaning
    return "1" if value else ""


def _whole(name: str, value: str) -> str:
    if name in SEQUENCES and not value.isdecimal():
        raise ValueError(f"confirmation field {name}={value!r} is not a whole number")
    return value
