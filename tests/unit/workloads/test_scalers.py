"""Twins: the autoscalers of primaries, field by field as the reference has them.

Expected manifests were written from Flagger's rules: name and owner of the twin, what of its
source it takes, bounds and queries of the manifest. Writing them is `test_following`'s business.
"""

from typing import Any, Final

import pytest

from config.api.canary import Canary
from config.refs import CanaryRef
from tests.unit.workloads.autoscalers import (
    CPU,
    HPA_REF,
    KEDA_REF,
    OWNER,
    PAUSED,
    a_scaled_object,
    an_hpa,
    scaled,
)
from workloads import scalers
from workloads.scalers import keda, scaler

PROM: Final = {"serverAddress": "http://prom:9090", "threshold": "5"}


def twin(canary: Canary, source: dict[str, Any]) -> dict[str, Any]:
    """The twin of `source`."""
    kind, ref = scalers.of(canary), canary.spec.autoscaler_ref
    assert kind is not None
    assert ref is not None
    return kind.twin(canary, ref, source)


def queries(manifest: dict[str, Any]) -> list[str]:
    """The queries of a ScaledObject's triggers."""
    return [trigger["metadata"]["query"] for trigger in manifest["spec"]["triggers"]]


def test_the_twin_of_an_hpa_field_by_field() -> None:
    """Whatever apiVersion the reference has, autoscaling/v2 is written (article row 15)."""
    assert twin(scaled(HPA_REF), an_hpa()) == {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": "podinfo-primary",
            "namespace": "test",
            "labels": {"team": "web"},
            "annotations": {},
            "ownerReferences": [OWNER],
        },
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": "podinfo-primary",
            },
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [CPU],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
        },
    }


def test_the_twin_of_a_scaled_object_field_by_field() -> None:
    """Annotations travel, save what pauses the source (D-12); the HPA's name gets a suffix."""
    annotations = {
        "scaledobject.keda.sh/transfer-hpa-ownership": "true",
        "reconcile.toolkit.fluxcd.io/at": "1",
        PAUSED: "0",
    }
    source = a_scaled_object(
        ("sum(rate(http_requests_total{app='podinfo'}[30s]))",),
        annotations=annotations,
        scaleTargetRef={
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "podinfo",
            "envSourceContainerName": "app",
        },
        cooldownPeriod=20,
        idleReplicaCount=0,
        fallback={"failureThreshold": 3, "replicas": 6},
        advanced={
            "restoreToOriginalReplicaCount": True,
            "horizontalPodAutoscalerConfig": {"name": "podinfo", "behavior": {"scaleDown": {}}},
        },
    )
    assert twin(scaled(KEDA_REF), source) == {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {
            "name": "podinfo-so-primary",
            "namespace": "test",
            "labels": {"team": "web"},
            "annotations": {"scaledobject.keda.sh/transfer-hpa-ownership": "true"},
            "ownerReferences": [OWNER],
        },
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": "podinfo-primary",
                "envSourceContainerName": "app",
            },
            "pollingInterval": 10,
            "minReplicaCount": 1,
            "maxReplicaCount": 3,
            "cooldownPeriod": 20,
            "idleReplicaCount": 0,
            "fallback": {"failureThreshold": 3, "replicas": 6},
            "advanced": {
                "restoreToOriginalReplicaCount": True,
                "horizontalPodAutoscalerConfig": {
                    "name": "podinfo-primary",
                    "behavior": {"scaleDown": {}},
                },
            },
            "triggers": [
                {
                    "type": "prometheus",
                    "name": "t0",
                    "metadata": {
                        **PROM,
                        "query": "sum(rate(http_requests_total{app='podinfo-primary'}[30s]))",
                    },
                }
            ],
        },
    }


@pytest.mark.parametrize("ref", [HPA_REF, KEDA_REF])
def test_the_manifest_s_bounds_win_each_for_itself(ref: dict[str, Any]) -> None:
    """`primaryScalerReplicas`; a bound that is not given is the source's."""
    source = an_hpa() if ref is HPA_REF else a_scaled_object()
    least, most = (
        ("minReplicas", "maxReplicas") if ref is HPA_REF else ("minReplicaCount", "maxReplicaCount")
    )
    both = twin(scaled(ref, primaryScalerReplicas={"minReplicas": 7, "maxReplicas": 9}), source)
    assert (both["spec"][least], both["spec"][most]) == (7, 9)
    one = twin(scaled(ref, primaryScalerReplicas={"maxReplicas": 9}), source)
    assert (one["spec"][least], one["spec"][most]) == (source["spec"][least], 9)


def test_an_hpa_block_is_always_there_and_unknown_fields_travel() -> None:
    """As Flagger writes it; what a newer KEDA knows is not lost (D-53)."""
    source = a_scaled_object(initialCooldownPeriod=5, advanced={"scalingModifiers": {"x": 1}})
    spec = twin(scaled(KEDA_REF), source)["spec"]
    assert spec["advanced"] == {"scalingModifiers": {"x": 1}, "horizontalPodAutoscalerConfig": {}}
    assert spec["initialCooldownPeriod"] == 5


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("app='podinfo'", "app='podinfo-primary'"),
        ("app='podinfo-canary'", "app='podinfo-primary'"),
        ("a='podinfo-canary', b='podinfo'", "a='podinfo-primary', b='podinfo-primary'"),
        ("app='podinfo-primary'", "app='podinfo-primary'"),
        ("pod=~'podinfo-.*'", "pod=~'podinfo-primary-.*'"),
        ("pod=~'podinfo-[0-9a-f]+-.+'", "pod=~'podinfo-primary-[0-9a-f]+-.+'"),
        ("host='podinfo.test.svc'", "host='podinfo-primary.test.svc'"),
        ("podinfo_requests_total", "podinfo_requests_total"),
        ("app='podinfo-canary-cache'", "app='podinfo-canary-cache'"),
        ("app='podinfo-gateway'", "app='podinfo-gateway'"),
        ("app='my-podinfo'", "app='my-podinfo'"),
    ],
)
def test_names_of_the_target_in_a_query_become_the_primary_s(query: str, wanted: str) -> None:
    """16.2: with and without suffix, never twice. D-82: not within a longer word."""
    assert keda.rewritten(query, "podinfo", "podinfo-primary") == wanted


