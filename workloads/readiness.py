"""Whether a Deployment can take traffic, and until when it is worth waiting for it.

Source: Flagger's readiness table; two deadlines exist, the Deployment's own and the canary's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from config.readiness import READY, Readiness

_WAITING: Final = "waiting for rollout to finish: "


def judge(view: Mapping[str, Any], percent: int, deadline: timedelta, now: datetime) -> Readiness:
    """Whether the viewed Deployment is ready, with `percent` of its updated pods available.

    Not retriable once the Deployment gave up by itself, or has been unavailable for `deadline`.
    """
    status = view["status"]
    if view["generation"] > status["observedGeneration"]:
        return Readiness(
            ready=False,
            message=f"{_WAITING}observed deployment generation less than desired generation",
        )
    if _condition(status, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        message = f'deployment "{view["name"]}" exceeded its progress deadline'
        return Readiness(ready=False, retriable=False, message=message)
    missing = _missing(view["replicas"], status, percent)
    if not missing:
        return READY
    ends = patience_ends(view, deadline)
    retriable = ends is None or now < ends
    return Readiness(ready=False, retriable=retriable, message=_WAITING + missing)


def patience_ends(view: Mapping[str, Any], deadline: timedelta) -> datetime | None:
    """When an unavailable Deployment has been so for `deadline`; None while it is available."""
    status = view["status"]
    available = _condition(status, "Available")
    unavailable = (available.get("status"), available.get("reason")) == (
        "False",
        "MinimumReplicasUnavailable",
    )
    if not (unavailable and _condition(status, "Progressing") and available["lastUpdateTime"]):
        return None
    return datetime.fromisoformat(available["lastUpdateTime"]) + deadline


def _missing(desired: int, status: Mapping[str, Any], percent: int) -> str:
    """What is missing for readiness, empty when nothing is."""
    updated, present = status["updatedReplicas"], status["replicas"]
    available = status["availableReplicas"]
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


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((item for item in status["conditions"] if item["type"] == kind), {})
