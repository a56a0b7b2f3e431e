"""What one installation is in charge of: a Redis holds the state of one alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ALL: Final = "*"
"""All namespaces."""

UNKNOWN: Final = "?"
"""A cluster that could not be told from others."""

REMEDY: Final = (
    "give each installation a Redis of its own, or another database number in --redis-url; one "
    "that takes the place of another begins when that has ended"
)


@dataclass(frozen=True, slots=True)
class Realm:
    """The watched namespace, or `ALL`, and the cluster, by something that is unique to it."""

    namespaces: str = ALL
    cluster: str = UNKNOWN

    def __str__(self) -> str:
        return f"{self.namespaces}@{self.cluster}"

    @classmethod
    def of_holder(cls, holder: str) -> Realm | None:
        """The one that a leader's name ends with; None for a leader of an earlier release."""
        namespaces, at, cluster = holder.rpartition(" ")[2].partition("@")
        return cls(namespaces, cluster) if at and " " in holder else None

    def objection(self, theirs: Realm | None) -> str:
        """Why this one may not share a Redis with `theirs`; empty where both are the same."""
        if theirs is None:
            return ""
        if self.namespaces != theirs.namespaces:
            ours, other = (f"namespaces {each.namespaces}" for each in (self, theirs))
            return f"this Redis is that of an installation for {other}, not {ours}: {REMEDY}"
        if self.cluster != theirs.cluster and UNKNOWN not in {self.cluster, theirs.cluster}:
            return f"this Redis is that of an installation on another cluster: {REMEDY}"
        return ""
