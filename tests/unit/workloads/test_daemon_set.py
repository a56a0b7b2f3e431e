"""DaemonSets against the tables of the reference: readiness 8.2, primary 5.2, promotion 11.

Expected values were written from those tables; whole rollouts are tests/scenarios/test_targets.py.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from clients import errors
from config.api.canary import Canary
from config.readiness import READY, Readiness
from tests.unit.workloads.autoscalers import OWNER
from tests.unit.workloads.deployments import (
    COPYING,
    KEYS,
    LABEL,
    POD_ID,
    a_canary,
    a_template,
    spread,
)
from workloads import daemon_set

PARKED: Final = "flagger.app/scale-to-zero"
BEGAN: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNKNOWN: Final = datetime(1970, 1, 1, tzinfo=UTC)
DEADLINE: Final = timedelta(seconds=600)


def the_canary() -> Canary:
    """The canary podinfo.test of DaemonSet podinfo."""
    ref = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "podinfo"}
    return a_canary(targetRef=ref)


def a_daemon_set(
    status: dict[str, Any] | None = None, nodes: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    """The DaemonSet podinfo.test, on the nodes that `nodes` selects."""
    selected: dict[str, Any] = {} if nodes is None else {"nodeSelector": nodes}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "podinfo", "namespace": "test", "generation": 2},
        "spec": {
            "selector": {"matchLabels": {"app": "podinfo"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "minReadySeconds": 5,
            "revisionHistoryLimit": 3,
            "template": a_template(**selected),
            **spec,
        },
        "status": {"observedGeneration": 2, **(status or {})},
    }


def counts(desired: int, updated: int, available: int, generation: int = 2) -> dict[str, int]:
    """A status with these numbers of pods."""
    return {
        "observedGeneration": generation,
        "desiredNumberScheduled": desired,
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
    }


def judged(
    status: dict[str, int], seconds: float = 60, percent: int = 100, began: datetime = BEGAN
) -> Readiness:
    """Readiness so long after the DaemonSet was given its revision."""
    view = daemon_set.project(a_daemon_set(status), KEYS)
    now = BEGAN + timedelta(seconds=seconds)
    return daemon_set.judge(view, percent, DEADLINE, began, now)


WAITING: Final = "waiting for rollout to finish: "


@pytest.mark.parametrize(
    ("status", "percent", "message"),
    [
        (
            counts(3, 3, 3, generation=1),
            100,
            f"{WAITING}observed daemonset generation less than desired generation",
        ),
        (counts(3, 3, 3), 100, ""),
        (counts(3, 3, 2), 50, ""),
        (counts(3, 2, 3), 100, f"{WAITING}2 out of 3 new pods have been updated"),
        (
            counts(3, 3, 2),
            100,
            f"{WAITING}2 of 3 (readyThreshold 100%) updated pods are available",
        ),
        (counts(3, 3, 0), 50, f"{WAITING}0 of 1 (readyThreshold 50%) updated pods are available"),
        (counts(1, 1, 0), 99, f"{WAITING}0 of 1 (readyThreshold 99%) updated pods are available"),
    ],
)
def test_readiness_is_that_of_the_table(status: dict[str, int], percent: int, message: str) -> None:
    """8.2, first row that matches; D-73: one pod at least."""
    ready = judged(status, percent=percent)
    assert ready == (READY if not message else Readiness(ready=False, message=message))


@pytest.mark.parametrize(
    ("seconds", "began", "retriable"),
    [(599, BEGAN, True), (600, BEGAN, False), (9999, UNKNOWN, True)],
)
def test_the_deadline_counts_from_the_revision(
    seconds: float, began: datetime, *, retriable: bool
) -> None:
    """Row 3. D-28: not from the last status write, and not at all where nobody knows."""
    ready = judged(counts(3, 3, 2), seconds, began=began)
    assert (ready.ready, ready.retriable) == (False, retriable)
    if not retriable:
        assert ready.message == "exceeded its progressDeadlineSeconds: 600"


def test_a_ready_daemon_set_has_no_deadline() -> None:
    """Row 2 comes before row 3."""
    assert judged(counts(3, 3, 3), 9999) == READY


def test_a_parked_daemon_set_has_the_revision_of_a_running_one_and_no_replicas() -> None:
    """6.1: the key is removed before hashing, and no node selector counts as an empty one."""
    plain, empty = a_daemon_set(), a_daemon_set(nodes={})
    parked = a_daemon_set(nodes={PARKED: "true"})
    views = [daemon_set.project(raw, KEYS) for raw in (plain, empty, parked)]
    assert len({view.revision for view in views}) == 1
    assert [view.replicas for view in views] == [1, 1, 0]
    picky = daemon_set.project(a_daemon_set(nodes={"disk": "ssd"}), KEYS)
    both = daemon_set.project(a_daemon_set(nodes={"disk": "ssd", PARKED: "true"}), KEYS)
    assert picky.revision == both.revision != views[0].revision


@pytest.mark.parametrize(
    ("nodes", "parked", "running"),
    [
        (None, {PARKED: "true"}, {}),
        ({"disk": "ssd"}, {"disk": "ssd", PARKED: "true"}, {"disk": "ssd"}),
        ({PARKED: "true"}, {PARKED: "true"}, {}),
        ({"disk": "ssd", PARKED: "true"}, {"disk": "ssd", PARKED: "true"}, {"disk": "ssd"}),
    ],
)
def test_scaling_sets_or_removes_one_key_of_the_node_selector(
    nodes: dict[str, str] | None, parked: dict[str, str], running: dict[str, str]
) -> None:
    """12: the other keys are the user's."""
    path = "/spec/template/spec/nodeSelector"
    live = a_daemon_set(nodes=nodes)
    assert daemon_set.scaled(0, live) == [{"op": "add", "path": path, "value": parked}]
    assert daemon_set.scaled(1, live) == [{"op": "add", "path": path, "value": running}]


