"""How many canaries travel together: one number, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

T = TypeVar("T")

MOST: Final = 100
"""In one job: far fewer than it does within the leases that they get at once. In one round trip:
about a MiB, and some ms in which Redis serves nobody else."""

LEAST: Final = MOST // 2
"""In one job, if so many are due: enough to make a message and a query cheap."""

CALLED: Final = MOST // 2
"""Webhooks in one job: a worker that dies takes no more along, and others get theirs."""

WRITTEN: Final = MOST // 4
"""In one job that has all of them written: some requests each, which take their turn at the API
server while the leases run, and are to be shared among workers."""

SHOWN: Final = MOST // 10
"""In one message that asks for their statuses, unless no more come for a while."""

INITIALIZED: Final = MOST // 20
"""In one job of a lane while they are initialised: some thirty requests, a second of a process that
may make a hundred a second, after which its threads are free for what is more urgent."""


def parts(whole: Iterable[T], size: int) -> Iterator[list[T]]:
    """`whole` in parts of `size`, in order."""
    rest = iter(whole)
    while part := list(islice(rest, size)):
        yield part
