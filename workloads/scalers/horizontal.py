"""HorizontalPodAutoscalers: Kubernetes leaves a target without replicas alone by itself. Pure."""

from __future__ import annotations

from typing import Any, Final

from clients.kube import resources
from clients.kube.protocol import Object
from config.api.canary import Canary
from config.api.references import AutoscalerKind, AutoscalerRef
from workloads.scalers import scaler
from workloads.scalers.scaler import Scaler

LEAST, MOST = "minReplicas", "maxReplicas"


def spec(canary: Canary, ref: AutoscalerRef, source: Object) -> dict[str, Any]:
    """The twin's spec: the source's with the primary as its target, and the manifest's bounds."""
    return {
        **source,
        "scaleTargetRef": scaler.of_primary(canary, source.get("scaleTargetRef") or {}),
        **scaler.bounds(ref.primary_scaler_replicas, LEAST, MOST),
    }


SCALER: Final = Scaler(
    name=AutoscalerKind.HORIZONTAL_POD_AUTOSCALER,
    resource=resources.HORIZONTAL_POD_AUTOSCALERS,
    spec=spec,
    least=LEAST,
    told="HorizontalPodAutoscaler",
)
