"""ScaledObjects of KEDA, whose queries tell the pods of the primary from those of the target. Pure.

Unlike Flagger's, a target's name within a longer word of a query is not taken for the target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from clients.kube import resources
from clients.kube.protocol import Object
from config import names, well_known
from config.api.canary import Canary
from config.api.references import AutoscalerKind, AutoscalerRef
from workloads.scalers import scaler
from workloads.scalers.scaler import Scaler

LEAST, MOST = "minReplicaCount", "maxReplicaCount"
_OF_HPA: Final = "horizontalPodAutoscalerConfig"


def spec(canary: Canary, ref: AutoscalerRef, source: Object) -> dict[str, Any]:
    """The twin's spec: the source's with target, queries, HPA name and bounds of the primary."""
    advanced = source.get("advanced") or {}
    return {
        **source,
        "scaleTargetRef": scaler.of_primary(canary, source.get("scaleTargetRef") or {}),
        "triggers": [_trigger(canary, ref, each) for each in source.get("triggers") or ()],
        "advanced": {**advanced, _OF_HPA: _of_hpa(advanced.get(_OF_HPA) or {})},
        **scaler.bounds(ref.primary_scaler_replicas, LEAST, MOST),
    }


def rewritten(query: str, target: str, primary: str) -> str:
    """`query` with `primary` in the place of each `target` and `target-canary` in it."""
    named = rf"(?<![\w-]){re.escape(target)}(?:{well_known.CANARY_SUFFIX})?(?!\w|-\w)"
    return re.sub(named, lambda _: primary, query, flags=re.ASCII)


def _trigger(canary: Canary, ref: AutoscalerRef, trigger: Mapping[str, Any]) -> Mapping[str, Any]:
    """A trigger as the twin's: with the query that the manifest has for it, if it has any."""
    metadata, queries = trigger.get("metadata") or {}, ref.primary_scaler_queries
    if queries is not None:
        query = queries.get(trigger.get("name") or "")
    else:
        target, primary = canary.spec.target_ref.name, names.primary_workload(canary)
        query = rewritten(metadata.get("query") or "", target, primary)
    return {**trigger, "metadata": {**metadata, "query": query}} if query else trigger


def _of_hpa(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the HorizontalPodAutoscaler that KEDA makes; two cannot have one name."""
    name = config.get("name")
    return {**config, **({"name": name + well_known.PRIMARY_SUFFIX} if name else {})}


SCALER: Final = Scaler(
    name=AutoscalerKind.SCALED_OBJECT,
    resource=resources.SCALED_OBJECTS,
    spec=spec,
    least=LEAST,
    pause="autoscaling.keda.sh/paused-replicas",
    told="Keda ScaledObject",
    has_annotations=True,
)
