"""Whether a Deployment can take traffic, and until when it is worth waiting for it.

Source: Flagger's readiness table; two deadlines exist, the Deployment's own and the canary's.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from clients.documents.world import WorkloadStatus, WorkloadView
from config.readiness import READY, Readiness

_WAITING: Final = "waiting for rollout to finish: "


def judge(
    view: WorkloadView, percent: int, deadline: timedelta, began: datetime, now: datetime
) -> Readiness:
    """Whether the viewed Deployment is ready, with `percent` of its updated pods available.

    Not retriable once the Deployment gave up by itself, or its patience ends.
    """
    status = view.status
    if view.generation > status.observed_generation:
        return Readiness(
            ready=False,
            message=f"{_WAITING}observed deployment generation less than desired generation",
        )
    if status.condition("Progressing").reason == "ProgressDeadlineExceeded":
        message = f'deployment "{view.name}" exceeded its progress deadline'
        return Readiness(ready=False, retriable=False, message=message)
    missing = _missing(view.replicas, status, percent)
    if not missing:
        return READY
    ends = patience_ends(view, deadline, began)
    retriable = ends is None or now < ends
    return Readiness(ready=False, retriable=retriable, message=_WAITING + missing)


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


def _missing(desired: int, status: WorkloadStatus, percent: int) -> str:
    """What is missing for readiness, empty when nothing is."""
    updated, present = status.updated_replicas, status.replicas
    available = status.available_replicas
    if updated < desired:
        return f"{updated} out of {desired} new replicas have been updated"
    if present > updated:
        return f"{present - updated} old replicas are pending termination"
    required = _required(updated, percent)
    if available < required:
        return (
            f"{available} of {required} (readyThreshold {percent}%) updated replicas are available"
        )
    return ""


def _required(updated: int, percent: int) -> int:
    """Pods that must be available: rounded down, but one at least unless 0 % are asked for.

    Rounding down alone would call a single pod ready that is not there.
    """
    return max(updated * percent // 100, min(1, updated) if percent else 0)
