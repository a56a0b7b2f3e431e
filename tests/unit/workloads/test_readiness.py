"""Readiness row by row, in the words of the lifecycle reference, 8.1."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import pytest

from clients.documents.world import WorkloadView
from config.readiness import READY, Readiness
from tests.unit.workloads.deployments import KEYS, a_target
from workloads import deployment

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DEADLINE: Final = timedelta(seconds=600)
LONG_AGO: Final = NOW - timedelta(days=9)


def a_view(
    *,
    generation: int = 4,
    observed: int = 4,
    desired: int = 3,
    updated: int = 3,
    replicas: int = 3,
    available: int = 3,
    conditions: Any = (),
) -> WorkloadView:
    """A view of the Deployment podinfo: three pods of three are there."""
    status = {
        "observedGeneration": observed,
        "replicas": replicas,
        "updatedReplicas": updated,
        "availableReplicas": available,
        "conditions": list(conditions),
    }
    raw = a_target(metadata={"generation": generation}, status=status, replicas=desired)
    return deployment.project(raw, KEYS)


def conditions(
    since: datetime, reason: str = "MinimumReplicasUnavailable", progressing: str = "Updated"
) -> list[dict[str, Any]]:
    """An unavailable Deployment's conditions, unavailable since `since`."""
    stamp = since.isoformat().replace("+00:00", "Z")
    return [
        {"type": "Available", "status": "False", "reason": reason, "lastUpdateTime": stamp},
        {"type": "Progressing", "status": "True", "reason": progressing, "lastUpdateTime": stamp},
    ]


def judged(view: WorkloadView, percent: int = 100, now: datetime = NOW) -> Readiness:
    """The judgement on `view`, whose revision is old."""
    return deployment.judge(view, percent, DEADLINE, LONG_AGO, now)


WAITING: Final = "waiting for rollout to finish: "


@pytest.mark.parametrize(
    ("view", "percent", "message"),
    [
        (
            a_view(observed=3),
            100,
            WAITING + "observed deployment generation less than desired generation",
        ),
        (a_view(updated=1), 100, WAITING + "1 out of 3 new replicas have been updated"),
        (a_view(replicas=5), 100, WAITING + "2 old replicas are pending termination"),
        (
            a_view(available=2),
            100,
            WAITING + "2 of 3 (readyThreshold 100%) updated replicas are available",
        ),
        (
            a_view(desired=10, updated=10, replicas=10, available=4),
            50,
            WAITING + "4 of 5 (readyThreshold 50%) updated replicas are available",
        ),
        (
            a_view(desired=1, updated=1, replicas=1, available=0),
            99,
            WAITING + "0 of 1 (readyThreshold 99%) updated replicas are available",
        ),
    ],
)
def test_what_is_missing_is_told_in_flagger_s_words(
    view: WorkloadView, percent: int, message: str
) -> None:
    """Rows 1, 3, 4 and 5; a share is rounded down, but one pod at least is needed (D-73)."""
    assert judged(view, percent) == Readiness(ready=False, retriable=True, message=message)


def test_a_deployment_that_gave_up_is_not_waited_for() -> None:
    """Row 2, before rows 3 to 5."""
    view = a_view(updated=0, conditions=conditions(NOW, progressing="ProgressDeadlineExceeded"))
    assert judged(view) == Readiness(
        ready=False, retriable=False, message='deployment "podinfo" exceeded its progress deadline'
    )


def test_a_stale_status_proves_nothing_not_even_that_a_deployment_gave_up() -> None:
    """Row 1 comes first: the status is about an earlier spec."""
    view = a_view(observed=3, conditions=conditions(NOW, progressing="ProgressDeadlineExceeded"))
    assert judged(view).retriable


@pytest.mark.parametrize(
    ("view", "percent"),
    [
        (a_view(), 100),
        (a_view(available=2), 67),
        (a_view(available=1), 50),
        (a_view(available=0), 0),
        (a_view(desired=0, updated=0, replicas=0, available=0), 100),
        (a_view(conditions=conditions(NOW - 2 * DEADLINE)), 100),
    ],
)
def test_enough_pods_are_enough(view: WorkloadView, percent: int) -> None:
    """Row 6: floor(3 · 67 %) = 2, floor(3 · 50 %) = 1; none are needed of none, or for 0 %."""
    assert judged(view, percent) == READY


@pytest.mark.parametrize("view", [a_view(updated=1), a_view(replicas=5), a_view(available=2)])
def test_patience_ends_with_the_canary_s_deadline(view: WorkloadView) -> None:
    """8.1, R: rows 3 to 5, counted from when the Deployment became unavailable."""
    told = a_view(conditions=conditions(NOW)).status.conditions
    waiting = replace(view, status=replace(view.status, conditions=told))
    assert judged(waiting, now=NOW + DEADLINE - timedelta(milliseconds=1)).retriable
    late = judged(waiting, now=NOW + DEADLINE)
    assert not late.retriable
    assert late.message == judged(waiting).message
    assert deployment.patience_ends(waiting, DEADLINE, LONG_AGO) == NOW + DEADLINE


def test_a_revision_is_given_the_whole_deadline_whatever_was_before_it() -> None:
    """The condition keeps the time of the first revision in trouble until it changes."""
    view = a_view(available=0, conditions=conditions(NOW - DEADLINE + timedelta(seconds=6)))
    assert deployment.patience_ends(view, DEADLINE, NOW) == NOW + DEADLINE
    last = NOW + DEADLINE - timedelta(seconds=1)
    assert deployment.judge(view, 100, DEADLINE, NOW, last).retriable
    assert not deployment.judge(view, 100, DEADLINE, NOW, NOW + DEADLINE).retriable


def test_times_are_compared_across_time_zones() -> None:
    """Kubernetes writes UTC, a clock may not."""
    there = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    view = a_view(available=0, conditions=conditions(NOW))
    assert judged(view, now=there + DEADLINE - timedelta(seconds=1)).retriable
    assert not judged(view, now=there + DEADLINE + timedelta(seconds=1)).retriable


@pytest.mark.parametrize(
    "without",
    [
        conditions(NOW - 2 * DEADLINE, reason="Other"),
        conditions(NOW - 2 * DEADLINE)[:1],
        conditions(NOW - 2 * DEADLINE)[1:],
        [{**item, "lastUpdateTime": None} for item in conditions(NOW)],
        [{**item, "status": "True"} for item in conditions(NOW - 2 * DEADLINE)],
    ],
)
def test_no_clock_runs_without_both_conditions(without: list[dict[str, Any]]) -> None:
    """8.1, R: a Progressing condition, and Available False for lack of replicas."""
    view = a_view(available=0, conditions=without)
    assert judged(view).retriable
    assert deployment.patience_ends(view, DEADLINE, LONG_AGO) is None


def test_a_stale_status_is_waited_for_without_end() -> None:
    """Row 1 is always retriable."""
    view = a_view(observed=3, conditions=conditions(NOW - 2 * DEADLINE))
    assert judged(view).retriable
