"""Queries that somebody else asks as well, at this moment or a moment ago, and are not sent again.

Which queries are under way, and what was answered of late, is kept where all threads and processes
see it: by digest, and numbers alone. Only answers are shared. Who meets an error, or dies, leaves
the query to those who wait, and nobody waits so long that its own attempt would come too late.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

from analysis.findings import NO_VALUES, Measurement, Sample
from analysis.metrics.grouping import Query
from clients import errors
from clients.clock import Clock

FRESH: Final = timedelta(seconds=0.5)
"""How old an answer may be: a twentieth of the shortest interval between two checks, by which due
times are rounded anyway, and far below the interval at which metrics are scraped."""
LOOK_SECONDS: Final = 0.05
"""Between two looks for an answer that somebody else waits for."""

_NO_DATA: Final = "no data"


class Answers(Protocol):
    """What processes tell each other of queries, by name. Each method is one round trip.

    Both raise clients.errors.ClientError.
    """

    def claim(self, names: Sequence[str], hold: timedelta) -> Mapping[str, str | None]:
        """The answers there are, and None for what others ask now.

        What is left out is the caller's to ask: to others it is being asked, for `hold` at most.
        """

    def tell(self, answers: Mapping[str, str | None], keep: timedelta) -> None:
        """Keeps answers for so long; None leaves the query to whoever wants its answer."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look came to: answers, and what is to be asked, or looked for again."""

    answers: Mapping[Query, Measurement]
    own: Sequence[Query]
    wanted: Wanted | None


@dataclass(frozen=True, slots=True)
class Sharing:
    """Shares the queries of one process with others: whoever claims one asks for at most `hold`.

    Others wait for it at most for `patience`.
    """

    told: Answers
    clock: Clock
    hold: timedelta
    patience: timedelta

    def look(self, queries: Iterable[Query]) -> Look:
        """A first look for the answers to `queries`."""
        now = self.clock.monotonic()
        return Wanted(tuple(queries), now, now + self.patience.total_seconds(), self).look()

    def tell(self, answers: Mapping[Query, Measurement], since: float) -> None:
        """Lets others have the answers; errors are for them to meet by themselves.

        `since` is when they were begun to be asked for, a moment of the monotonic clock: those of
        a process that was frozen meanwhile speak of other traffic.
        """
        if self.clock.monotonic() - since > self.hold.total_seconds():
            return
        texts = {_name(query): _encoded(answer) for query, answer in answers.items()}
        with suppress(errors.ClientError):  # what was claimed expires
            self.told.tell(texts, FRESH)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Queries of others, whose answers are looked for at `at`, and no more after `until`.

    Both are moments of the monotonic clock.
    """

    queries: tuple[Query, ...]
    at: float
    until: float
    sharing: Sharing

    def look(self) -> Look:
        """What is known by now; what nobody asks is claimed."""
        names = {_name(query): query for query in self.queries}
        told = self._claim(list(names))
        answers = {
            names[name]: answer
            for name, text in told.items()
            if text is not None and (answer := _decoded(text))
        }
        now = self.sharing.clock.monotonic()
        is_over = now >= self.until
        others = {} if is_over else {names[name]: None for name in told if told[name] is None}
        own = [query for query in self.queries if query not in answers and query not in others]
        later = replace(self, queries=tuple(others), at=now + LOOK_SECONDS)
        return Look(answers, own, later if others else None)

    def _claim(self, names: Sequence[str]) -> Mapping[str, str | None]:
        try:
            return self.sharing.told.claim(names, self.sharing.hold)
        except errors.ClientError:
            return {}  # then everybody asks for himself


def _name(query: Query) -> str:
    """A digest: the text may be long, and headers of an endpoint are nobody else's business."""
    return hashlib.sha256(repr((query.endpoint, query.text)).encode()).hexdigest()


def _encoded(answer: Measurement) -> str | None:
    if isinstance(answer, Sample):
        return repr(answer.value)
    return _NO_DATA if replace(answer, took=NO_VALUES.took) == NO_VALUES else None


def _decoded(text: str) -> Measurement | None:
    """None for a text of another release."""
    if text == _NO_DATA:
        return NO_VALUES
    try:
        return Sample(float(text))
    except ValueError:
        return None
