"""Autoscalers as users write them, and the canary whose target they scale."""

from typing import Any, Final

from config.api.canary import Canary
from tests.unit.workloads.deployments import UID, a_canary

OWNER: Final = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "name": "podinfo",
    "uid": UID,
    "controller": True,
    "blockOwnerDeletion": True,
}
HPA_REF: Final = {
    "apiVersion": "autoscaling/v2beta2",
    "kind": "HorizontalPodAutoscaler",
    "name": "podinfo",
}
KEDA_REF: Final = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "podinfo-so"}
PAUSED: Final = "autoscaling.keda.sh/paused-replicas"
CPU: Final = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 99}},
}


def scaled(ref: dict[str, Any], **fields: Any) -> Canary:
    """The canary podinfo.test with this autoscalerRef, and further fields of it."""
    return a_canary(autoscalerRef={**ref, **fields})


def an_hpa(**spec: Any) -> dict[str, Any]:
    """The HorizontalPodAutoscaler podinfo.test, of two to four replicas."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": "podinfo",
            "namespace": "test",
            "labels": {"team": "web", "kustomize.toolkit.fluxcd.io/name": "x"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        },
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [CPU],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
            **spec,
        },
    }


def a_scaled_object(
    queries: tuple[str, ...] = (), *, annotations: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    """The ScaledObject podinfo-so.test, with a trigger `t0`, `t1`, … for each query."""
    triggers = [
        {
            "type": "prometheus",
            "name": f"t{index}",
            "metadata": {"serverAddress": "http://prom:9090", "threshold": "5", "query": query},
        }
        for index, query in enumerate(queries)
    ]
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {
            "name": "podinfo-so",
            "namespace": "test",
            "labels": {"team": "web"},
            "annotations": annotations or {},
        },
        "spec": {
            "scaleTargetRef": {"name": "podinfo"},
            "pollingInterval": 10,
            "minReplicaCount": 1,
            "maxReplicaCount": 3,
            "triggers": triggers,
            **spec,
        },
    }
