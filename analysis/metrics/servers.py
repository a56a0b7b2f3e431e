"""One metrics server: bounded in queries under way, and left alone while it is down."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar

from analysis.backends.backend import MetricBackend, Series, VectorBackend
from analysis.findings import Absent, Measurement
from analysis.metrics import grouping
from analysis.metrics.breaker import Breaker
from analysis.verdicts import Reason, Verdict
from clients import instruments
from clients.clock import Clock
from clients.fair_threads import FairThreads
from clients.instruments import SILENT, Instruments

log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")

#: Reasons that speak of the server, not of the query: these make up a breaker's row.
OUTAGES: Final = frozenset(
    (Reason.UNREACHABLE, Reason.TIMED_OUT, Reason.THROTTLED, Reason.SERVER_ERROR)
)

RELIEF: Final = timedelta(minutes=10)
"""How long a server for which a group was too large is asked in smaller ones: to find out costs
each of its canaries a check."""

LONGEST_MESSAGE: Final = 1000
"""Characters of a message that are kept: it goes into state, timeline, events and status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`per_server` queries of users under way at once, and as many built-in ones beside them.

    Of these a canary has half at most, a namespace three quarters: see `clients.fair_threads`.

    `per_query` is the time limit of one query; it is no longer than the budget, which bounds one
    call of the reader as a whole.
    """

    per_server: int = 64
    per_query: timedelta = timedelta(seconds=5)
    budget: timedelta = timedelta(seconds=6)


DEFAULTS: Final = Limits()


class Server:
    """One metrics server: its connection, its queue, its breaker."""

    def __init__(
        self,
        backend: MetricBackend,
        clock: Clock,
        limits: Limits,
        kind: str = "",
        tell: Instruments = SILENT,
    ) -> None:
        """`tell` hears of its queries, those of a server of this `kind`."""
        self.backend = backend
        self._kind, self._tell = kind, tell
        self._breaker = Breaker(clock)
        # Slow queries that users wrote keep nobody's built-in checks waiting.
        self._users = FairThreads("queries", limits.per_server)
        self._builtin = FairThreads("builtin-queries", limits.per_server)
        self._clock = clock
        self._largest_group, self._relieved_until = grouping.LARGEST_GROUP, 0.0

    @property
    def largest_group(self) -> int:
        """Workloads that one query may be about."""
        if not isinstance(self.backend, VectorBackend):
            return 1
        is_relieved = self._clock.monotonic() < self._relieved_until
        return self._largest_group if is_relieved else grouping.LARGEST_GROUP

    def took_too_long(self, workloads: int) -> None:
        """Has fewer asked together for a while, if so many were too many for a server in health."""
        if self.online() is None:
            self._largest_group = max(1, workloads // 4)
            self._relieved_until = self._clock.monotonic() + RELIEF.total_seconds()

    def online(self) -> Absent | None:
        """None when the server answers; otherwise what is wrong.

        While it is left alone, what was wrong when it was asked last.
        """
        if self._breaker.refusal():
            return Absent(Verdict.ERROR, Reason.CIRCUIT_OPEN, self._breaker.cause)
        problem = _guarded(self.backend.online)
        if problem and problem.reason in OUTAGES:
            self._breaker.failed(problem.message)
        else:
            self._breaker.succeeded()
        return problem

    def threads(self, *, is_builtin: bool) -> FairThreads:
        """By whom it is asked."""
        return self._builtin if is_builtin else self._users

    def query(self, text: str) -> Measurement:
        """The number `text` gives now, or why there is none."""
        return self._asked(lambda: self.backend.query(text))

    def vector(self, text: str) -> tuple[Series, ...] | Absent:
        """All series that `text`, built in, gives now.

        Raises TypeError for a backend that gives no vectors.
        """
        backend = self.backend
        if not isinstance(backend, VectorBackend):
            raise TypeError(f"{type(backend).__name__} gives no vectors")
        return self._asked(lambda: backend.vector(text))

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer | Absent:
        if refusal := self._breaker.refusal():
            self._tell.observe(instruments.QUERIES, 0.0, self._kind, Reason.CIRCUIT_OPEN.value)
            return Absent(Verdict.ERROR, Reason.CIRCUIT_OPEN, refusal)
        began = self._clock.monotonic()
        answer = _guarded(ask)
        took = self._clock.monotonic() - began
        outcome = answer.reason.value if isinstance(answer, Absent) else "answered"
        self._tell.observe(instruments.QUERIES, took, self._kind, outcome)
        if isinstance(answer, Absent) and answer.reason in OUTAGES:
            self._breaker.failed(answer.message, self._is_down)
        else:
            self._breaker.succeeded()
        return answer

    def _is_down(self) -> bool:
        """Whether the easiest of questions has no answer either."""
        return _guarded(self.backend.online) is not None


def _guarded(ask: Callable[[], _Answer]) -> _Answer | Absent:
    """The backend's answer; a defect of one is an error of its checks, and told briefly."""
    try:
        answer = ask()
    except Exception as defect:
        log.exception("defect of a metric backend")
        cause = f"defect of the backend, see the log: {type(defect).__name__}"
        return Absent(Verdict.ERROR, Reason.UNREADABLE_ANSWER, cause)
    if isinstance(answer, Absent) and len(answer.message) > LONGEST_MESSAGE:
        return replace(answer, message=answer.message[:LONGEST_MESSAGE] + "…")
    return answer
