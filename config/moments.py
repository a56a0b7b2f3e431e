"""Moments in time: where counting begins, and the forms in which Redis and Kubernetes have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Where counting begins; as the time of something it says that nobody knows when that was."""

RFC3339: Final = "%Y-%m-%dT%H:%M:%SZ"
"""UTC, whole seconds."""

_MILLISECOND: Final = timedelta(milliseconds=1)


def rfc3339(moment: datetime) -> str:
    """`moment` as Kubernetes writes times."""
    return moment.astimezone(UTC).strftime(RFC3339)


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970 of an aware time. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"time {moment.isoformat()} has no time zone")
    return (moment - EPOCH) // _MILLISECOND


def at(since_1970: str | float) -> datetime:
    """The time so many milliseconds after 1970."""
    return EPOCH + int(since_1970) * _MILLISECOND
