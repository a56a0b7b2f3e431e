"""What a kind of autoscaler is, and what the twins of all kinds have in common. Pure.

A canary's autoscaler scales its target; the twin made from it scales the primary in the same way.
Rules: docs/compatibility/lifecycle.md, "Autoscalers".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clients.kube.protocol import Object
from clients.kube.resources import Resource
from config import names, ownership, well_known
from config.api.canary import Canary
from config.api.references import AutoscalerKind, AutoscalerRef, PrimaryScalerReplicas
from config.refs import CanaryRef
from workloads import revision

_KEPT: Final = ("name", "namespace", "uid", "labels", "annotations", "ownerReferences")
"""Metadata that say what an autoscaler is; the others change with every word of its controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaler:
    """Pure functions over raw objects of one kind of autoscaler."""

    name: AutoscalerKind
    resource: Resource
    spec: Callable[[Canary, AutoscalerRef, Object], dict[str, Any]]
    """The spec of the primary's twin, of the source as it is."""
    least: str
    """The field of the spec with the fewest replicas."""
    pause: str = ""
    """The annotation that keeps it from scaling its target; empty where a target without replicas
    is left alone anyway."""
    told: str
    """The kind in the words of Flagger's events."""
    has_annotations: bool = False
    """Whether a twin gets the annotations of its source."""

    def twin(self, canary: Canary, ref: AutoscalerRef, source: Object) -> dict[str, Any]:
        """The twin that scales the primary of `canary` as `source` scales the target."""
        metadata = source["metadata"]
        annotations = revision.copied(metadata.get("annotations")) if self.has_annotations else {}
        left_out = {self.pause, well_known.LAST_APPLIED_ANNOTATION}
        kept = {key: text for key, text in annotations.items() if key not in left_out}
        return {
            "apiVersion": self.resource.api_version,
            "kind": self.resource.kind,
            "metadata": {
                "name": names.primary_scaler(ref),
                "namespace": canary.namespace,
                "labels": revision.copied(metadata.get("labels")),
                "annotations": kept,
                "ownerReferences": [ownership.reference(canary)],
            },
            "spec": self.spec(canary, ref, source["spec"]),
        }

    def fewest(self, source: Object | None) -> int:
        """How many replicas a target is scaled up to, to be left to its autoscaler from then on."""
        return max(1, ((source or {}).get("spec") or {}).get(self.least) or 1)

    def is_paused(self, raw: Object) -> bool:
        """Whether it is kept from scaling."""
        return (raw["metadata"].get("annotations") or {}).get(self.pause) == "0"


def projected(raw: Object) -> dict[str, Any]:
    """An autoscaler without status and bookkeeping, which change all the time."""
    metadata = {key: raw["metadata"][key] for key in _KEPT if key in raw["metadata"]}
    kept = {key: raw[key] for key in ("apiVersion", "kind") if key in raw}
    return {**kept, "metadata": metadata, "spec": raw.get("spec") or {}}


def changes(live: Object, wanted: Object, pause: str) -> list[Mapping[str, Any]]:
    """The JSON patch that brings a twin in step; empty when it is.

    Labels and annotations that others have put on it stay, except one that pauses it: that would
    pin the primary to no pods.
    """
    present, meant = live["metadata"], wanted["metadata"]
    patch = []
    for field in ("labels", "annotations"):
        before = present.get(field) or {}
        after = {key: text for key, text in before.items() if key != pause} | meant[field]
        patch += [setting(f"/metadata/{field}", after)] if after != before else []
    if live.get("spec") != wanted["spec"]:
        patch.append(setting("/spec", wanted["spec"]))
    return patch


def of_primary(canary: Canary, reference: Mapping[str, Any]) -> dict[str, Any]:
    """The reference to a target as one to its primary; further fields are kept."""
    return {**reference, "name": names.primary_workload(canary)}


def bounds(replicas: PrimaryScalerReplicas | None, least: str, most: str) -> dict[str, int]:
    """The bounds that the manifest sets for the primary, under the names of their fields."""
    if replicas is None:
        return {}
    wanted = {least: replicas.min_replicas, most: replicas.max_replicas}
    return {field: number for field, number in wanted.items() if number is not None}


def setting(path: str, value: Any) -> Mapping[str, Any]:
    """The operation of a JSON patch that gives a field a value, whether it is there or not."""
    return {"op": "add", "path": path, "value": value}


def scaled_by(autoscaler: Object) -> Any:
    """The name of what an autoscaler scales; None where it does not say."""
    return ((autoscaler.get("spec") or {}).get("scaleTargetRef") or {}).get("name")


def objection(
    twin: Object, canary: CanaryRef, uid: str, primary: str, left_by: Collection[str]
) -> str:
    """Why `twin` is not that of the `canary` object `uid` with that `primary`; or empty.

    One that nobody controls is adopted if it scales the primary, such as one that outlived its
    canary; so is that of a canary whose uid is in `left_by`.
    """
    metadata = twin["metadata"]
    holder = ownership.controller(metadata)
    name = f"{twin.get('kind')} {metadata['name']}.{canary.namespace}"
    meant = f"{name} is not the autoscaler of the primary of canary {canary.dotted}"
    if holder is not None:
        if holder.get("uid") in {uid, *left_by}:
            return ""
        owner = ownership.named(holder)
        return f"{meant}: it is controlled by {owner}; delete {name}, or give it to this canary"
    scaled = scaled_by(twin)
    return "" if scaled == primary else f"{meant}: it scales {scaled}, allowed is {primary}"
