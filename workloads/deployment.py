"""The compact view of a Deployment: all that decisions and routing need of it, and no more.

Made by the watchers from raw objects, kept in Redis, read by every worker.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from workloads import revision

Object = Mapping[str, Any]

_SIDECARS: Final = frozenset({"istio-proxy", "envoy"})
"""Containers whose ports are the mesh's, not the application's."""

_STATUS: Final = ("observedGeneration", "replicas", "updatedReplicas", "availableReplicas")
_CONDITION: Final = ("type", "status", "reason", "lastUpdateTime")


class NoSelectorLabel(ValueError):
    """A Deployment whose pods cannot be told apart: its selector has no candidate label."""

    def __init__(self, name: str, namespace: str, keys: Sequence[str]) -> None:
        listed = " ".join(keys)
        super().__init__(
            f"getSelectorLabel failed: deployment {name}.{namespace} "
            f"spec.selector.matchLabels must contain one of [{listed}]"
        )


class Port(TypedDict):
    """A container port; `index` is its place in the list of its container."""

    container: str
    index: int
    name: str | None
    containerPort: int


def project(raw: Object, keys: Sequence[str]) -> dict[str, Any]:
    """The view of a Deployment; `keys` are the candidate selector labels, in order of preference.

    `selectorLabel` is `[key, value]` or None. `revision` is that of a target, and for a primary
    that of the target it was copied from. `controller` is the uid of the object that controls this
    one, empty for none. The resourceVersion is left out: no write relies on a view.
    """
    metadata, spec = raw["metadata"], raw.get("spec") or {}
    label = _selector_label(spec, keys)
    return {
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata.get("uid") or "",
        "generation": metadata.get("generation") or 0,
        "controller": _controller(metadata),
        "replicas": 1 if spec.get("replicas") is None else spec["replicas"],
        "revision": revision.workload_revision(
            spec.get("template") or {}, metadata["name"], label[0] if label else None, keys
        ),
        "selectorLabel": label,
        "ports": _ports(spec),
        "status": _status(raw.get("status") or {}),
    }


def selector_label(view: Mapping[str, Any], keys: Sequence[str]) -> tuple[str, str]:
    """The label that tells the pods of a viewed Deployment from others. Raises NoSelectorLabel."""
    label = view["selectorLabel"]
    if label is None:
        raise NoSelectorLabel(view["name"], view["namespace"], keys)
    return label[0], label[1]


def _selector_label(spec: Object, keys: Sequence[str]) -> list[str] | None:
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return next(([key, labels[key]] for key in keys if key in labels), None)


def _controller(metadata: Object) -> str:
    owners = metadata.get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def _ports(spec: Object) -> list[Port]:
    pod = (spec.get("template") or {}).get("spec") or {}
    return [
        Port(
            container=container["name"],
            index=index,
            name=port.get("name"),
            containerPort=port["containerPort"],
        )
        for container in pod.get("containers") or ()
        if container["name"] not in _SIDECARS
        for index, port in enumerate(container.get("ports") or ())
    ]


def _status(status: Object) -> dict[str, Any]:
    counts = {key: status.get(key) or 0 for key in _STATUS}
    conditions = [
        {key: condition.get(key) or "" for key in _CONDITION}
        for condition in status.get("conditions") or ()
    ]
    return {**counts, "conditions": conditions}
