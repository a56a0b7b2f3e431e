"""What the work on one canary is made of: steps that ask for something and wait for the answer.

A script of Redis, a measurement, a call that takes time. `tasks.batch` carries out the work on
several canaries together; whoever writes the steps of one knows nothing of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from analysis.effects import Lane
from analysis.metrics.checks import Check
from clients.redis.scripts import Invocation
from config.ranks import Rank

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measure:
    """Has the checks measured and judged."""

    checks: Sequence[Check]


@dataclass(frozen=True, slots=True)
class Await:
    """Has a call made that takes time."""

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Nudge:
    """Has the reconciler of a lane look at the canary; nobody waits for that."""

    lane: Lane
    rank: Rank
    if_due: bool = True
    """Whether it is to look only if something is wanted of it that is not in force."""


@dataclass(frozen=True, slots=True)
class CallHook:
    """Has a webhook of a round called; its answer wakes the canary."""

    round: int
    key: str
    rank: Rank


Request = Invocation[Any] | Measure | Await
"""What gets an answer."""
Message = Nudge | CallHook
"""What is sent, and gets none."""
Steps = Generator[Request | Message, Any, T]
"""The work on one canary, which gets each answer where it asked."""


def ask(asked: Invocation[T]) -> Steps[T]:
    """What a script gives."""
    answer: T = yield asked
    return answer


def awaited(call: Callable[[], T]) -> Steps[T]:
    """What a call gives."""
    answer: T = yield Await(call)
    return answer
