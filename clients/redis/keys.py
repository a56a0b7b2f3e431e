"""Every key Coalmine keeps in Redis: one table, and the only place where keys are built.

The keys of one canary share the hash tag `{namespace/name}`. A row is permanent only when losing
it would lose something; permanent rows of a canary end with `Store.forget`. The table is printed
to docs/redis-keys.md by `python -m clients.redis.keys`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from config.refs import CanaryRef

PREFIX: Final = "coalmine:"

_CANARY: Final = "NAMESPACE/NAME"
_LEADER: Final = "ROLE"

BEAT: Final = "beat"
"""The role of the leader that stores the worlds and has ticks queued."""


class KeyType(StrEnum):
    """What Redis answers to TYPE."""

    STRING = "string"
    HASH = "hash"
    STREAM = "stream"
    SORTED_SET = "zset"


class Lifetime(StrEnum):
    """How a key ends."""

    EXPIRES = "expires"
    """Has a TTL from its first moment on."""
    FORGOTTEN = "until the canary is forgotten"
    PERMANENT = "permanent"


@dataclass(frozen=True)
class Row:
    """One kind of key; `pattern` is the key with its variable part in capitals."""

    pattern: str
    type: KeyType
    lifetime: Lifetime
    meaning: str

    def of(self, ref: CanaryRef) -> str:
        """The key of one canary."""
        return self.pattern.replace(_CANARY, str(ref))

    def named(self, role: str) -> str:
        """The key of one leader role."""
        return self.pattern.replace(_LEADER, role)

    @property
    def only(self) -> str:
        """The key of a row that has just one."""
        return self.pattern

    def around(self) -> tuple[str, str]:
        """What stands before and after `namespace/name`, for scripts that meet canaries by name."""
        before, after = self.pattern.split(_CANARY)
        return before, after

    def canary(self, key: str) -> CanaryRef | None:
        """The canary whose key this is; None for a key of another row."""
        found = self._form.fullmatch(key)
        return CanaryRef.parse(found["canary"]) if found and self._is_of_canary else None

    def matches(self, key: str) -> bool:
        """Whether `key` is of this row."""
        return self._form.fullmatch(key) is not None

    @property
    def _is_of_canary(self) -> bool:
        return _CANARY in self.pattern

    @cached_property
    def _form(self) -> re.Pattern[str]:
        form = re.escape(self.pattern)
        form = form.replace(re.escape(_CANARY), "(?P<canary>[^/{}]+/[^/{}]+)")
        return re.compile(form.replace(_LEADER, ".+"))


def _of_canary(part: str, kind: KeyType, lifetime: Lifetime, meaning: str) -> Row:
    return Row(f"{PREFIX}{{{_CANARY}}}:{part}", kind, lifetime, meaning)


STATE: Final = _of_canary(
    "state",
    KeyType.HASH,
    Lifetime.FORGOTTEN,
    "Rollout state: `version`, `json`, `uid` of the Canary object, and `by`, the token and version "
    "that committed it. Written by commit.lua alone.",
)
CONFIRMED: Final = _of_canary(
    "confirmed",
    KeyType.HASH,
    Lifetime.FORGOTTEN,
    "What has been brought about: `uid`, the numbers `route_seq`, `workload_seq`, "
    "`status_version`, what the effects add, and `v`, the layout. Never goes back. See "
    "`clients/documents/confirmed.py`.",
)
WORLD: Final = _of_canary(
    "world",
    KeyType.HASH,
    Lifetime.FORGOTTEN,
    "Projections of the observed objects: role to canonical JSON, and `v`, the layout. See "
    "`clients/documents/world.py`.",
)
CALLS: Final = _of_canary(
    "calls",
    KeyType.HASH,
    Lifetime.EXPIRES,
    "The webhooks of one `round`: digest to the answer as JSON, or to `<nonce> <expiry ms>` of the "
    "worker that calls it.",
)
TIMELINE: Final = _of_canary(
    "timeline",
    KeyType.STREAM,
    Lifetime.FORGOTTEN,
    "What was decided and why, one JSON `entry` per commit, about the last 200.",
)
NOTICES: Final = _of_canary(
    "notices",
    KeyType.HASH,
    Lifetime.FORGOTTEN,
    "What is yet to be told: id to JSON, and `delivered:<channel>` to the last id it has told.",
)
_LEASE = (
    "Who has the {}: `<fencing token>-<epoch>-<nonce> <expiry ms> <run wanted at ms, or ->`. "
    "Saves work; correctness rests on versions."
)
TICK: Final = _of_canary(
    "tick",
    KeyType.STRING,
    Lifetime.EXPIRES,
    _LEASE.format("analysis tick") + " Begins with `queued` while its message waits.",
)
ROUTE: Final = _of_canary(
    "route", KeyType.STRING, Lifetime.EXPIRES, _LEASE.format("routing effect")
)
WORKLOAD: Final = _of_canary(
    "workload", KeyType.STRING, Lifetime.EXPIRES, _LEASE.format("workload effect")
)
STATUS: Final = _of_canary(
    "status", KeyType.STRING, Lifetime.EXPIRES, _LEASE.format("status effect")
)

AGENDA: Final = Row(
    f"{PREFIX}agenda",
    KeyType.SORTED_SET,
    Lifetime.PERMANENT,
    "When each canary is looked at next: `namespace/name` by due time in ms.",
)
FENCE: Final = Row(
    f"{PREFIX}fence",
    KeyType.STRING,
    Lifetime.PERMANENT,
    "The last fencing token: the server's time in µs, or one more than the last if that is more, "
    "so tokens grow even when this key is lost.",
)
EPOCH: Final = Row(
    f"{PREFIX}epoch",
    KeyType.STRING,
    Lifetime.PERMANENT,
    "`<pending or confirmed> <number> <replication id>`. Written by the leader, who confirms when "
    "everything is stored; nothing is decided without, or when the server has another replication "
    "id: it was emptied, restarted or failed over since.",
)
LEADER: Final = Row(
    f"{PREFIX}lease:{_LEADER}",
    KeyType.STRING,
    Lifetime.EXPIRES,
    "Which process leads: `<fencing token> <expiry ms> <holder>`.",
)

TABLE: Final = (
    STATE,
    CONFIRMED,
    WORLD,
    CALLS,
    TIMELINE,
    NOTICES,
    TICK,
    ROUTE,
    WORKLOAD,
    STATUS,
    AGENDA,
    FENCE,
    EPOCH,
    LEADER,
)

OF_CANARY: Final = tuple(row for row in TABLE if _CANARY in row.pattern)


def row_of(key: str) -> Row:
    """The row `key` belongs to.

    Raises LookupError naming a key that no row describes.
    """
    for row in TABLE:
        if row.matches(key):
            return row
    raise LookupError(f"no row of clients/redis/keys.py describes the key {key!r}")


def markdown() -> str:
    """The table as docs/redis-keys.md."""
    lines = [
        "# Keys in Redis",
        "",
        "<!-- Generated by `python -m clients.redis.keys`; do not edit. -->",
        "",
        "Every key Coalmine writes, from `clients/redis/keys.py`. The braces are part of the key:",
        "they are a hash tag. Celery's own keys (queues, results) are not listed.",
        "",
        "| Key | Type | Lifetime | Meaning |",
        "|---|---|---|---|",
        *(f"| `{row.pattern}` | {row.type} | {row.lifetime} | {row.meaning} |" for row in TABLE),
    ]
    return "\n".join(lines) + "\n"


def main(write: Callable[[str], object] = sys.stdout.write) -> None:
    """Prints the table."""
    write(markdown())


if __name__ == "__main__":
    main()
