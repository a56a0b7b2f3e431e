"""Names of the objects made for a canary; also the place to find the well-known keys.

Source of the naming rules: docs/compatibility/values.md, "Names"; users' manifests, dashboards and
network policies rely on them.
"""

from __future__ import annotations

from config.api.canary import Canary
from config.well_known import (
    ALERT_PROVIDER_KIND,
    API_VERSION,
    CANARY_KIND,
    CANARY_SUFFIX,
    CONFIG_TRACKING_ANNOTATION,
    CONFIG_TRACKING_DISABLED_PREFIX,
    FINALIZER,
    FLUX_KEY_PART,
    FLUX_OPT_OUT_ANNOTATIONS,
    GROUP,
    KEDA_PAUSED_REPLICAS_ANNOTATION,
    LAST_APPLIED_ANNOTATION,
    LONGEST_BASE_NAME,
    MAX_LABEL_LENGTH,
    METRIC_TEMPLATE_KIND,
    ORIGINAL_CONFIGURATION_ANNOTATION,
    POD_TEMPLATE_ID_ANNOTATION,
    PRIMARY_REVISION_ANNOTATION,
    PRIMARY_SUFFIX,
    SCALE_TO_ZERO_NODE_SELECTOR,
    VERSION,
)

__all__ = [
    "ALERT_PROVIDER_KIND",
    "API_VERSION",
    "CANARY_KIND",
    "CANARY_SUFFIX",
    "CONFIG_TRACKING_ANNOTATION",
    "CONFIG_TRACKING_DISABLED_PREFIX",
    "FINALIZER",
    "FLUX_KEY_PART",
    "FLUX_OPT_OUT_ANNOTATIONS",
    "GROUP",
    "KEDA_PAUSED_REPLICAS_ANNOTATION",
    "LAST_APPLIED_ANNOTATION",
    "LONGEST_BASE_NAME",
    "MAX_LABEL_LENGTH",
    "METRIC_TEMPLATE_KIND",
    "ORIGINAL_CONFIGURATION_ANNOTATION",
    "POD_TEMPLATE_ID_ANNOTATION",
    "PRIMARY_REVISION_ANNOTATION",
    "PRIMARY_SUFFIX",
    "SCALE_TO_ZERO_NODE_SELECTOR",
    "VERSION",
    "apex_name",
    "canary_ingress",
    "canary_service",
    "primary_autoscaler",
    "primary_config",
    "primary_service",
    "primary_workload",
]


def apex_name(canary: Canary) -> str:
    """Name of the apex Service and of the routing object users address."""
    return canary.spec.service.name or canary.spec.target_ref.name


def primary_service(canary: Canary) -> str:
    """Name of the Service (and DestinationRule) of the primary pods.

    A Kubernetes Service as target keeps its own name: `service.name` is ignored there.
    """
    return _service_base(canary) + PRIMARY_SUFFIX


def canary_service(canary: Canary) -> str:
    """Name of the Service (and DestinationRule) of the canary pods."""
    return _service_base(canary) + CANARY_SUFFIX


def _service_base(canary: Canary) -> str:
    target = canary.spec.target_ref
    return target.name if target.is_kubernetes_service else apex_name(canary)


def primary_workload(canary: Canary) -> str:
    """Name of the generated workload that serves users between rollouts."""
    return canary.spec.target_ref.name + PRIMARY_SUFFIX


def primary_autoscaler(canary: Canary) -> str | None:
    """Name of the primary twin of the target's autoscaler; None without `autoscalerRef`."""
    ref = canary.spec.autoscaler_ref
    return ref.name + PRIMARY_SUFFIX if ref else None


def primary_config(name: str) -> str:
    """Name of the primary's copy of a tracked ConfigMap or Secret."""
    return name + PRIMARY_SUFFIX


def canary_ingress(canary: Canary) -> str | None:
    """Name of the generated NGINX ingress; None without `ingressRef`."""
    ref = canary.spec.ingress_ref
    return ref.name + CANARY_SUFFIX if ref else None
