"""Which namespaces are whose, where several leaders share out the watch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST: Final = 64
"""Shards of one installation: each watches the whole cluster, so that more would cost the API
server more than they spare a leader."""

FORM: Final = f"i/n, whole numbers with 0 <= i < n <= {MOST}, such as 0/3, 1/3 and 2/3"

_FACTOR: Final = 65_599
_PRIME: Final = 2**31 - 1
"""A product of both, and a byte, are exact in a double, which is all that Lua has."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` parts of all namespaces; printed as `index/count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def owns(self, namespace: str) -> bool:
        """Whether a namespace is in this part; each is in exactly one of `count`."""
        return number(namespace, self.count) == self.index

    @classmethod
    def parse(cls, text: str) -> Shard:
        """The shard written as `index/count`. Raises ValueError naming the text and `FORM`."""
        index, _, count = text.partition("/")
        if all(_is_whole(part) for part in (index, count)):
            shard = cls(int(index), int(count))
            if shard.index < shard.count <= MOST:
                return shard
        raise ValueError(f"{text!r} is no shard; allowed: {FORM}")


WHOLE: Final = Shard(0, 1)
"""The shard of a leader that watches everything."""


def number(namespace: str, count: int) -> int:
    """The index of the shard, of `count`, that a namespace is in; as `shard` in `lua/prelude.lua`.

    Its UTF-8 bytes as the digits of a number to base 65599, modulo 2^31 - 1, modulo `count`:
    always the same, in any process and any release.
    """
    total = 0
    for byte in namespace.encode("utf-8", "replace"):
        total = (total * _FACTOR + byte) % _PRIME
    return total % count


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(MOST))
