"""How traffic is, or should be, divided: what rules decide, routers write and reports show.

Pure values, shared by every layer above; what a split becomes in a mesh is `routing`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

TOTAL_WEIGHT: Final = 100
"""Percent; the weights of one route always add up to it."""


class Feature(StrEnum):
    """What a split can ask of a mesh besides weights; the texts are fields of `spec.analysis`."""

    MATCH = "match"
    PINNED = "a_b_test"
    MIRROR = "mirror"
    AFFINITY = "sessionAffinity"


class Aspect(StrEnum):
    """What of a request is compared."""

    HEADER = "header"
    QUERY_PARAMETER = "queryParam"
    SOURCE_LABEL = "sourceLabel"


class Comparison(StrEnum):
    """How it is compared; the words are Istio's."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that is true of a request: its `aspect` called `name` compares with `text`."""

    aspect: Aspect
    name: str
    comparison: Comparison
    text: str


Match = tuple[Criterion, ...]
"""A choice of requests: those of which every criterion is true; in the order of `ordered`."""


def ordered(criteria: Iterable[Criterion]) -> Match:
    """The choice by these criteria: a route keeps no order of them."""
    return tuple(sorted(criteria, key=lambda each: (each.aspect, each.name)))


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copies of the primary's requests for the canary, whose replies are dropped.

    `percent` of the requests are copied, 1..100; None: what the mesh does by itself, which is all.
    """

    percent: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        if self.percent is not None and not 1 <= self.percent <= TOTAL_WEIGHT:
            raise ValueError(f"mirrored percent {self.percent}: allowed is 1..100")


@dataclass(frozen=True, slots=True)
class Affinity:
    """Cookies that keep users on the side they were first given, each as `name=value`.

    `canary` and `primary` are set and obeyed, `expired` is taken back; empty: there is none.
    """

    canary: str = ""
    primary: str = ""
    expired: str = ""

    def ended(self) -> Affinity:
        """No more cookies; the canary's last one is taken back from whoever has it."""
        return Affinity(expired=self.canary or self.expired)


@dataclass(frozen=True, slots=True)
class TrafficSplit:
    """Percent of requests per side; `primary + canary` is always 100.

    With `match` the weights are about the requests that it chooses, and all others go to the
    primary; requests that `pinned` chooses go to the canary whatever the weights. Of several
    matches one is enough.

    Raises ValueError for weights outside 0..100 or that do not add up.
    """

    primary: int
    canary: int
    match: tuple[Match, ...] = ()
    pinned: tuple[Match, ...] = ()
    mirror: Mirror | None = None
    affinity: Affinity | None = None

    def __post_init__(self) -> None:
        """Refuse a split that no mesh should ever see."""
        if min(self.primary, self.canary) < 0 or self.primary + self.canary != TOTAL_WEIGHT:
            message = f"weights {self.primary}/{self.canary}: allowed are 0..100 adding up to 100"
            raise ValueError(message)

    @classmethod
    def of(cls, canary_weight: int, *, mirror: Mirror | None = None) -> TrafficSplit:
        """The split that gives the canary `canary_weight` percent."""
        return cls(TOTAL_WEIGHT - canary_weight, canary_weight, mirror=mirror)

    @property
    def features(self) -> frozenset[Feature]:
        """What this split asks for besides weights.

        A cookie that is taken back is none of it: left out, it would lead nobody anywhere.
        """
        cookies = self.affinity or Affinity()
        asked = {
            Feature.MATCH: self.match,
            Feature.PINNED: self.pinned,
            Feature.MIRROR: self.mirror,
            Feature.AFFINITY: cookies.canary or cookies.primary,
        }
        return frozenset(feature for feature, value in asked.items() if value)

    @property
    def reaches_primary(self) -> bool:
        """Whether some requests lead to the primary."""
        return self.primary > 0 or bool(self.match)

    @property
    def reaches_canary(self) -> bool:
        """Whether some requests, or copies of them, lead to the canary."""
        return self.canary > 0 or bool(self.pinned) or self.mirror is not None

    def share_of(self, requests: Match | None) -> int:
        """Percent of these requests that the canary answers; None: those that nothing chooses.

        Copies count for nothing: the primary answers the requests that are copied.
        """
        if requests in self.pinned:
            return TOTAL_WEIGHT
        return self.canary if not self.match or requests in self.match else 0

    def gives_canary_more(self, before: TrafficSplit) -> bool:
        """Whether the canary answers some requests that the primary answered `before`.

        The primary answers more if it is the other way round; with other matches both may.
        """
        chosen = {*self.match, *self.pinned, *before.match, *before.pinned, None}
        return any(self.share_of(each) > before.share_of(each) for each in chosen)

    def weighing(self, canary_weight: int) -> TrafficSplit:
        """This split with `canary_weight` percent for the canary."""
        return replace(self, primary=TOTAL_WEIGHT - canary_weight, canary=canary_weight)

    def after(self, before: TrafficSplit) -> TrafficSplit:
        """This split as the successor of `before`, whose cookies it takes back unless it sets some.

        So that whoever sends all traffic to one side need not know that there were cookies.
        """
        if self.affinity is not None or before.affinity is None:
            return self
        return replace(self, affinity=before.affinity.ended())

    def __str__(self) -> str:
        """`primary/canary`, followed by `+` and each feature in use."""
        return "+".join([f"{self.primary}/{self.canary}", *sorted(self.features)])


ALL_TO_PRIMARY: Final = TrafficSplit(TOTAL_WEIGHT, 0)
ALL_TO_CANARY: Final = TrafficSplit(0, TOTAL_WEIGHT)


class RouteStage(StrEnum):
    """How much of a canary's traffic objects should exist."""

    SERVICES = "services"
    """The `-primary` and `-canary` Services only: the primary is not ready to be served from."""
    EXPOSED = "exposed"
    """The apex Service selects the primary as well, and the mesh objects exist."""
    REVERTED = "reverted"
    """What was a user's before leads where it led then; the rest is left to be collected."""


@dataclass(frozen=True, slots=True)
class RouteIntent:
    """The traffic a canary should have; `seq` grows with every change of mind.

    A writer confirms the `seq` it brought about, so late and repeated writes can be told apart.
    """

    seq: int
    stage: RouteStage
    split: TrafficSplit
