"""When the calls of a hook round are asked for again. Pure.

Hooks may wait for a worker as long as it takes, and be called as long as their manifest allows:
a worker that makes a call says so again and again. Only a call that nobody makes is asked for
again, since its message may be lost; should it not be, the second message finds the call taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from analysis.findings import HookCalls
from analysis.hooks import HookCall
from analysis.state import HookRound
from clients import backoff

LEASE: Final = timedelta(seconds=8)
"""For how long a worker may make a call without a sign of life, as with the other leases."""

LONGEST_PAUSE: Final = timedelta(minutes=1)
"""Between two messages about a call that waits: a long queue must not be made longer by them."""


def given_up_at(asked: HookRound) -> datetime:
    """When the messages of `asked` are taken for lost."""
    return asked.asked + backoff.doubling(asked.repeats + 1, LEASE, LONGEST_PAUSE)


def next_look(asked: HookRound, calls: Sequence[HookCall], known: HookCalls) -> datetime:
    """When the first of `calls` that has not answered is to be asked for again.

    A call that was taken since it was last asked for had its message: it is asked for again as
    soon as its worker is silent. `calls` has one that has not answered.
    """
    given_up = given_up_at(asked)
    taken = (known.taken.get(key, asked.asked) for key in unanswered(calls, known))
    return min(until if until > asked.asked else given_up for until in taken)


def unanswered(calls: Sequence[HookCall], known: HookCalls) -> tuple[str, ...]:
    """The keys of those of `calls` without an answer, in their order."""
    return tuple(call.key for call in calls if call.key not in known.answers)


def waiting(calls: Sequence[HookCall], known: HookCalls, now: datetime) -> tuple[str, ...]:
    """The keys of those of `calls` that nobody makes and that have not answered, in their order."""
    held = {key for key, until in known.taken.items() if until > now}
    return tuple(key for key in unanswered(calls, known) if key not in held)
