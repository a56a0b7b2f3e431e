"""What goes into the store and what comes out: frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from clients.documents import tally
from clients.documents.confirmed import Confirmed
from clients.documents.leaps import NO_LEAPS, Leaps
from clients.documents.notice import NOTHING_UNTOLD, Notice, Untold
from clients.documents.tally import Counted, Tally
from clients.documents.world import World
from config import canonical
from config.ranks import Rank
from config.refs import CanaryRef
from config.shards import WHOLE, Shard


class Work(StrEnum):
    """The jobs of which each canary has at most one running."""

    TICK = "tick"
    ROUTE = "route"
    WORKLOAD = "workload"
    STATUS = "status"
    TELL = "tell"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is stored about one canary, read at one moment (`now`).

    `version` 0 means no state.
    """

    now: datetime
    version: int
    state: Mapping[str, Any] | None
    confirmed: Confirmed
    world: World
    leaps: Leaps = NO_LEAPS

    @property
    def is_readable(self) -> bool:
        """Whether both documents are of the layout known here; else they look empty."""
        return self.confirmed.is_readable and self.world.is_readable


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a confirmation rests on: it is void when any of this has changed.

    `uid` is of the Canary object, `part` a part of the state's JSON, such as an intent, as
    `part_of` gives it, `token` of the lane's lease.
    """

    uid: str
    part: str = ""
    token: str = ""


def part_of(state: Mapping[str, Any], field: str) -> str:
    """`field` of a state with its value, as it stands in the state's canonical JSON."""
    return f'"{field}":{canonical.text(state[field])}'


@dataclass(frozen=True, slots=True)
class Begun:
    """A work lease that is ours, and what was stored when we got it."""

    token: str
    snapshot: Snapshot
    canaries: int = 0
    """How many there are on the agenda."""
    untold: Untold = NOTHING_UNTOLD
    """What is yet to be told, for those who tell it."""
    is_untold: bool = False
    """Whether something is, for a tick."""
    calls: Mapping[str, str] = field(default_factory=dict)
    """The document `calls`, for a tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One decision, to become true at once or not at all."""

    expected: int
    """Version the decision was made from; 0 for a first state."""
    state: Mapping[str, Any]
    """JSON-ready; its text `uid`, if any, says which Canary object it is about."""
    timeline: Mapping[str, Any] | None = None
    again: str = ""
    """What the entry of the timeline repeats of a wait: it takes the place of the last of that."""
    notices: Sequence[Notice] = ()
    due: datetime | None = None
    """When to look again; None leaves the agenda as it is: due when the tick lease would end."""
    token: str | None = None
    """The tick lease to release."""
    floor: int = 0
    """The new version exceeds this too: the version a rebuilt state's Canary status shows."""
    rank: Rank | None = None
    """How urgent the next look is; None: as this one was."""
    counted: Counted = tally.NOTHING
    """What it adds to the figures of the canary."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What is due, each to be enqueued by whoever got this answer."""

    by_rank: Mapping[Rank, Sequence[CanaryRef]]
    """The most urgent first, and of one rank in the order in which they are to be enqueued."""
    canaries: int
    """How many there are on the agenda, of all shards."""
    busy: int
    """How many of them are not at rest."""
    confirmed: bool
    """Whether the leader has confirmed what is stored; see `store.Store`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a canary is: its tally, and how far its state is brought about.

    `state` as in a snapshot.
    """

    version: int
    state: Mapping[str, Any] | None
    confirmed: Confirmed
    tally: Tally


@dataclass(frozen=True, slots=True)
class Overdue:
    """Canaries of one rank that are due and have not been enqueued."""

    count: int
    since: datetime
    """When the first of them became due."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """A stretch of time for which the leader of a shard answers for what is stored of it."""

    number: int
    already_confirmed: bool
    """Whether nothing was lost since it was confirmed last."""
    shard: Shard = WHOLE


@dataclass(frozen=True, slots=True)
class Asked:
    """A webhook, `key`, that is to be called for a round; see `of_events` too."""

    ref: CanaryRef
    round: int
    """Its number, from 1."""
    key: str

    @staticmethod
    def of_events(ref: CanaryRef) -> Asked:
        """Has all event hooks of `ref` told: they belong to no round."""
        return Asked(ref, 0, "")

    @property
    def is_of_events(self) -> bool:
        """Whether it is that."""
        return not self.round


@dataclass(frozen=True, slots=True)
class Call(Asked):
    """The right to make a call, which `nonce` tells from everybody else's."""

    nonce: str


class Kept(IntEnum):
    """What has become of an answer."""

    NO = 0
    """Nothing: the call is another's by now, has answered, or its round is over."""
    ONE_OF_MANY = 1
    """It is kept, and others of its round are awaited."""
    LAST = 2
    """It is kept, and none is: the canary is to be looked at."""
