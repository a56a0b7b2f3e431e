"""When the next analysis is due: steady, never shortened, and not everybody's at once."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final

from config import moments
from config.refs import CanaryRef

SLOT: Final = 0.05
"""Share of an interval between two moments at which checks are due: those of many canaries fall
together, and are made in one job. A rollout may take 5 % longer than its intervals add up to, which
is what one of a single step spends here. The whole is a multiple of it, so that canaries stay in
their slots."""

TOLERANCE: Final = 0.1
"""Share of an interval by which a check may be late, or a route in force late, without the next
check being moved: beyond it a revision would be judged on traffic it barely had."""


LATEST: Final = 1 + 2 * TOLERANCE
"""Resyncs after which every canary has been looked at again, however they were spread."""

RESTING_PER_SECOND: Final = 2.0
"""Canaries at rest that are looked at, of all together: what is done against faults that nobody
was told of must not cost the more, the more canaries there are at which nothing happens."""

RESTING_SLOT: Final = timedelta(seconds=10)
"""Between two moments at which canaries at rest are due: those of one are looked at in one job."""


def resync(shortest: timedelta, canaries: int) -> timedelta:
    """Time between two looks at a canary at rest, one of so many."""
    return max(shortest, timedelta(seconds=canaries / RESTING_PER_SECOND))


def at_rest(ref: CanaryRef, now: datetime, resync: timedelta) -> datetime:
    """When a canary at rest is looked at next: spread by its name, and at a slot."""
    whole = now + resync + offset(ref, resync * TOLERANCE)
    return whole + (moments.EPOCH - whole) % min(RESTING_SLOT, resync * TOLERANCE)


def offset(ref: CanaryRef, period: timedelta) -> timedelta:
    """A share of `period`, 0 <= offset < period, that is always the same for `ref`."""
    return period * (_number(ref) / 2**64)


def turn(ref: CanaryRef, turns: int) -> int:
    """Which of so many turns is that of `ref`, 0 <= turn < turns; always the same."""
    return _number(ref) % turns


def _number(ref: CanaryRef) -> int:
    digest = hashlib.sha256(str(ref).encode()).digest()
    return int.from_bytes(digest[:8], "big")


def first_check(now: datetime, interval: timedelta) -> datetime:
    """When a rollout that takes its first step `now` is measured first: at the next slot."""
    whole = now + interval
    return whole + (moments.EPOCH - whole) % (interval * SLOT)


def next_check(due: datetime, now: datetime, interval: timedelta) -> datetime:
    """The check after the one that was due at `due` and is made `now`.

    Keeps the beat when about on time; a late check delays the ones after it instead of shortening
    what they measure.
    """
    late = now - due
    return (due if late <= interval * TOLERANCE else now) + interval


def plausible(check_at: datetime, now: datetime, longest: timedelta) -> datetime:
    """`check_at`, or `now` if nothing that goes by the present clock could have put it so far off.

    Nothing is planned for later than `longest` from now, the interval as a rule. Redis' clock may
    have been ahead for a while, and the interval may have been longer.
    """
    return check_at if check_at <= now + longest * (1 + SLOT + TOLERANCE) else now


def measurable_at(check_at: datetime, in_force_since: datetime, interval: timedelta) -> datetime:
    """When a split in force since `in_force_since` may be judged; not before `check_at`."""
    return max(check_at, in_force_since + interval * (1 - TOLERANCE))
