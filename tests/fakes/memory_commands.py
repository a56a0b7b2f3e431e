"""The commands that our scripts call most, at the data of a Redis in memory.

fakeredis parses and checks each call of a script as a server does what a client sends: that was
half of the time of a simulated rollout. Here are the same commands in the forms that our scripts
use. Another form, another type of value and everything else is `NotHere`, and takes fakeredis' own
way. The contract tests of the store hold this, as all of it, to real servers.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from fakeredis._core import Database
from fakeredis._core._database import Item
from fakeredis.model import Hash, ZSet

V = TypeVar("V")

Reply = bytes | int | None | list["bytes | None"]
"""What a command gives; None is nil."""

Run = Callable[..., Reply]
"""A command: the database, then what stands after its name."""


class NotHere(Exception):
    """To be carried out by fakeredis itself; nothing was changed yet."""


def _item(db: Database, key: bytes) -> Any:
    """What is stored under a key, None if nothing is, or is no more."""
    item = db._dict.get(key)
    return None if item is None or db.expired(item) else item


def _value(db: Database, key: bytes, kind: type[V]) -> V | None:
    item = _item(db, key)
    if item is None:
        return None
    if type(item.value) is not kind:
        raise NotHere
    value: V = item.value
    return value


def _fields(db: Database, key: bytes) -> Mapping[bytes, bytes]:
    stored = _value(db, key, Hash)
    if stored is None:
        return {}
    if stored._expiry_heap:
        raise NotHere
    return stored._values


def _present(db: Database, key: bytes, kind: type[V]) -> V:
    """A value that will be changed in place; one that is yet to be made is not ours."""
    stored = _value(db, key, kind)
    if stored is None:
        raise NotHere
    db.notify_watch(key)
    return stored


def _get(db: Database, key: bytes) -> Reply:
    return _value(db, key, bytes)


def _set(db: Database, key: bytes, value: bytes, *options: bytes) -> Reply:
    match options:
        case ():
            ends = None
        case (b"KEEPTTL",):
            item = _item(db, key)
            ends = item and item.expireat
        case (b"PX", span) if int(span) > 0:
            ends = db.time + int(span) / 1000
        case _:
            raise NotHere
    fresh = Item(value)
    fresh.expireat = ends
    db[key] = fresh
    db.notify_watch(key)
    return b"OK"


def _hget(db: Database, key: bytes, field: bytes) -> Reply:
    return _fields(db, key).get(field)


def _hmget(db: Database, key: bytes, *fields: bytes) -> Reply:
    stored = _fields(db, key)
    return [stored.get(field) for field in fields]


def _hgetall(db: Database, key: bytes) -> Reply:
    return [part for pair in _fields(db, key).items() for part in pair]


def _hkeys(db: Database, key: bytes) -> Reply:
    return list(_fields(db, key))


def _hlen(db: Database, key: bytes) -> Reply:
    return len(_fields(db, key))


def _hset(db: Database, key: bytes, *pairs: bytes) -> Reply:
    if not pairs or len(pairs) % 2:
        raise NotHere
    _fields(db, key)
    values = _present(db, key, Hash)._values
    before = len(values)
    values.update(zip(pairs[::2], pairs[1::2], strict=True))
    return len(values) - before


def _zscore(db: Database, key: bytes, member: bytes) -> Reply:
    stored = _value(db, key, ZSet)
    score = None if stored is None else stored.get(member)
    return None if score is None else b"%.17g" % score


def _zcard(db: Database, key: bytes) -> Reply:
    return len(_value(db, key, ZSet) or ())


def _zcount(db: Database, key: bytes, least: bytes, most: bytes) -> Reply:
    stored = _value(db, key, ZSet)
    return stored.zcount(_bound(least), _bound(most, last=True)) if stored else 0  # type: ignore[arg-type]


def _bound(text: bytes, *, last: bool = False) -> tuple[float, bytes]:
    """Where the entries from a score on begin; or, of the `last` score, where those beyond do."""
    is_open = text.startswith(b"(")
    score = float(text[is_open:])
    return (math.nextafter(score, math.inf) if is_open is not last else score, b"")


def _zadd(db: Database, key: bytes, *pairs: bytes) -> Reply:
    if not pairs or len(pairs) % 2:
        raise NotHere
    try:
        scores = [float(score) for score in pairs[::2]]
    except ValueError:
        raise NotHere from None
    stored = _present(db, key, ZSet)
    before = len(stored)
    for member, score in zip(pairs[1::2], scores, strict=True):
        stored.add(member, score)
    return len(stored) - before


def _zremrangebyscore(db: Database, key: bytes, least: bytes, most: bytes) -> Reply:
    if _zcount(db, key, least, most):
        raise NotHere
    return 0


def _time(db: Database) -> Reply:
    seconds, micros = divmod(time.time_ns() // 1000, 10**6)
    return [b"%d" % seconds, b"%d" % micros]


COMMANDS: Final[Mapping[bytes, Run]] = {
    b"GET": _get,
    b"SET": _set,
    b"HGET": _hget,
    b"HMGET": _hmget,
    b"HGETALL": _hgetall,
    b"HKEYS": _hkeys,
    b"HLEN": _hlen,
    b"HSET": _hset,
    b"ZSCORE": _zscore,
    b"ZCARD": _zcard,
    b"ZCOUNT": _zcount,
    b"ZADD": _zadd,
    b"ZREMRANGEBYSCORE": _zremrangebyscore,
    b"TIME": _time,
}
