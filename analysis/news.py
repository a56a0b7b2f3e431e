"""How soon a changed workload calls for a look: what decisions read of it, and what not. Pure.

Whoever watches sees every pod come and go; a decision waits for the last one to be ready, or for
the first one to be missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import IntEnum
from typing import Final, NamedTuple

from analysis import waiting
from analysis.observation import Workload


class News(IntEnum):
    """What a change of a watched object may be good for, from least to most."""

    NONE = 0
    """For nothing: the next look sees it."""
    TOLD = 1
    """For other words about what is waited for, or another end of the wait."""
    OURS = 2
    """For a decision, unless it is a write of our own: then its writer wakes by itself."""
    DECIDES = 3
    """For a decision."""


OWN_WRITES: Final = timedelta(seconds=0.5)
"""How long a change that may be our own is left alone: our writes are seen before their writers
have said so."""

WAKES_AFTER: Final[Mapping[News, timedelta]] = {
    News.TOLD: waiting.NEWS,
    News.OURS: OWN_WRITES,
    News.DECIDES: timedelta(0),
}
"""How long after a change a look is due at the latest; OURS while a writer of ours is at work."""


class _Read(NamedTuple):
    """What rules read of a workload, but for its revision."""

    is_zero: bool
    has_pods: bool
    is_ready: bool
    is_retriable: bool


def of_target(before: Workload | None, after: Workload | None, primary: Workload | None) -> News:
    """What it means that the target was as `before` and is as `after`, beside `primary`.

    Its revision is the user's. Its first pod helps where the primary has none.
    """
    is_needed = primary is None or not _read(primary).has_pods
    return _of(before, after, News.DECIDES, News.DECIDES if is_needed else News.TOLD)


def of_primary(before: Workload | None, after: Workload | None) -> News:
    """The same of the primary, which is made and given its revisions by us."""
    return _of(before, after, News.OURS, News.DECIDES)


def _of(before: Workload | None, after: Workload | None, revised: News, first_pod: News) -> News:
    """`revised` is what another revision means, `first_pod` what the first available one does."""
    if before is None or after is None:
        return News.NONE if before is after else revised if after else News.DECIDES
    was, now = _read(before), _read(after)
    changes = (
        (News.TOLD, (was, _words(before)) != (now, _words(after))),
        (revised, before.revision != after.revision),
        (first_pod, now.has_pods and not was.has_pods),
        (News.OURS, now.is_zero and not was.is_zero),
        (News.DECIDES, was.has_pods and not (now.has_pods or now.is_zero)),
        (News.DECIDES, now.is_ready and not was.is_ready),
        (News.DECIDES, was.is_retriable and not now.is_retriable),
    )
    return max((news for news, is_so in changes if is_so), default=News.NONE)


def _read(workload: Workload) -> _Read:
    is_zero = workload.replicas == 0
    has_pods = not is_zero and workload.available > 0
    ready = workload.readiness
    return _Read(is_zero, has_pods, has_pods and ready.ready, is_zero or ready.retriable)


def _words(workload: Workload) -> tuple[object, ...]:
    """What is told of a workload that is waited for, and how long that is."""
    return (workload.readiness.message, workload.patience_ends) if workload.replicas else ()
