"""How many canaries travel in one job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from config.ranks import Rank
from config.refs import CanaryRef

LEAST: Final = 50
"""Canaries in one job, if so many are due: enough to make a message and a query cheap."""

MOST: Final = 100
"""Far fewer than one job does within the leases that its canaries get at once."""

SHARES: Final = 4
"""Jobs into which many canaries are divided at least: there is one for each of some workers."""

INITIALIZED_TOGETHER: Final = 25
"""Each is a dozen writes, which take their turn at the API server while the leases run."""


class Batch(NamedTuple):
    """Canaries to be looked at in one job."""

    rank: Rank
    refs: Sequence[CanaryRef]


def batches(due: Mapping[Rank, Sequence[CanaryRef]]) -> list[Batch]:
    """What is `due`, in its order; each batch of one rank, so that nobody waits for less urgent.

    The more is due, the larger they are.
    """
    return [
        Batch(rank, refs[start : start + _size(rank, len(refs))])
        for rank, refs in due.items()
        for start in range(0, len(refs), _size(rank, len(refs)))
    ]


def _size(rank: Rank, count: int) -> int:
    if rank is Rank.INITIALIZATION:
        return INITIALIZED_TOGETHER
    return max(LEAST, min(MOST, count // SHARES))
