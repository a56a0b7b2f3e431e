"""The primary, field by field, as the lifecycle reference has it in 5.1 and 11."""

from typing import Any, Final

import jsonpatch

from config.api.canary import Canary
from tests.unit.workloads.deployments import (
    COPYING,
    KEYS,
    LABEL,
    POD_ID,
    UID,
    a_canary,
    a_target,
    a_template,
    spread,
)
from workloads import primary
from workloads.primary import Copying

TEMPLATE: Final = {
    "metadata": {
        "creationTimestamp": None,
        "labels": {"app": "podinfo-primary", "tier": "web"},
        "annotations": {"prometheus.io/scrape": "true", "flagger-id": POD_ID},
    },
    "spec": {"containers": [{"name": "podinfod", "image": "podinfo:1"}]},
}
"""What becomes of the pod template of `a_target`, written down by hand."""

AUTOSCALER: Final = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "name": "podinfo",
}


def a_primary(**changes: Any) -> dict[str, Any]:
    """A primary as the API server shows it, with things on it that others put there."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "podinfo-primary",
            "namespace": "test",
            "uid": "p1",
            "resourceVersion": "41",
            "labels": {"app": "podinfo-primary", "team": "shop"},
            "annotations": {"deployment.kubernetes.io/revision": "4", "noted": "by hand"},
            "ownerReferences": [{"uid": UID, "controller": True}],
            "finalizers": ["test/kept"],
        },
        "spec": {
            "replicas": 2,
            "paused": False,
            "minReadySeconds": 7,
            "futureField": {"kept": True},
            "selector": {"matchLabels": {"app": "podinfo-primary"}},
            "template": {"metadata": {"labels": {"gone": "yes"}}, "spec": {"hostNetwork": True}},
        },
        "status": {"observedGeneration": 4},
        **changes,
    }


def promoted(canary: Canary, target: dict[str, Any], copying: Copying = COPYING) -> Any:
    """What the patch of a promotion makes of `a_primary`."""
    patch = primary.promote(canary, target, LABEL, copying, pod_id=POD_ID)
    return jsonpatch.apply_patch(a_primary(), patch)


def test_a_created_primary_is_what_the_reference_says() -> None:
    """5.1, without label prefixes: no label but its own, the annotations, the copied fields."""
    metadata = {
        "labels": {"app": "podinfo", "team": "shop", "kustomize.toolkit.fluxcd.io/name": "x"},
        "annotations": {
            "note": "for humans",
            "reconcile.toolkit.fluxcd.io/requestedAt": "now",
            "deployment.kubernetes.io/revision": "9",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
        },
    }
    target = a_target(metadata=metadata, minReadySeconds=5, revisionHistoryLimit=2, paused=True)
    made = primary.create(a_canary(), target, LABEL, COPYING, pod_id=POD_ID)
    assert made == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "podinfo-primary",
            "namespace": "test",
            "labels": {"app": "podinfo-primary"},
            "annotations": {"note": "for humans"},
            "ownerReferences": [
                {
                    "apiVersion": "flagger.app/v1beta1",
                    "kind": "Canary",
                    "name": "podinfo",
                    "uid": UID,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "replicas": 3,
            "minReadySeconds": 5,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 60,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "selector": {"matchLabels": {"app": "podinfo-primary"}},
            "template": TEMPLATE,
        },
    }


def test_a_primary_starts_with_one_pod_where_its_target_has_none() -> None:
    """5.1: the target's replicas if there are any, else 1."""
    for replicas in (0, None):
        target = a_target(replicas=replicas)
        made = primary.create(a_canary(), target, LABEL, COPYING, pod_id=POD_ID)
        assert made["spec"]["replicas"] == 1


