"""A Deployment with a primary's name is only taken for one when it is one (D-79)."""

from dataclasses import replace

from clients.documents.world import WorkloadView
from tests.unit.workloads.deployments import KEYS, UID, a_canary, a_target
from workloads import deployment
from workloads import primary as primaries


def a_view(
    name: str = "podinfo-primary", label: str = "podinfo-primary", uid: str = UID
) -> WorkloadView:
    """The view of a Deployment that selects app=`label` and is controlled by `uid`."""
    owners = [{"uid": uid, "controller": True}] if uid else []
    raw = a_target(
        metadata={"name": name, "ownerReferences": owners}, selector={"matchLabels": {"app": label}}
    )
    return deployment.project(raw, KEYS)


TARGET = a_view("podinfo", "podinfo", "")


def _objection(primary: WorkloadView, target: WorkloadView | None) -> str:
    """What is held against the Deployment in the place of the primary of podinfo."""
    canary = a_canary()
    return primaries.objection(primary, "Deployment", canary.ref, UID, target=target)


def test_the_canary_s_own_primary_is_one() -> None:
    """Also when the target cannot be seen."""
    assert _objection(a_view(), TARGET) == ""
    assert _objection(a_view(), None) == ""


def test_a_primary_that_outlived_its_canary_is_adopted() -> None:
    """D-7: deletion that orphans leaves it without a controller."""
    assert _objection(a_view(uid=""), TARGET) == ""


def test_what_another_object_controls_is_not_ours() -> None:
    """Also the primary of an earlier canary of that name: it is about to be collected."""
    assert _objection(replace(a_view(uid="other"), owner="Canary other"), TARGET) == (
        "deployment podinfo-primary.test is not the primary of canary podinfo.test: "
        "it is controlled by Canary other; "
        "delete deployment podinfo-primary.test, or give it to this canary"
    )


def test_what_selects_other_pods_is_not_a_primary() -> None:
    """Users' traffic would be sent to nobody."""
    assert _objection(a_view(label="db", uid=""), TARGET) == (
        "deployment podinfo-primary.test is not the primary of canary podinfo.test: "
        "it selects app=db, allowed is app=podinfo-primary"
    )
    unlabelled = replace(a_view(uid=""), selector_label=None)
    assert "by no known label" in _objection(unlabelled, TARGET)
