"""Names of the objects made for a canary.

Source of the naming rules: docs/compatibility/values.md, "Names"; users' manifests, dashboards and
network policies rely on them.
"""

from __future__ import annotations

from config.api.canary import Canary
from config.api.references import AutoscalerRef
from config.well_known import CANARY_SUFFIX, PRIMARY_SUFFIX


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


def primary_scaler(ref: AutoscalerRef) -> str:
    """Name of the generated autoscaler of the primary, by the reference to the target's."""
    return ref.name + PRIMARY_SUFFIX
