"""DaemonSets: the compact view, whether one takes traffic, its primary, and how it is parked.

A DaemonSet has no replicas: one that is to have no pods selects nodes that do not exist. Nothing in
its status says since when pods are missing, so its deadline counts from when it was given its
revision, and a primary that was given none lately has no deadline (Flagger counts from the last
write of the Canary's status). Pure. Rules: docs/compatibility/lifecycle.md, "DaemonSets".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from clients import errors
from clients.documents.world import SelectorLabel, WorkloadStatus, WorkloadView
from clients.kube.protocol import Object
from config import moments, readiness, well_known
from config.api.canary import Canary
from config.readiness import READY, Readiness
from workloads import deployment, primary
from workloads.primary import Copying

_COPIED: Final = ("minReadySeconds", "revisionHistoryLimit", "updateStrategy")
_SELECTOR: Final = "/spec/template/spec/nodeSelector"


def project(raw: Object, keys: Sequence[str]) -> WorkloadView:
    """The view of a DaemonSet; what scales it to zero is no part of its revision."""
    return deployment.project(
        {**raw, "spec": {**_unparked(raw)["spec"], "replicas": _replicas(raw)}},
        keys,
        status=_status(raw.get("status") or {}),
    )


def judge(
    view: WorkloadView, percent: int, deadline: timedelta, began: datetime, now: datetime
) -> Readiness:
    """Whether the viewed DaemonSet is ready, with `percent` of its pods available."""
    if view.generation > view.status.observed_generation:
        return readiness.stale("daemonset")
    missing = _missing(view.status, percent)
    if not missing:
        return READY
    ends = patience_ends(view, deadline, began)
    if ends is not None and now >= ends:
        seconds = int(deadline.total_seconds())
        message = f"exceeded its progressDeadlineSeconds: {seconds}"
        return Readiness(ready=False, retriable=False, message=message)
    return Readiness(ready=False, message=readiness.WAITING + missing)


def patience_ends(view: WorkloadView, deadline: timedelta, began: datetime) -> datetime | None:  # noqa: ARG001
    """When its `deadline` is over; None for one of which it is not known when it `began`."""
    return None if began <= moments.EPOCH else began + deadline


def create(
    canary: Canary, target: Object, label: SelectorLabel, copying: Copying, *, pod_id: str
) -> dict[str, Any]:
    """The primary DaemonSet of `target`; see `primary.create`. It runs, though its target may not.

    Raises Permanent for a target whose pods are not replaced when its template changes.
    """
    strategy = (target["spec"].get("updateStrategy") or {}).get("type")
    if strategy not in {None, "", "RollingUpdate"}:
        name = f"{target['metadata']['name']}.{canary.namespace}"
        raise errors.Permanent(
            f"createPrimaryDaemonSet failed: daemonset {name} must have RollingUpdate strategy "
            f"but have {strategy}"
        )
    running = _unparked(target)
    made = primary.create(canary, running, label, copying, pod_id=pod_id, fields=_COPIED)
    spec = {field: value for field, value in made["spec"].items() if field != "replicas"}
    return {**made, "kind": "DaemonSet", "spec": spec}


def promote(
    canary: Canary, target: Object, label: SelectorLabel, copying: Copying, *, pod_id: str
) -> list[Mapping[str, Any]]:
    """The JSON patch that gives a primary the revision of `target`; see `primary.promote`."""
    running = _unparked(target)
    return primary.promote(canary, running, label, copying, pod_id=pod_id, fields=_COPIED)


def scaled(replicas: int, live: Object) -> Sequence[Mapping[str, Any]]:
    """The JSON patch that lets the `live` DaemonSet have pods, or none."""
    spec = live["spec"]["template"].get("spec") or {}
    kept = _without_key(spec.get("nodeSelector"))
    wanted = kept if replicas else {**kept, well_known.SCALE_TO_ZERO_SELECTOR: "true"}
    return [{"op": "add", "path": _SELECTOR, "value": wanted}]


def _replicas(raw: Object) -> int:
    """None for one that is scaled to zero; at least one else, for it is meant to have pods."""
    spec = (raw.get("spec") or {}).get("template", {}).get("spec") or {}
    if well_known.SCALE_TO_ZERO_SELECTOR in (spec.get("nodeSelector") or {}):
        return 0
    return max(1, (raw.get("status") or {}).get("desiredNumberScheduled") or 0)


def _unparked(raw: Object) -> dict[str, Any]:
    """A DaemonSet that is not scaled to zero; an empty node selector is none."""
    spec = raw.get("spec") or {}
    template = spec.get("template") or {}
    pod = dict(template.get("spec") or {})
    if selector := _without_key(pod.pop("nodeSelector", None)):
        pod["nodeSelector"] = selector
    return {**raw, "spec": {**spec, "template": {**template, "spec": pod}}}


def _without_key(selector: Mapping[str, str] | None) -> dict[str, str]:
    return {
        key: value
        for key, value in (selector or {}).items()
        if key != well_known.SCALE_TO_ZERO_SELECTOR
    }


def _status(status: Object) -> WorkloadStatus:
    return WorkloadStatus(
        observed_generation=status.get("observedGeneration") or 0,
        replicas=status.get("desiredNumberScheduled") or 0,
        updated_replicas=status.get("updatedNumberScheduled") or 0,
        available_replicas=status.get("numberAvailable") or 0,
    )


def _missing(status: WorkloadStatus, percent: int) -> str:
    """What is missing for readiness, empty when nothing is."""
    desired, updated, available = (
        status.replicas,
        status.updated_replicas,
        status.available_replicas,
    )
    if updated < desired:
        return f"{updated} out of {desired} new pods have been updated"
    # Rounded down, but one at least: a single pod that is not there would be ready otherwise.
    required = max(desired * percent // 100, min(1, desired) if percent else 0)
    if available < required:
        return f"{available} of {required} (readyThreshold {percent}%) updated pods are available"
    return ""
