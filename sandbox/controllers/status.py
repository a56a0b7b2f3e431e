"""The status a Deployment shows for the state of its ReplicaSets, as a pure function.

Source: `pkg/controller/deployment/{sync,progress}.go` of Kubernetes: counts, the Available and
Progressing conditions, their reasons, messages and times.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from config import moments
from sandbox.apiserver.objects import Obj, at
from sandbox.controllers.rollout import Bounds, SetState

_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")


def reconcile(deployment: Mapping[str, Any], sets: Sequence[SetState], now: datetime) -> Obj:
    """The status of `deployment` now; fields that are zero are left out, as Kubernetes does."""
    old = deployment.get("status") or {}
    bounds = Bounds.of(deployment)
    counts = _counts(sets)
    missing = max(sum(item.desired for item in sets) - counts["availableReplicas"], 0)
    shown = {**counts, "unavailableReplicas": missing}
    status: Obj = {"observedGeneration": at(deployment, ("metadata", "generation"), 1)}
    status |= {name: count for name, count in shown.items() if count}
    progressing = _progressing(deployment, sets, counts, now)
    conditions = [_available(old, counts["availableReplicas"], bounds, now), progressing]
    status["conditions"] = [condition for condition in conditions if condition]
    return status


def _counts(sets: Sequence[SetState]) -> dict[str, int]:
    return {
        "replicas": sum(item.pods for item in sets),
        "updatedReplicas": sum(item.pods for item in sets if item.is_new),
        "readyReplicas": sum(item.ready for item in sets),
        "availableReplicas": sum(item.available for item in sets),
    }


def _condition(old: Mapping[str, Any], kind: str) -> Obj | None:
    conditions = old.get("conditions") or ()
    return next((item for item in conditions if item["type"] == kind), None)


def _available(old: Mapping[str, Any], available: int, bounds: Bounds, now: datetime) -> Obj:
    enough = available >= bounds.replicas - bounds.unavailable
    before = _condition(old, "Available")
    wanted = "True" if enough else "False"
    if before is not None and before["status"] == wanted:
        return before
    return {
        "type": "Available",
        "status": wanted,
        "lastUpdateTime": moments.rfc3339(now),
        "lastTransitionTime": moments.rfc3339(now),
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"Deployment {'has' if enough else 'does not have'} minimum availability.",
    }


def _progressing(
    deployment: Mapping[str, Any],
    sets: Sequence[SetState],
    counts: Mapping[str, int],
    now: datetime,
) -> Obj | None:
    """The Progressing condition: complete, moving, or out of time."""
    old = deployment.get("status") or {}
    before = _condition(old, "Progressing")
    new = next((item for item in sets if item.is_new), None)
    if new is None:
        return before
    observed = old.get("observedGeneration") == at(deployment, ("metadata", "generation"), 1)
    settled = before is not None and before["reason"] == "NewReplicaSetAvailable"
    if settled and counts["replicas"] == counts["updatedReplicas"] and observed:
        return before
    if _is_complete(deployment, counts):
        text = f'ReplicaSet "{new.name}" has successfully progressed.'
        return _moved(before, "True", "NewReplicaSetAvailable", text, now)
    if before is None or before["message"].find(f'"{new.name}"') < 0:
        text = f'Created new replica set "{new.name}"'
        return _moved(before, "True", "NewReplicaSetCreated", text, now)
    if _has_progressed(old, counts):
        text = f'ReplicaSet "{new.name}" is progressing.'
        return _moved(before, "True", "ReplicaSetUpdated", text, now)
    if _is_late(deployment, before, now):
        text = f'ReplicaSet "{new.name}" has timed out progressing.'
        return _moved(before, "False", "ProgressDeadlineExceeded", text, now)
    return before


def _moved(before: Obj | None, value: str, reason: str, message: str, now: datetime) -> Obj:
    transition = moments.rfc3339(now)
    if before is not None and before["status"] == value:
        transition = before["lastTransitionTime"]
    return {
        "type": "Progressing",
        "status": value,
        "lastUpdateTime": moments.rfc3339(now),
        "lastTransitionTime": transition,
        "reason": reason,
        "message": message,
    }


def _is_complete(deployment: Mapping[str, Any], counts: Mapping[str, int]) -> bool:
    replicas = at(deployment, ("spec", "replicas"), 1)
    return all(counts[name] == replicas for name in ("replicas", "updatedReplicas")) and (
        counts["availableReplicas"] == replicas
    )


def _has_progressed(old: Mapping[str, Any], counts: Mapping[str, int]) -> bool:
    before = {name: old.get(name, 0) for name in _COUNTS}
    grown = any(counts[name] > before[name] for name in _COUNTS[1:])
    left = before["replicas"] - before["updatedReplicas"]
    return grown or counts["replicas"] - counts["updatedReplicas"] < left


def deadline(deployment: Mapping[str, Any]) -> datetime | None:
    """When the rollout runs out of time; None when none is under way."""
    before = _condition(deployment.get("status") or {}, "Progressing")
    if before is None or before["reason"] in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    seconds = at(deployment, ("spec", "progressDeadlineSeconds"), 600)
    return datetime.fromisoformat(before["lastUpdateTime"]) + timedelta(seconds=seconds)


def _is_late(deployment: Mapping[str, Any], before: Obj, now: datetime) -> bool:
    if before["reason"] == "ProgressDeadlineExceeded":
        return False
    limit = deadline(deployment)
    return limit is not None and now > limit
