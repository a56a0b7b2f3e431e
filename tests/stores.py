"""The store as tests talk to it: each script by itself, which production runs in batches."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

from redis import Redis

from clients.documents import calls
from clients.documents import notice as notices
from clients.documents.calls import HookCalls
from clients.documents.notice import Untold
from clients.redis import keys, rollouts
from clients.redis.records import Asked, Call, Claimed
from clients.redis.scripts import Invocation
from clients.redis.store import SPAN, Store
from config.ranks import Rank
from config.refs import CanaryRef

P = ParamSpec("P")
T = TypeVar("T")


def _alone(make: Callable[P, Invocation[T]]) -> Callable[Concatenate[Store, P], T]:
    """Runs what `make` gives."""

    def run(store: Store, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return store.run(make(*args, **kwargs))

    return run


def everything(client: "Redis[bytes]") -> Iterator[tuple[str, str]]:
    """Every key of a server, and all it holds."""
    ways: dict[bytes, Callable[[bytes], object]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"stream": client.xrange,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
    }
    for key in client.scan_iter(count=1000):
        kind = client.type(key)  # type: ignore[no-untyped-call]
        if kind != b"none":  # it has expired meanwhile
            yield key.decode(), repr(ways[kind](key))


class DirectStore(Store):
    """A store whose scripts are methods, with what no process asks for."""

    begin = _alone(rollouts.beginning)
    commit = _alone(rollouts.committing)
    finish = _alone(rollouts.finishing)
    confirm = _alone(rollouts.confirming)
    put_world = _alone(rollouts.storing)
    forget = _alone(rollouts.forgetting)
    poke = _alone(rollouts.poking)

    note_delivered = _alone(rollouts.noting)

    renew_call = _alone(rollouts.taking)
    answer_call = _alone(rollouts.answering)

    def take_call(self, ref: CanaryRef, round_id: int, key: str, ttl: timedelta) -> Call | None:
        """The right to make call `key` for `ttl`; None when it is not to be made (any more)."""
        call = rollouts.a_call(Asked(ref, round_id, key))
        return call if self.renew_call(call, ttl) else None

    def calls(self, ref: CanaryRef, round_id: int) -> HookCalls:
        """How far the calls of a round are."""
        return calls.decode(self.client.hgetall(keys.CALLS.of(ref)), round_id)

    def undelivered(self, ref: CanaryRef) -> Untold:
        """What is yet to be told about `ref`, and by whom."""
        return notices.untold(self.client.hgetall(keys.NOTICES.of(ref)))

    def ranks(self) -> Mapping[CanaryRef, Rank]:
        """How urgent the next look at each canary on the agenda is."""
        entries: list[Any] = self.client.zrange(keys.AGENDA.pattern, 0, -1, withscores=True)
        return {CanaryRef.parse(member): Rank(int(score // SPAN)) for member, score in entries}


def given_out(claimed: Claimed) -> tuple[CanaryRef, ...]:
    """All that were given out, in order."""
    return tuple(ref for refs in claimed.by_rank.values() for ref in refs)
