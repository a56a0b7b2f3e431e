"""Dividing whole requests by weights without losing any and without chance.

Each share is rounded so that the parts add up to the whole, and what rounding took from a part is
carried to the next time: after any number of divisions, a part is within one request of its exact
share for two parts, and within a few for many.
"""

from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

PARTS_PER_MILLION: Final = 1_000_000
"""The integer weights that stand for a share of 1."""

Part = TypeVar("Part", bound=Hashable)


class Apportionment(Generic[Part]):
    """Divides counts among parts, remembering the remainders; starts anew when weights change."""

    def __init__(self) -> None:
        """Nothing carried."""
        self._weights: Mapping[Part, int] = {}
        self._carried: dict[Part, int] = {}

    def divide(self, count: int, weights: Mapping[Part, int]) -> dict[Part, int]:
        """`count` divided by `weights` (non-negative, not all zero); parts of weight 0 get none.

        The parts of the result sum to `count`.
        """
        if weights != self._weights:
            self._weights = dict(weights)
            self._carried = dict.fromkeys(weights, 0)
        total = sum(weights.values())
        if total <= 0:
            raise ValueError(f"weights {dict(weights)} must sum to more than 0")
        due = {part: self._carried[part] + count * weight for part, weight in weights.items()}
        given = {part: max(0, credit // total) for part, credit in due.items()}
        self._level(given, due, count, total)
        self._carried = {part: due[part] - given[part] * total for part in due}
        return given

    def _level(
        self, given: dict[Part, int], due: Mapping[Part, int], count: int, total: int
    ) -> None:
        """Hand out (or take back) what rounding left, to whom it is owed most (least)."""

        def owed(part: Part) -> int:
            return due[part] - given[part] * total

        while sum(given.values()) < count:
            given[max((p for p in due if self._weights[p] > 0), key=owed)] += 1
        while sum(given.values()) > count:
            given[min((p for p in due if given[p] > 0), key=owed)] -= 1


def parts_per_million(share: float) -> int:
    """`share` (0 to 1) as an integer weight; a share above 0 never becomes 0."""
    return max(round(share * PARTS_PER_MILLION), 1 if share > 0 else 0)
