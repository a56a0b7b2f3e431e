"""Times and spans as people read them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_SEVERAL: Final = {"d": 8, "h": 8, "m": 10}
"""From so many of a unit on, the next smaller one says nothing any more."""


def span(length: timedelta) -> str:
    """`length` in one or two units, such as 95s, 4m5s, 2h5m, 3d4h or 12d; never negative."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    for index, (unit, size) in enumerate(_UNITS):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            smaller, one = _UNITS[index + 1]
            part = rest // one
            return (
                f"{count}{unit}{part}{smaller}"
                if part and count < _SEVERAL[unit]
                else f"{count}{unit}"
            )
    raise AssertionError(seconds)


def since(then: datetime | None, now: datetime) -> str:
    """How long ago `then` was; empty when that is not known."""
    return span(now - then) if then else ""


def until(then: datetime, now: datetime) -> str:
    """In how long `then` is."""
    return f"in {span(then - now)}" if then > now else "now"


def clock(moment: datetime | None, now: datetime) -> str:
    """The time of day of `moment` in UTC, with the date unless it is that of `now`."""
    if moment is None:
        return ""
    told, today = moment.astimezone(UTC), now.astimezone(UTC)
    return told.strftime("%H:%M:%S" if told.date() == today.date() else "%Y-%m-%d %H:%M:%S")


def of(count: int, noun: str) -> str:
    """`count` of a `noun` whose plural ends in s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
