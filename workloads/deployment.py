"""Deployments: the compact view that decisions and routing need, and whether one takes traffic.

Views are made by the watchers from raw objects, kept in Redis, read by every worker. Readiness is
that of Flagger's table; two deadlines exist, the Deployment's own and the canary's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from clients.documents.world import (
    Condition,
    ContainerPort,
    SelectorLabel,
    WorkloadStatus,
    WorkloadView,
)
from clients.kube.protocol import Object
from config import ownership, readiness, well_known
from config.readiness import READY, Readiness
from workloads import revision, tracker_references

_SIDECARS: Final = frozenset({"istio-proxy", "envoy"})
"""Containers of the mesh, not of the application."""


def project(raw: Object, keys: Sequence[str], status: WorkloadStatus | None = None) -> WorkloadView:
    """The view of a Deployment; `keys` are the candidate selector labels, in preferred order.

    `status` is that of a workload of another kind.
    """
    metadata, spec = raw["metadata"], raw.get("spec") or {}
    template, label = spec.get("template") or {}, _selector_label(spec, keys)
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    holder = ownership.controller(metadata)
    return WorkloadView(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata.get("uid") or "",
        generation=metadata.get("generation") or 0,
        controller=(holder or {}).get("uid", ""),
        owner=ownership.named(holder),
        replicas=1 if spec.get("replicas") is None else spec["replicas"],
        revision=revision.workload_revision(
            template, metadata["name"], label[0] if label else None, keys
        ),
        selector_label=label,
        shared_labels=_shared_labels(spec, label),
        ports=tuple(_ports(spec)),
        configs=tracker_references.referenced(template.get("spec") or {}),
        pod_id=annotations.get(well_known.POD_TEMPLATE_ID_ANNOTATION) or "",
        images=images(template.get("spec") or {}),
        status=status or _status(raw.get("status") or {}),
    )


def images(pods: Mapping[str, Any]) -> tuple[str, ...]:
    """The images of regular containers in a pod spec, without the mesh's."""
    containers = [each for each in pods.get("containers") or () if each.get("image")]
    own = (each["image"] for each in containers if each.get("name") not in _SIDECARS)
    return tuple(map(str, own))


def scaled(replicas: int, live: Object) -> Sequence[Mapping[str, Any]]:  # noqa: ARG001
    """The JSON patch that asks for `replicas`."""
    return [{"op": "add", "path": "/spec/replicas", "value": replicas}]


def judge(
    view: WorkloadView, percent: int, deadline: timedelta, began: datetime, now: datetime
) -> Readiness:
    """Whether the viewed Deployment is ready, with `percent` of its updated pods available.

    Not retriable once the Deployment gave up by itself, or its patience ends.
    """
    status = view.status
    if view.generation > status.observed_generation:
        return readiness.stale("deployment")
    if status.condition("Progressing").reason == "ProgressDeadlineExceeded":
        message = f'deployment "{view.name}" exceeded its progress deadline'
        return Readiness(ready=False, retriable=False, message=message)
    missing = _missing(view.replicas, status, percent)
    if not missing:
        return READY
    ends = patience_ends(view, deadline, began)
    retriable = ends is None or now < ends
    return Readiness(ready=False, retriable=retriable, message=readiness.WAITING + missing)


def patience_ends(view: WorkloadView, deadline: timedelta, began: datetime) -> datetime | None:
    """When an unavailable Deployment has been so for `deadline`; None while it is available.

    Counted from `began`, when it was given its present revision, if it has been unavailable since
    before: its condition keeps the time of whichever revision was the first in trouble.
    """
    available = view.status.condition("Available")
    unavailable = (available.status, available.reason) == ("False", "MinimumReplicasUnavailable")
    if not (unavailable and view.status.has("Progressing") and available.updated):
        return None
    return max(datetime.fromisoformat(available.updated), began) + deadline


def _selector_label(spec: Object, keys: Sequence[str]) -> SelectorLabel | None:
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return next(((key, labels[key]) for key in keys if key in labels), None)


def _shared_labels(spec: Object, label: SelectorLabel | None) -> tuple[SelectorLabel, ...]:
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return tuple(item for item in sorted(labels.items()) if item != label)


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


def _missing(desired: int, status: WorkloadStatus, percent: int) -> str:
    """What is missing for readiness, empty when nothing is."""
    updated, present = status.updated_replicas, status.replicas
    available = status.available_replicas
    if updated < desired:
        return f"{updated} out of {desired} new replicas have been updated"
    if present > updated:
        return f"{present - updated} old replicas are pending termination"
    # Rounded down, but one at least: a single pod that is not there would be ready otherwise.
    required = max(updated * percent // 100, min(1, updated) if percent else 0)
    if available < required:
        return (
            f"{available} of {required} (readyThreshold {percent}%) updated replicas are available"
        )
    return ""
