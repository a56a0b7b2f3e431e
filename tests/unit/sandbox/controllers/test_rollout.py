"""Sizes and status of a rolling update follow Kubernetes' rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.controllers import rollout, status
from sandbox.controllers.rollout import Bounds, SetState

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def a_set(name: str, desired: int, available: int, *, is_new: bool = False) -> SetState:
    """A ReplicaSet all of whose wanted pods exist."""
    return SetState(name, is_new, desired, desired, available, available)


def a_deployment(replicas: int = 1, **status_fields: Any) -> dict[str, Any]:
    """A Deployment of generation 1 with the default strategy."""
    return {
        "metadata": {"generation": 1},
        "spec": {"replicas": replicas, "progressDeadlineSeconds": 60},
        "status": status_fields,
    }


def reasons(shown: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Status and reason of each condition, by type."""
    return {item["type"]: (item["status"], item["reason"]) for item in shown["conditions"]}


@pytest.mark.parametrize(
    ("value", "replicas", "up", "expected"),
    [("25%", 4, True, 1), ("25%", 5, True, 2), ("25%", 5, False, 1), (3, 5, True, 3)],
)
def test_percentages_are_rounded_as_kubernetes_does(
    value: int | str, replicas: int, *, up: bool, expected: int
) -> None:
    """The field maxSurge rounds up, maxUnavailable down."""
    assert rollout.share(value, replicas, up=up) == expected


def test_a_rolling_update_surges_first() -> None:
    """Four replicas at 25 %: one extra pod, and one old pod may already go."""
    bounds = Bounds.of(a_deployment(4))
    assert bounds == Bounds(4, surge=1, unavailable=1)
    wanted = rollout.sizes(bounds, [a_set("new", 0, 0, is_new=True), a_set("old", 4, 4)])
    assert wanted == {"new": 1, "old": 3}


def test_an_old_pod_stays_until_its_replacement_is_available() -> None:
    """One replica: none may be unavailable, so the old pod goes last."""
    bounds = Bounds.of(a_deployment(1))
    waiting = rollout.sizes(bounds, [a_set("new", 1, 0, is_new=True), a_set("old", 1, 1)])
    assert waiting == {"new": 1, "old": 1}
    done = rollout.sizes(bounds, [a_set("new", 1, 1, is_new=True), a_set("old", 1, 1)])
    assert done == {"new": 1, "old": 0}


def test_recreate_removes_the_old_pods_first() -> None:
    """The new set starts when no old pod is left."""
    bounds = Bounds(2, 0, 2)
    sets = [a_set("new", 0, 0, is_new=True), a_set("old", 2, 2)]
    assert rollout.sizes(bounds, sets, recreate=True) == {"new": 0, "old": 0}
    sets = [a_set("new", 0, 0, is_new=True), a_set("old", 0, 0)]
    assert rollout.sizes(bounds, sets, recreate=True) == {"new": 2, "old": 0}


@given(
    replicas=st.integers(1, 20),
    surge=st.integers(0, 5),
    unavailable=st.integers(0, 5),
    new=st.integers(0, 20),
    old=st.integers(0, 20),
)
def test_a_step_keeps_the_bounds_and_rollouts_end(
    replicas: int, surge: int, unavailable: int, new: int, old: int
) -> None:
    """With pods that become available, every step keeps the bounds and the last state is all new.

    Sizes only grow beyond replicas + surge if they were there before the step.
    """
    if surge == 0 and unavailable == 0:
        unavailable = 1
    bounds = Bounds(replicas, surge, unavailable)
    wanted = {"new": min(new, replicas), "old": old}
    for _ in range(100):
        total = sum(wanted.values())
        sets = [
            a_set("new", wanted["new"], wanted["new"], is_new=True),
            a_set("old", wanted["old"], wanted["old"]),
        ]
        wanted = rollout.sizes(bounds, sets)
        assert wanted["new"] <= replicas
        assert sum(wanted.values()) <= max(replicas + surge, total)
        assert sum(wanted.values()) >= min(replicas - unavailable, total)
    assert wanted == {"new": replicas, "old": 0}


def test_a_fresh_rollout_is_progressing_and_not_available() -> None:
    """Zero counts are left out; Available is False, Progressing names the new ReplicaSet."""
    shown = status.reconcile(a_deployment(1), [a_set("web-1", 1, 0, is_new=True)], NOW)
    assert shown["observedGeneration"] == 1
    assert (shown["replicas"], shown["updatedReplicas"]) == (1, 1)
    assert shown["unavailableReplicas"] == 1
    assert "readyReplicas" not in shown
    assert "availableReplicas" not in shown
    assert reasons(shown) == {
        "Available": ("False", "MinimumReplicasUnavailable"),
        "Progressing": ("True", "NewReplicaSetCreated"),
    }


def test_a_complete_rollout_says_so() -> None:
    """Available and NewReplicaSetAvailable, with Kubernetes' messages."""
    shown = status.reconcile(a_deployment(2), [a_set("web-1", 2, 2, is_new=True)], NOW)
    assert "unavailableReplicas" not in shown
    assert [item["message"] for item in shown["conditions"]] == [
        "Deployment has minimum availability.",
        'ReplicaSet "web-1" has successfully progressed.',
    ]
    assert reasons(shown) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


def test_a_rollout_without_progress_exceeds_its_deadline() -> None:
    """After progressDeadlineSeconds without news: False, ProgressDeadlineExceeded, and it stays."""
    deployment, sets = a_deployment(1), [a_set("web-1", 1, 0, is_new=True)]
    started = status.reconcile(deployment, sets, NOW)
    deployment["status"] = started
    assert status.deadline(deployment) == NOW + timedelta(seconds=60)
    still = status.reconcile(deployment, sets, NOW + timedelta(seconds=60))
    assert still == started
    late = status.reconcile(deployment, sets, NOW + timedelta(seconds=61))
    assert reasons(late)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    deployment["status"] = late
    assert status.reconcile(deployment, sets, NOW + timedelta(seconds=99)) == late
    ready = [a_set("web-1", 1, 1, is_new=True)]
    done = status.reconcile(deployment, ready, NOW + timedelta(seconds=120))
    assert reasons(done)["Progressing"] == ("True", "NewReplicaSetAvailable")


def test_progress_extends_the_deadline_and_keeps_the_transition_time() -> None:
    """A pod that becomes available moves lastUpdateTime, not lastTransitionTime."""
    deployment = a_deployment(2)
    deployment["status"] = status.reconcile(deployment, [a_set("w", 2, 0, is_new=True)], NOW)
    later = NOW + timedelta(seconds=30)
    shown = status.reconcile(deployment, [a_set("w", 2, 1, is_new=True)], later)
    (progressing,) = [item for item in shown["conditions"] if item["type"] == "Progressing"]
    assert progressing["reason"] == "ReplicaSetUpdated"
    assert progressing["lastUpdateTime"] == "2026-01-01T12:00:30Z"
    assert progressing["lastTransitionTime"] == "2026-01-01T12:00:00Z"