def test_labels_and_annotations_with_an_included_prefix_travel() -> None:
    """5.1, 11: `*` means all; toolkit keys never, and nothing that is about the target itself."""
    metadata = {
        "labels": {
            "team/name": "shop",
            "tier": "web",
            "app": "podinfo",
            "x.toolkit.fluxcd.io": "1",
        },
        "annotations": {"team/mail": "a@b", "deployment.kubernetes.io/revision": "3"},
    }
    target, canary = a_target(metadata=metadata), a_canary()
    for prefixes, labels in (
        (("team/",), {"team/name": "shop", "app": "podinfo-primary"}),
        (("*",), {"team/name": "shop", "tier": "web", "app": "podinfo-primary"}),
    ):
        copying = Copying(KEYS, prefixes)
        made = primary.create(canary, target, LABEL, copying, pod_id=POD_ID)["metadata"]
        given = promoted(canary, target, copying)
        assert made["labels"] == given["metadata"]["labels"] == labels
        assert given["metadata"]["annotations"] == {"team/mail": "a@b"}


def test_a_promoted_primary_is_what_the_reference_says() -> None:
    """11: what the target determines is replaced, everything else stays (D-53)."""
    before = a_primary()
    made = promoted(a_canary(), a_target())
    assert made == {
        **before,
        "metadata": {
            **before["metadata"],
            "labels": {"app": "podinfo-primary"},
            "annotations": {},
        },
        "spec": {
            "replicas": 3,
            "paused": False,
            "futureField": {"kept": True},
            "selector": {"matchLabels": {"app": "podinfo-primary"}},
            "progressDeadlineSeconds": 60,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "template": TEMPLATE,
        },
    }


def test_a_promotion_never_scales_the_primary_to_zero_nor_against_its_autoscaler() -> None:
    """11: replicas follow the target without an autoscaler only; zero pods cannot serve."""
    scaled = a_canary(autoscalerRef=AUTOSCALER)
    for canary, replicas, expected in ((a_canary(), 0, 2), (a_canary(), 9, 9), (scaled, 9, 2)):
        target = a_target(replicas=replicas)
        made = promoted(canary, target)
        assert made["spec"]["replicas"] == expected


def test_pods_of_the_primary_keep_apart_from_each_other_not_from_the_canary() -> None:
    """5.1, D-78: spread and anti-affinity name the primary, in candidate labels only."""
    made = primary.create(
        a_canary(), a_target(a_template(**spread("podinfo"))), LABEL, COPYING, pod_id=POD_ID
    )
    pod = made["spec"]["template"]["spec"]
    labels = {"matchLabels": {"app": "podinfo-primary", "tier": "podinfo"}}
    expression = {
        "matchExpressions": [
            {"key": "app", "operator": "In", "values": ["podinfo-primary", "podinfo"]},
            {"key": "tier", "operator": "In", "values": ["podinfo"]},
            {"key": "app", "operator": "Exists"},
        ]
    }
    assert pod["topologySpreadConstraints"] == [
        {"maxSkew": 1, "labelSelector": labels},
        {"maxSkew": 2, "labelSelector": expression},
    ]
    assert pod["affinity"] == {
        **spread("podinfo")["affinity"],
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "host", "labelSelector": expression}
            ],
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": labels}}
            ],
        },
    }


def test_spread_over_other_names_than_the_workload_s_is_left_alone() -> None:
    """5.1: only a value that equals the Deployment's name gets the suffix."""
    template = a_template(**spread("another"))
    made = primary.create(a_canary(), a_target(template), LABEL, COPYING, pod_id=POD_ID)
    assert made["spec"]["template"]["spec"] == template["spec"]


def test_the_label_s_value_may_differ_from_the_name() -> None:
    """8.5, 28: the suffix goes to the value, the name of the workload to the object."""
    template = a_template()
    template["metadata"]["labels"]["app"] = "frontend"
    target = a_target(template, selector={"matchLabels": {"app": "frontend"}})
    made = primary.create(a_canary(), target, ("app", "frontend"), COPYING, pod_id=POD_ID)
    assert made["metadata"]["name"] == "podinfo-primary"
    assert made["spec"]["selector"] == {"matchLabels": {"app": "frontend-primary"}}
    assert made["spec"]["template"]["metadata"]["labels"]["app"] == "frontend-primary"


def test_fields_of_later_api_versions_travel() -> None:
    """D-53: pods of the primary get what no library of ours has heard of."""
    template = a_template(futureField=[{"a": 1}], containers=[{"name": "a", "newThing": {"b": 2}}])
    made = primary.create(a_canary(), a_target(template), LABEL, COPYING, pod_id=POD_ID)
    assert made["spec"]["template"]["spec"] == template["spec"]
