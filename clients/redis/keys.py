"""Every key Coalmine keeps in Redis: one table, and the only place where keys are built.

The keys of one canary share the hash tag `{namespace/name}`. A row is permanent only when losing
it would lose something; permanent rows of a canary end with forget.lua. The table is printed
to docs/redis-keys.md by `python -m clients.redis.keys`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from config.refs import CanaryRef

PREFIX: Final = "coalmine:"

_CANARY: Final = "NAMESPACE/NAME"
_DIGEST: Final = "DIGEST"


KeyType = Literal["string", "hash", "stream", "zset"]
"""What Redis answers to TYPE."""


class Lifetime(StrEnum):
    """How a key ends."""

    EXPIRES = "expires"
    """Has a TTL from its first moment on."""
    FORGOTTEN = "until the canary is forgotten"
    PERMANENT = "permanent"


@dataclass(frozen=True)
class Row:
    """One kind of key; `pattern` is the key with its variable part, if any, in capitals."""

    pattern: str
    type: KeyType
    lifetime: Lifetime
    meaning: str

    def of(self, ref: CanaryRef | None) -> str:
        """The key of one canary; the same for all of them where there is only one."""
        return self.pattern.replace(_CANARY, str(ref))

    def named(self, digest: str) -> str:
        """The key of one thing that is known by a digest."""
        return self.pattern.replace(_DIGEST, digest)

    def around(self) -> tuple[str, str]:
        """What stands before and after `namespace/name`, for scripts that meet canaries by name."""
        before, after = self.pattern.split(_CANARY)
        return before, after


def _of_canary(
    part: str, kind: KeyType, meaning: str, lifetime: Lifetime = Lifetime.FORGOTTEN
) -> Row:
    return Row(f"{PREFIX}{{{_CANARY}}}:{part}", kind, lifetime, meaning)


STATE: Final = _of_canary(
    "state",
    "hash",
    "Rollout state: `version`, `json`, `uid` of the Canary object, and `by`, the token and version "
    "that committed it. Written by commit.lua alone.",
)
CONFIRMED: Final = _of_canary(
    "confirmed",
    "hash",
    "What has been brought about: `uid`, the numbers `route_seq`, `workload_seq`, "
    "`status_version`, what the lanes add, and `v`, the layout. Never goes back. See "
    "`clients/documents/confirmed.py`.",
)
WORLD: Final = _of_canary(
    "world",
    "hash",
    "Projections of the observed objects: role to canonical JSON, and `v`, the layout. See "
    "`clients/documents/world.py`.",
)
CALLS: Final = _of_canary(
    "calls",
    "hash",
    "The webhooks of one `round`: digest to the answer as JSON, or to `<nonce> <expiry ms>` of the "
    "worker that calls it.",
    Lifetime.EXPIRES,
)
TIMELINE: Final = _of_canary(
    "timeline",
    "stream",
    "What was decided and why, one JSON `entry` per commit, about the last 200; of a wait that "
    "goes on the last of each kind, which `again` tells.",
)
NOTICES: Final = _of_canary(
    "notices",
    "hash",
    "What is yet to be told: id to JSON, and `delivered:<channel>` to the last id it has told.",
)
FIRING: Final = _of_canary(
    "firing",
    "hash",
    "What fires at Alertmanagers: account to `<ms of the last push> <alert> …`. It outlives its "
    "canary, whose end they are told then.",
    Lifetime.EXPIRES,
)
TALLY: Final = _of_canary(
    "tally",
    "hash",
    "What is counted for Prometheus: rollouts that ended, durations of analyses, and the last "
    "values of the checks. See `clients/documents/tally.py`.",
)
LEASES: Final = {
    work: _of_canary(
        work,
        "string",
        f"Who has the {job}: `<fencing token>-<epoch>-<nonce> <expiry ms> <run wanted at ms, or "
        "->`. Saves work; correctness rests on versions.",
        Lifetime.EXPIRES,
    )
    for work, job in (
        ("tick", "analysis tick, beginning with `queued` while its message waits"),
        ("route", "route lane"),
        ("workload", "workload lane"),
        ("status", "status lane"),
        ("tell", "event hooks"),
        ("alert", "alerts"),
    )
}
"""The work leases by `records.Work`."""
TICK: Final = LEASES["tick"]

AGENDA: Final = Row(
    f"{PREFIX}agenda",
    "zset",
    Lifetime.PERMANENT,
    "When each canary is looked at next: `namespace/name` by rank (`config/ranks.py`) times 10^15 "
    "plus due time in ms.",
)
QUEUE: Final = Row(
    f"{PREFIX}queue",
    "zset",
    Lifetime.EXPIRES,
    "The canaries whose ticks wait in the queue: `namespace/name` by rank times 10^15 plus the ms "
    "at which the message counts as lost.",
)
FENCE: Final = Row(
    f"{PREFIX}fence",
    "string",
    Lifetime.PERMANENT,
    "The last fencing token: the server's time in µs, or one more than the last if that is more, "
    "so tokens grow even when this key is lost.",
)
EPOCH: Final = Row(
    f"{PREFIX}epoch",
    "string",
    Lifetime.PERMANENT,
    "`<pending or confirmed> <number> <replication id>`, the first once for each shard. Written by "
    "the leaders, who confirm when everything is stored; nothing is decided without, or when the "
    "server has another replication id: it was emptied, restarted or failed over since.",
)
LEADER: Final = Row(
    f"{PREFIX}lease:beat",
    "string",
    Lifetime.EXPIRES,
    "Which processes store the worlds and have ticks queued, one for each shard: lines of "
    "`<fencing token> <expiry ms> <shard> <holder> <namespace or *>@<uid of the cluster or ?>`. "
    "All are of one number of shards, and of one installation.",
)
LEAPS: Final = Row(
    f"{PREFIX}leaps",
    "string",
    Lifetime.PERMANENT,
    "By how much the server's clock has leapt, in ms: `<last now> <sum of all leaps> <the last "
    "one> <when it was noticed>`. What was stored before a leap is read as if it had been no leap.",
)
QUERY: Final = Row(
    f"{PREFIX}query:{_DIGEST}",
    "string",
    Lifetime.EXPIRES,
    "A metric query by the digest of server and text: `?` while somebody asks, for no longer than "
    "a query may take; then its number, or that there is none, for half a second.",
)
PACE: Final = Row(
    f"{PREFIX}pace:{_DIGEST}",
    "hash",
    Lifetime.EXPIRES,
    "How fast alerts are posted to an address, by a slow digest of it, in ms: `ready`, when the "
    "next may be; `free` and `late`, the next turns for those who come first and who come again; "
    "`closed` until after `failures` in a row. See `clients/redis/paces.py`.",
)
TURNS: Final = Row(
    f"{PREFIX}turns:{_DIGEST}",
    "zset",
    Lifetime.EXPIRES,
    "Who waits for a turn at that address: `namespace/name` by the ms of it.",
)
GATES: Final = Row(
    f"{PREFIX}gates",
    "hash",
    Lifetime.PERMANENT,
    "The gates of the load tester: kind, namespace and name as a JSON list, to JSON with `open`, "
    "who, when and why. At most 20,000: of more, those closed for longest are forgotten.",
)

TABLE: Final = (
    STATE,
    CONFIRMED,
    WORLD,
    CALLS,
    TIMELINE,
    NOTICES,
    FIRING,
    TALLY,
    *LEASES.values(),
    AGENDA,
    QUEUE,
    FENCE,
    EPOCH,
    LEADER,
    LEAPS,
    QUERY,
    PACE,
    TURNS,
    GATES,
)

OF_CANARY: Final = tuple(row for row in TABLE if _CANARY in row.pattern)
DROPPED: Final = tuple(row for row in OF_CANARY if row is not FIRING)
"""Those that go with their canary at once."""


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


if __name__ == "__main__":
    sys.stdout.write(markdown())
