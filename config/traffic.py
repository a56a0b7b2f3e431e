"""How traffic is, or should be, divided: what rules decide, routers write and reports show.

Pure values, shared by every layer above; what a split becomes in a mesh is `routing`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

TOTAL_WEIGHT: Final = 100
"""Percent; the weights of one route always add up to it."""


@dataclass(frozen=True, slots=True)
class TrafficSplit:
    """Percent of requests per side; `primary + canary` is always 100.

    `mirrored` sends a copy of the primary's requests to the canary, whose replies are dropped.

    Raises ValueError for weights outside 0..100 or that do not add up.
    """

    primary: int
    canary: int
    mirrored: bool = False

    def __post_init__(self) -> None:
        """Refuse a split that no mesh should ever see."""
        if min(self.primary, self.canary) < 0 or self.primary + self.canary != TOTAL_WEIGHT:
            message = f"weights {self.primary}/{self.canary}: allowed are 0..100 adding up to 100"
            raise ValueError(message)

    @classmethod
    def of(cls, canary_weight: int, *, mirrored: bool = False) -> TrafficSplit:
        """The split that gives the canary `canary_weight` percent."""
        return cls(TOTAL_WEIGHT - canary_weight, canary_weight, mirrored)

    def __str__(self) -> str:
        """`primary/canary`, with `+mirror` while requests are mirrored."""
        return f"{self.primary}/{self.canary}" + ("+mirror" if self.mirrored else "")


ALL_TO_PRIMARY: Final = TrafficSplit(TOTAL_WEIGHT, 0)
ALL_TO_CANARY: Final = TrafficSplit(0, TOTAL_WEIGHT)


class RouteStage(StrEnum):
    """How much of a canary's traffic objects should exist."""

    SERVICES = "services"
    """The `-primary` and `-canary` Services only: the primary is not ready to be served from."""
    EXPOSED = "exposed"
    """The apex Service selects the primary as well, and the mesh objects exist."""


@dataclass(frozen=True, slots=True)
class RouteIntent:
    """The traffic a canary should have; `seq` grows with every change of mind.

    A writer confirms the `seq` it brought about, so late and repeated writes can be told apart.
    """

    seq: int
    stage: RouteStage
    split: TrafficSplit
