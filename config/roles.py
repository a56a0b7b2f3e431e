"""The roles of processes, and what of the set of them follows from each.

`coalmine up` reads this, and stays small for as long as its children run: hardly anything is
imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import Final


class Queue(StrEnum):
    """A queue, and the role of a worker that serves it; a worker may have several."""

    ANALYSIS = "analysis"
    """Ticks and workload writes: short, each of many canaries."""
    HOOKS = "hooks"
    """Webhooks: may take minutes, mostly wait; kept away from everything else."""
    ROUTING = "routing"
    """Traffic writes, under the only ServiceAccount that may make them."""
    REPORT = "report"
    """Status, events: may lag without harm."""


class Kubernetes(Enum):
    """What a role has to do with the API server."""

    UNUSED = auto()
    """It has no rights there, nor a token."""
    USED = auto()
    """Its work goes on while it is away."""
    NEEDED = auto()
    """All its work is there."""


@dataclass(frozen=True, slots=True)
class Role:
    """What follows from the role of a worker."""

    workers: str
    """What they are called in help."""
    processes: int
    """How many of them `coalmine up` runs when there is a process for each role."""
    kubernetes: Kubernetes


ROLES: Final[Mapping[Queue, Role]] = MappingProxyType(
    {
        Queue.ANALYSIS: Role("analysis workers", 2, Kubernetes.USED),
        Queue.HOOKS: Role("hook workers", 1, Kubernetes.UNUSED),
        Queue.ROUTING: Role("routing workers", 1, Kubernetes.NEEDED),
        Queue.REPORT: Role("report workers", 1, Kubernetes.NEEDED),
    }
)

BEAT: Final = "beat"
ALL: Final = (BEAT, *map(str, Queue))
"""The role of a beat, and those of workers."""


def of_kind(kubernetes: Kubernetes) -> frozenset[Queue]:
    """The roles of workers that have this to do with the API server."""
    return frozenset(queue for queue, role in ROLES.items() if role.kubernetes is kubernetes)
