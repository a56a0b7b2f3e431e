"""What has been brought about for one canary: the document `confirmed`.

Written by reconcilers, one `Confirmation` at a time, through `confirm.lua`, which believes only
what was brought about for the newest intent; read by decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import TypeAdapter

from clients.documents.world import PRIMARY, TARGET, Value, WorkloadView, World, resource_version

VERSION: Final = 1
"""Of the layout. Anything that an older reader would misread gets the next one."""


class Lane(StrEnum):
    """One kind of write, each with a single kind of worker behind it."""

    ROUTE = "route"
    WORKLOAD = "workload"
    STATUS = "status"


SEQUENCES: Final[Mapping[Lane, str]] = {
    Lane.ROUTE: "route_seq",
    Lane.WORKLOAD: "workload_seq",
    Lane.STATUS: "status_version",
}
"""The fields with the intent of each lane that is in force."""

_TROUBLE: Final = "trouble:"
_REFUSED: Final = "refused:"
_VERSION: Final = "version:"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What has been brought about for the Canary object `uid`, as its reconcilers confirmed it.

    `target_generation` and `primary_generation` are the spec generations that our own writes
    produced, of the objects `target_uid` and `primary_uid`: a view that shows less is older than
    what we did. `troubles` are what keeps lanes from finishing, in words for an event:
    these are tried again, also where their intent was in force once. The lanes in `refused` would
    be refused again, so that trying often only loads the API server.
    """

    route_seq: int = 0
    route_at: datetime | None = None
    workload_seq: int = 0
    target_generation: int = 0
    primary_generation: int = 0
    status_version: int = 0
    troubles: Mapping[Lane, str] = field(default_factory=dict)
    refused: frozenset[Lane] = frozenset()
    uid: str = ""
    target_uid: str = ""
    primary_uid: str = ""
    is_readable: bool = True
    """False for a document of another version: its emptiness says nothing."""

    @property
    def trouble(self) -> str:
        """What is to be told of the troubles, in words for an event; empty when there is nothing.

        That of the status lane is none of the rollout's: it is logged.
        """
        told = (Lane.ROUTE, Lane.WORKLOAD)
        return "\n".join(self.troubles[lane] for lane in told if lane in self.troubles)

    def sequence(self, lane: Lane) -> int:
        """The intent of `lane` that is in force."""
        number: int = getattr(self, SEQUENCES[lane])
        return number

    def about(self, uid: str) -> Confirmed:
        """This, if it is about the Canary object `uid`; else nothing was confirmed."""
        return self if self.uid == uid else Confirmed()

    def seeing(self, world: World) -> Confirmed:
        """This without the generations of objects that were deleted and made anew since."""
        kept = self
        if _is_another(world.target, self.target_uid):
            kept = replace(kept, target_generation=0)
        if _is_another(world.primary, self.primary_uid):
            kept = replace(kept, primary_generation=0)
        return kept

    def stale(self, world: World) -> frozenset[str]:
        """The roles of the workloads in `world` whose view is older than our own last write."""
        known = self.seeing(world)
        views = (
            (TARGET, world.target, known.target_generation),
            (PRIMARY, world.primary, known.primary_generation),
        )
        return frozenset(role for role, view, ours in views if view and view.generation < ours)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What one run of a lane adds: how far it has come, and what still keeps it.

    `seq` is the intent that is in force by now, and `at` since when; None leaves what is known, as
    does None for `trouble`. `written` and `observed` are objects as in an outcome.
    """

    lane: Lane
    seq: int | None = None
    at: datetime | None = None
    trouble: str | None = ""
    refused: bool = False
    written: Mapping[str, Value] = field(default_factory=dict)
    observed: Mapping[str, Value] = field(default_factory=dict)

    @property
    def world(self) -> World:
        """The objects as a part of the world."""
        return World.of({**self.observed, **self.written})


def encode(confirmation: Confirmation) -> dict[str, str]:
    """The fields of the hash to set."""
    lane, at, trouble = confirmation.lane, confirmation.at, confirmation.trouble
    known = confirmation.world
    generations = {
        f"{role}_{name}": str(getattr(view, name))
        for role, view in ((TARGET, known.target), (PRIMARY, known.primary))
        if view is not None
        for name in ("generation", "uid")
    }
    versions = {
        version_field(role): version
        for role, value in confirmation.written.items()
        if (version := resource_version(value))
    }
    refused = "1" if confirmation.refused else ""
    progress = {
        SEQUENCES[lane]: None if confirmation.seq is None else str(confirmation.seq),
        f"{lane}_at": at.isoformat() if at else None,
        f"{_TROUBLE}{lane}": trouble,
        f"{_REFUSED}{lane}": None if trouble is None else refused,
    }
    told = {name: value for name, value in progress.items() if value is not None}
    return {**told, **versions, **generations}


def decode(stored: Mapping[str, str], version: str | None) -> Confirmed:
    """What was confirmed under a layout `version`; UNREADABLE for anything else."""
    if stored and version != str(VERSION):
        return UNREADABLE
    troubles, refused = (_of_lanes(stored, prefix) for prefix in (_TROUBLE, _REFUSED))
    nested = {"troubles": troubles, "refused": frozenset(refused)}
    try:
        return _CONFIRMED.validate_python({**stored, **nested})
    except ValueError:
        return UNREADABLE


def version_field(role: str) -> str:
    """The field with the resourceVersion of our newest write to the object in `role`."""
    return f"{_VERSION}{role}"


def _of_lanes(stored: Mapping[str, str], prefix: str) -> dict[Lane, str]:
    return {lane: value for lane in Lane if (value := stored.get(f"{prefix}{lane}"))}


def _is_another(view: WorkloadView | None, uid: str) -> bool:
    return view is not None and bool(uid) and view.uid != uid


UNREADABLE: Final = Confirmed(is_readable=False)
_CONFIRMED: Final = TypeAdapter(Confirmed)
