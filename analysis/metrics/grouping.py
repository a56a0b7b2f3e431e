"""Which queries of a batch are sent as one. Pure.

Built-in checks of one server, row and window differ in the workload alone: the grouped form of
the row (`queries.grouped`) asks for many workloads at once. Why: decision 0027.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from analysis.backends.backend import Endpoint, Series
from analysis.findings import NO_VALUES, Measurement
from analysis.metrics import queries
from analysis.metrics.queries import Builtin
from config.refs import CanaryRef

LARGEST_GROUP: Final = 100
"""Workloads in one query: a failing one costs no more than so many single queries."""

LONGEST_GROUP: Final = 60_000
"""Characters of one query, at most: servers and proxies take 100 kB or so. It is never longer than
the queries that it stands for together."""

NOBODY: Final = CanaryRef("", "")
"""Whose queries are about the server alone."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of whom; equal queries have equal answers.

    `builtin` is the row and the workload that `text` was written from, if it was; `owner` is the
    canary that it is asked for, or the first of them.
    """

    endpoint: Endpoint
    text: str
    builtin: Builtin | None = field(default=None, compare=False)
    owner: CanaryRef = field(default=NOBODY, compare=False)


@dataclass(frozen=True, slots=True)
class Group:
    """Queries that are sent as one; a group of one is that query itself."""

    members: tuple[Query, ...]

    @property
    def endpoint(self) -> Endpoint:
        """The server they are all for."""
        return self.members[0].endpoint

    @property
    def owner(self) -> CanaryRef:
        """The canary on whose account it is sent."""
        return self.members[0].owner

    @property
    def is_builtin(self) -> bool:
        """Whether it is of built-in checks."""
        return self.members[0].builtin is not None

    @property
    def text(self) -> str:
        """The query for all."""
        if len(self.members) == 1:
            return self.members[0].text
        asked = [query.builtin for query in self.members if query.builtin]
        workloads = [each.workload for each in asked]
        return queries.grouped(asked[0].provider, asked[0].metric, workloads, asked[0].window)

    def answers(self, vector: Sequence[Series]) -> dict[Query, Measurement]:
        """Each query's own answer, out of the series that the grouped query gave.

        A workload without a series has no values, as its own query would have had none.
        """
        by_workload = dict(self._by_workload(vector))
        return {
            query: by_workload.get(query.builtin.workload, NO_VALUES)
            for query in self.members
            if query.builtin
        }

    def _by_workload(
        self, vector: Sequence[Series]
    ) -> Iterator[tuple[queries.WorkloadName, Measurement]]:
        first = self.members[0].builtin
        if first is not None:
            namespace, name = queries.labels(first.provider)
            for series in vector:
                labels = series.labels
                subject = queries.WorkloadName(labels.get(namespace, ""), labels.get(name, ""))
                yield subject, series.measurement


def grouped(asked: Iterable[Query], most: Callable[[Endpoint], int]) -> Iterator[Group]:
    """The groups in which `asked`, all distinct, are sent: each query is in one of them.

    A group has no more members than `most` says of its endpoint.
    """
    together: defaultdict[object, list[Query]] = defaultdict(list)
    for query in asked:
        is_alike = query.builtin and queries.names_workloads(query.builtin.provider)
        key = (query.endpoint, query.builtin.row) if query.builtin and is_alike else query
        together[key].append(query)
    for alike in together.values():
        yield from map(Group, _parts(alike, most(alike[0].endpoint)))


def _parts(alike: Iterable[Query], most: int) -> Iterator[tuple[Query, ...]]:
    """`alike` in parts of bounded number and length."""
    part, length = list[Query](), 0
    for query in alike:
        if len(part) == most or (part and length + len(query.text) > LONGEST_GROUP):
            yield tuple(part)
            part, length = [], 0
        part.append(query)
        length += len(query.text)
    yield tuple(part)
