"""How fast all workers together post to each address: as fast as it takes, less after failures.

After a loss of Redis an address may get one burst, and refuse it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from hashlib import pbkdf2_hmac
from typing import Any, Final, NamedTuple

from clients.redis import keys, scripts
from clients.redis.scripts import Door, Invocation
from config.refs import CanaryRef

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=5)
"""Between two attempts at an address that fails: 1 s, 2 s, 4 s … and as long as it asks for."""

KEPT: Final = timedelta(minutes=15)
"""After which an address that nobody posts to is forgotten, and a turn that nobody came for."""

_ROUNDS: Final = 20_000
"""Some ten milliseconds, once for each address."""

_REMEMBERED: Final = 1024


class Turn(NamedTuple):
    """How long to wait for a turn; 0: it is now. The address has failed so often in a row."""

    wait: timedelta
    failures: int


class Paces:
    """The paces of all addresses; safe to share by threads, and by processes."""

    def __init__(self, door: Door) -> None:
        self._door: Final = door

    def turn(self, address: str, owner: CanaryRef, pace: timedelta = timedelta(0)) -> Turn:
        """The turn of `owner`, which keeps the one that it is told; the next is a `pace` later.

        Whoever has its turn says with `succeeded` or `failed` what came of it.
        """
        rows = _rows(address, keys.PACE, keys.TURNS)
        arguments = (owner, pace or None, KEPT)
        return self._door.run(Invocation("take_turn", None, rows, arguments, _turn))

    def succeeded(self, address: str) -> None:
        """A post was taken by an address that had failed."""
        (row,) = _rows(address, keys.PACE)
        with scripts.translated("recording a success"):
            self._door.client.hdel(row.pattern, "failures")

    def failed(self, address: str, asked: timedelta | None = None) -> timedelta:
        """How long nobody posts to an address that failed; it may have `asked` for a time."""
        arguments = (asked or None, FIRST_PAUSE, LONGEST_PAUSE, KEPT)
        return self._door.run(
            Invocation("back_off", None, _rows(address, keys.PACE), arguments, _span)
        )


@lru_cache(maxsize=_REMEMBERED)
def _mark(address: str) -> str:
    """What an address is known by: it may be secret, and short enough to be guessed in a hurry."""
    return pbkdf2_hmac("sha256", address.encode(), b"coalmine pace", _ROUNDS, 16).hex()


def _rows(address: str, *rows: keys.Row) -> tuple[keys.Row, ...]:
    return tuple(replace(row, pattern=row.named(_mark(address))) for row in rows)


def _span(reply: Any) -> timedelta:
    return timedelta(milliseconds=int(reply))


def _turn(reply: Sequence[Any]) -> Turn:
    return Turn(_span(reply[0]), int(reply[1]))
