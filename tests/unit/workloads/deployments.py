"""Deployments as an API server shows them, and the canary that releases them."""

from collections.abc import Mapping
from typing import Any, Final

from config.api.canary import Canary
from config.validation.manifests import load_canary
from workloads.primary import Copying

KEYS: Final = ("app", "name", "app.kubernetes.io/name")
COPYING: Final = Copying(KEYS)
LABEL: Final = ("app", "podinfo")
POD_ID: Final = "7f4a0f6e-1b7f-4cf5-a0cf-0c9f6f5ad3f1"
UID: Final = "c4n4ry"


def a_canary(**spec: Any) -> Canary:
    """The canary podinfo.test of Deployment podinfo."""
    return load_canary(
        {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "metadata": {"name": "podinfo", "namespace": "test", "uid": UID, "generation": 1},
            "spec": {
                "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"},
                "service": {"port": 9898},
                "analysis": {"interval": "1m", "threshold": 5, "stepWeight": 10},
                **spec,
            },
        }
    )


def a_template(image: str = "podinfo:1", **pod: Any) -> dict[str, Any]:
    """A pod template; `pod` are further fields of its spec."""
    return {
        "metadata": {
            "creationTimestamp": None,
            "labels": {"app": "podinfo", "tier": "web", "kustomize.toolkit.fluxcd.io/name": "x"},
            "annotations": {
                "prometheus.io/scrape": "true",
                "flagger-id": "of-old",
                "reconcile.toolkit.fluxcd.io/at": "1",
            },
        },
        "spec": {"containers": [{"name": "podinfod", "image": image}], **pod},
    }


def a_target(
    template: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """The Deployment podinfo.test with three replicas."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "podinfo", "namespace": "test", **(metadata or {})},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "podinfo"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
            "progressDeadlineSeconds": 60,
            "template": template or a_template(),
            **spec,
        },
        **({"status": status} if status else {}),
    }


def spread(value: str, key: str = "app") -> dict[str, Any]:
    """Pod fields that keep pods of the workload `value` apart, in every way there is."""
    labels = {"labelSelector": {"matchLabels": {key: value, "tier": value}}}
    expression = {
        "labelSelector": {
            "matchExpressions": [
                {"key": key, "operator": "In", "values": [value, value]},
                {"key": "tier", "operator": "In", "values": [value]},
                {"key": key, "operator": "Exists"},
            ]
        }
    }
    node = {"nodeSelectorTerms": [{"matchFields": [{"key": key, "values": [value]}]}]}
    return {
        "topologySpreadConstraints": [{"maxSkew": 1, **labels}, {"maxSkew": 2, **expression}],
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "host", **expression}
                ],
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", **labels}}
                ],
            },
            "podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"topologyKey": "host", **labels}
                ]
            },
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": node},
        },
    }
