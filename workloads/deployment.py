"""The compact view of a Deployment: all that decisions and routing need of it, and no more.

Made by the watchers from raw objects, kept in Redis, read by every worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from clients.documents.world import (
    Condition,
    ContainerPort,
    SelectorLabel,
    WorkloadStatus,
    WorkloadView,
)
from clients.kube.protocol import Object
from workloads import revision

_SIDECARS: Final = frozenset({"istio-proxy", "envoy"})
"""Containers whose ports are the mesh's, not the application's."""


def project(raw: Object, keys: Sequence[str]) -> WorkloadView:
    """The view of a Deployment; `keys` are the candidate selector labels, in preferred order."""
    metadata, spec = raw["metadata"], raw.get("spec") or {}
    label = _selector_label(spec, keys)
    return WorkloadView(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata.get("uid") or "",
        generation=metadata.get("generation") or 0,
        controller=_controller(metadata),
        replicas=1 if spec.get("replicas") is None else spec["replicas"],
        revision=revision.workload_revision(
            spec.get("template") or {}, metadata["name"], label[0] if label else None, keys
        ),
        selector_label=label,
        ports=tuple(_ports(spec)),
        status=_status(raw.get("status") or {}),
    )


def scaled(replicas: int) -> Sequence[Mapping[str, Any]]:
    """The JSON patch that asks for `replicas`."""
    return [{"op": "add", "path": "/spec/replicas", "value": replicas}]


def no_selector_label(view: WorkloadView, keys: Sequence[str]) -> str:
    """What is said of a Deployment whose pods cannot be told apart: none of `keys` selects them."""
    return (
        f"getSelectorLabel failed: deployment {view.name}.{view.namespace} "
        f"spec.selector.matchLabels must contain one of [{' '.join(keys)}]"
    )


def _selector_label(spec: Object, keys: Sequence[str]) -> SelectorLabel | None:
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return next(((key, labels[key]) for key in keys if key in labels), None)


def _controller(metadata: Object) -> str:
    owners = metadata.get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def _ports(spec: Object) -> Iterator[ContainerPort]:
    pod = (spec.get("template") or {}).get("spec") or {}
    for container in pod.get("containers") or ():
        if container["name"] in _SIDECARS:
            continue
        for index, port in enumerate(container.get("ports") or ()):
            name = port.get("name") or None
            yield ContainerPort(container["name"], index, name, port["containerPort"])


def _status(status: Object) -> WorkloadStatus:
    return WorkloadStatus(
        observed_generation=status.get("observedGeneration") or 0,
        replicas=status.get("replicas") or 0,
        updated_replicas=status.get("updatedReplicas") or 0,
        available_replicas=status.get("availableReplicas") or 0,
        conditions=tuple(map(_condition, status.get("conditions") or ())),
    )


def _condition(raw: Object) -> Condition:
    read = (raw.get(field) or "" for field in ("type", "status", "reason", "lastUpdateTime"))
    return Condition(*read)
