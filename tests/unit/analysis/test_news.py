"""Which changes of a workload call for a look, and how soon."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from analysis import decide, news
from analysis.decisions import Decision, Rest, Ruling
from analysis.findings import Findings
from analysis.news import News
from analysis.observation import Observation, Workload
from config.readiness import Readiness
from tests.unit.analysis import arbitrary
from tests.unit.analysis.properties import holds
from tests.unit.analysis.worlds import NEW, NOW, OLD, a_workload, unready

READY = a_workload(OLD, 5)
SOME = a_workload(OLD, 5, available=2, readiness=unready())
MORE = replace(SOME, available=3, readiness=Readiness(ready=False, message="3 of 5"))
NONE = a_workload(OLD, 5, available=0, readiness=unready())
PAST = replace(NONE, readiness=unready(retriable=False))
ZERO = a_workload(OLD, 0, available=0)
ENDING = a_workload(OLD, 0, available=3, readiness=unready())


@pytest.mark.parametrize(
    ("before", "after", "target", "primary"),
    [
        (READY, replace(READY, generation=2), News.NONE, News.NONE),
        (READY, replace(READY, replicas=6, available=6), News.NONE, News.NONE),
        (ENDING, ZERO, News.NONE, News.NONE),
        (None, None, News.NONE, News.NONE),
        (SOME, MORE, News.TOLD, News.TOLD),
        (READY, SOME, News.TOLD, News.TOLD),
        (SOME, replace(SOME, patience_ends=NOW), News.TOLD, News.TOLD),
        (PAST, NONE, News.TOLD, News.TOLD),
        (ZERO, NONE, News.TOLD, News.TOLD),
        (READY, ZERO, News.OURS, News.OURS),
        (READY, ENDING, News.OURS, News.OURS),
        (READY, replace(READY, revision=NEW), News.DECIDES, News.OURS),
        (SOME, replace(NONE, revision=NEW), News.DECIDES, News.DECIDES),
        (None, NONE, News.DECIDES, News.OURS),
        (NONE, None, News.DECIDES, News.DECIDES),
        (NONE, SOME, News.TOLD, News.DECIDES),
        (SOME, READY, News.DECIDES, News.DECIDES),
        (ZERO, READY, News.DECIDES, News.DECIDES),
        (NONE, PAST, News.DECIDES, News.DECIDES),
        (SOME, NONE, News.DECIDES, News.DECIDES),
        (READY, replace(READY, available=0), News.DECIDES, News.DECIDES),
    ],
)
def test_a_look_is_due_at_once_when_a_change_can_decide_something(
    before: Workload | None, after: Workload | None, target: News, primary: News
) -> None:
    """All pods, the first or the last one, a deadline, a revision: not some pods more or fewer."""
    assert news.of_target(before, after, READY) is target
    assert news.of_primary(before, after) is primary


@pytest.mark.parametrize("primary", [None, ZERO, NONE, ENDING])
def test_the_first_pod_of_a_canary_decides_where_the_primary_has_none(
    primary: Workload | None,
) -> None:
    """It can take the traffic of a primary that is lost."""
    assert news.of_target(NONE, SOME, primary) is News.DECIDES


def decided(seen: Observation) -> Ruling:
    """What a look comes to before anything has been asked."""
    return decide.decide(seen, Findings())


def rests(outcome: Ruling) -> bool:
    """Whether a look leaves everything as it is, but for what is told of a wait."""
    waits = isinstance(outcome, Decision) and outcome.reason in {"Waiting", "WaitOver"}
    return waits or isinstance(outcome, Rest)


CHANGES: list[dict[str, Any]] = [
    {"available": pods, "replicas": replicas, "readiness": readiness, "patience_ends": ends}
    for pods in range(3)
    for replicas in (0, 2)
    for readiness in (READY.readiness, SOME.readiness, MORE.readiness, PAST.readiness)
    for ends in (None, NOW)
]


def meanings(seen: Observation) -> Iterator[tuple[Observation, News]]:
    """What is seen after a change of one workload to a view that is as new, and what it means."""
    for changes in CHANGES:
        if seen.primary:
            after = replace(seen.primary, **changes)
            yield replace(seen, primary=after), news.of_primary(seen.primary, after)
        if seen.target:
            after = replace(seen.target, **changes)
            found = news.of_target(seen.target, after, seen.primary)
            yield replace(seen, target=after), found


def rested(seen: Observation) -> Observation | None:
    """The same canary once looks decide no more; None when one needs an answer to go on."""
    for _ in range(5):
        outcome = decided(seen)
        if rests(outcome):
            return seen
        if not isinstance(outcome, Decision):
            return None
        seen = replace(seen, state=outcome.state, version=seen.version + 1)
    return None


@holds(least=13, drawn=arbitrary.accepted())
def test_what_is_no_news_leaves_a_canary_at_rest(drawn: Observation) -> bool:
    """A canary in whatever state that was looked at and rests decides nothing after it."""
    seen = rested(drawn)
    if seen is None:
        return False
    quiet = [after for after, found in meanings(seen) if found < News.OURS]
    assert all(rests(decided(after)) for after in quiet)
    return bool(quiet)