def test_the_primary_field_by_field() -> None:
    """5.2; D-13: made from a parked target it runs all the same."""
    target = a_daemon_set(nodes={"disk": "ssd", PARKED: "true"})
    made = daemon_set.create(the_canary(), target, LABEL, COPYING, pod_id=POD_ID)
    assert made == {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": "podinfo-primary",
            "namespace": "test",
            "labels": {"app": "podinfo-primary"},
            "annotations": {},
            "ownerReferences": [OWNER],
        },
        "spec": {
            "minReadySeconds": 5,
            "revisionHistoryLimit": 3,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": {"app": "podinfo-primary"}},
            "template": {
                "metadata": {
                    "creationTimestamp": None,
                    "labels": {"app": "podinfo-primary", "tier": "web"},
                    "annotations": {"prometheus.io/scrape": "true", "flagger-id": POD_ID},
                },
                "spec": {
                    "containers": [{"name": "podinfod", "image": "podinfo:1"}],
                    "nodeSelector": {"disk": "ssd"},
                },
            },
        },
    }


def test_a_primary_has_the_revision_of_its_target() -> None:
    """However the target is parked."""
    target = a_daemon_set(nodes={PARKED: "true"})
    made = daemon_set.create(the_canary(), target, LABEL, COPYING, pod_id=POD_ID)
    views = [daemon_set.project(raw, KEYS) for raw in (target, made)]
    assert views[0].revision == views[1].revision


def test_pods_of_the_primary_keep_apart_from_each_other_not_from_the_canary() -> None:
    """As a Deployment's; 5.1 leaves those of a DaemonSet, which would keep off the canary's."""
    target = a_daemon_set(template=a_template(**spread("podinfo")))
    made = daemon_set.create(the_canary(), target, LABEL, COPYING, pod_id=POD_ID)
    pod = made["spec"]["template"]["spec"]
    first, second = pod["topologySpreadConstraints"]
    assert first["labelSelector"]["matchLabels"] == {"app": "podinfo-primary", "tier": "podinfo"}
    assert second["labelSelector"]["matchExpressions"][0]["values"][0] == "podinfo-primary"
    apart = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart[0]["labelSelector"] == second["labelSelector"]


def test_a_target_whose_pods_are_not_replaced_is_refused() -> None:
    """5.2, in Flagger's words."""
    target = a_daemon_set(updateStrategy={"type": "OnDelete"})
    with pytest.raises(errors.Permanent) as refused:
        daemon_set.create(the_canary(), target, LABEL, COPYING, pod_id=POD_ID)
    assert refused.value.message == (
        "createPrimaryDaemonSet failed: daemonset podinfo.test must have RollingUpdate strategy "
        "but have OnDelete"
    )


def test_a_promotion_copies_the_fields_of_a_daemon_set() -> None:
    """11: minReadySeconds, revisionHistoryLimit, updateStrategy; the parking key is dropped."""
    target = a_daemon_set(nodes={PARKED: "true"}, minReadySeconds=None)
    patch = daemon_set.promote(the_canary(), target, LABEL, COPYING, pod_id=POD_ID)
    paths = [(change["op"], change["path"]) for change in patch]
    assert paths == [
        ("add", "/metadata/labels"),
        ("add", "/metadata/annotations"),
        ("add", "/spec/minReadySeconds"),
        ("add", "/spec/revisionHistoryLimit"),
        ("add", "/spec/updateStrategy"),
        ("add", "/spec/template"),
        ("remove", "/spec/minReadySeconds"),
    ]
    assert "nodeSelector" not in patch[5]["value"]["spec"]