def test_queries_of_the_manifest_end_the_rewriting() -> None:
    """Triggers that are named get theirs, all others keep the source's."""
    source = a_scaled_object(("a{app='podinfo'}", "b{app='podinfo'}"))
    canary = scaled(KEDA_REF, primaryScalerQueries={"t1": "mine", "gone": "nobody's"})
    assert queries(twin(canary, source)) == ["a{app='podinfo'}", "mine"]


def test_triggers_without_a_query_are_copied() -> None:
    """Of a cron or a queue there is nothing to rewrite."""
    trigger = {"type": "cron", "metadata": {"start": "0 8 * * *", "desiredReplicas": "10"}}
    source = a_scaled_object(triggers=[trigger])
    assert twin(scaled(KEDA_REF), source)["spec"]["triggers"] == [trigger]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        (an_hpa(), 2),
        (an_hpa(minReplicas=None), 1),
        (an_hpa(minReplicas=0), 1),
        (None, 1),
    ],
)
def test_a_canary_begins_with_the_fewest_replicas_of_its_autoscaler(
    source: dict[str, Any] | None, wanted: int
) -> None:
    """7, "Scaling from zero": minReplicas if more than 1, else 1; also when it is not there."""
    assert scalers.SCALERS[scaled(HPA_REF).spec.autoscaler_ref.kind].fewest(source) == wanted  # type: ignore[union-attr]
    keda_kind = scalers.of(scaled(KEDA_REF))
    assert keda_kind is not None
    assert keda_kind.fewest(a_scaled_object(minReplicaCount=4)) == 4


def test_a_twin_in_step_needs_no_change_whatever_others_have_put_on_it() -> None:
    """D-70: metadata that are not ours are never a difference."""
    wanted = twin(scaled(HPA_REF), an_hpa())
    metadata = {**wanted["metadata"], "labels": {"team": "web", "argocd": "x"}, "uid": "t1"}
    live = {**wanted, "metadata": {**metadata, "annotations": {"note": "1"}}, "status": {"x": 1}}
    assert scaler.changes(live, wanted, "") == []


def test_a_twin_out_of_step_is_brought_back_and_resumed() -> None:
    """Bounds that were edited, labels that came; a pause would pin the primary to no pods."""
    wanted = twin(scaled(KEDA_REF), a_scaled_object())
    metadata = {**wanted["metadata"], "labels": {"own": "1"}, "annotations": {PAUSED: "0"}}
    live = {**wanted, "metadata": metadata, "spec": {**wanted["spec"], "maxReplicaCount": 99}}
    assert scaler.changes(live, wanted, PAUSED) == [
        {"op": "add", "path": "/metadata/labels", "value": {"own": "1", "team": "web"}},
        {"op": "add", "path": "/metadata/annotations", "value": {}},
        {"op": "add", "path": "/spec", "value": wanted["spec"]},
    ]


def test_what_is_kept_of_an_autoscaler_changes_only_with_what_it_is() -> None:
    """Its status, and with it its resourceVersion, change several times a minute."""
    raw = {**an_hpa(), "status": {"currentReplicas": 3}}
    raw["metadata"] = {**raw["metadata"], "uid": "h1", "resourceVersion": "7", "managedFields": []}
    later = {**raw, "status": {"currentReplicas": 4}}
    later["metadata"] = {**raw["metadata"], "resourceVersion": "8"}
    assert scaler.projected(raw) == scaler.projected(later)
    assert "resourceVersion" not in scaler.projected(raw)["metadata"]
    assert scaler.projected(raw)["spec"] == raw["spec"]


@pytest.mark.parametrize(
    ("owners", "target", "why"),
    [
        ([OWNER], "podinfo-primary", ""),
        ([], "podinfo-primary", ""),
        ([{**OWNER, "uid": "left"}], "podinfo-primary", ""),
        ([], "db", "it scales db, allowed is podinfo-primary"),
        ([{**OWNER, "uid": "x", "name": "other"}], "podinfo-primary", "controlled by Canary other"),
    ],
)
def test_only_an_autoscaler_of_one_s_own_primary_is_taken_for_the_twin(
    owners: list[dict[str, Any]], target: str, why: str
) -> None:
    """D-79: whoever merely has its name is neither adopted nor overwritten."""
    live = an_hpa(scaleTargetRef={"name": target})
    live["metadata"] = {"name": "podinfo-primary", "ownerReferences": owners}
    ref = CanaryRef("test", "podinfo")
    found = scaler.objection(live, ref, OWNER["uid"], "podinfo-primary", ["left"])  # type: ignore[arg-type]
    assert why in found
    assert bool(found) == bool(why)
