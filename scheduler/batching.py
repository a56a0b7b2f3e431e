"""What is due, divided into jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from config import batches as sizes
from config.ranks import Rank
from config.refs import CanaryRef

SHARES: Final = 4
"""Jobs into which many canaries are divided at least: there is one for each of some workers."""


class Batch(NamedTuple):
    """Canaries to be looked at in one job."""

    rank: Rank
    refs: Sequence[CanaryRef]


def batches(due: Mapping[Rank, Sequence[CanaryRef]]) -> list[Batch]:
    """What is `due`, in its order; each batch of one rank, so that nobody waits for less urgent.

    The more is due, the larger they are.
    """
    return [
        Batch(rank, some)
        for rank, refs in due.items()
        for some in sizes.parts(refs, _size(rank, len(refs)))
    ]


def _size(rank: Rank, count: int) -> int:
    if rank is Rank.INITIALIZATION:
        return sizes.WRITTEN
    return max(sizes.LEAST, min(sizes.MOST, count // SHARES))
