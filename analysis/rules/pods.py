"""What each side has to serve with: whether it is ready, and how many pods are available."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from analysis.decisions import Case
from analysis.observation import Workload
from config.readiness import Readiness

_WAITING: Final = "waiting for rollout to finish: "
_STALE: Final = Readiness(
    ready=False,
    message=f"{_WAITING}observed deployment generation less than desired generation",
)
_ABSENT: Final = Readiness(ready=False, message="deployment not found")
AT_ZERO: Final = Readiness(ready=False, message=f"{_WAITING}scaled to zero")
"""What is said of a workload without replicas."""


def primary_readiness(case: Case) -> Readiness:
    """Whether the primary can take traffic."""
    return _readiness(case.primary, is_gone=case.is_primary_gone)


def canary_readiness(case: Case) -> Readiness:
    """Whether the canary can take traffic."""
    return _readiness(case.target, is_gone=case.is_target_gone)


def patience(workload: Workload | None) -> datetime | None:
    """When an unready workload runs out of its deadline; None when no clock is running."""
    return workload.patience_ends if workload else None


def of_primary(case: Case) -> int | None:
    """The available pods of the primary; None while they are not known."""
    return _available(case.primary, is_gone=case.is_primary_gone)


def of_canary(case: Case) -> int | None:
    """The available pods of the canary; None while they are not known."""
    return _available(case.target, is_gone=case.is_target_gone)


def is_primary_lost(case: Case) -> bool:
    """Whether the primary has no available pod, and will not have one by itself."""
    if of_primary(case) != 0:
        return False
    ready = primary_readiness(case)
    return case.is_primary_gone or ready == AT_ZERO or not ready.retriable


def is_canary_lost(case: Case) -> bool:
    """Whether the canary has nothing to serve with, and the primary has, or ends with it."""
    return case.is_target_gone or (of_canary(case) == 0 and bool(of_primary(case)))


def _readiness(workload: Workload | None, *, is_gone: bool) -> Readiness:
    """Whether `workload` can take traffic.

    One without replicas, or without any available pod, is not ready, whatever its status says and
    however few pods the manifest asks for.
    """
    if workload is None:
        return _ABSENT if is_gone else _STALE
    if workload.replicas == 0:
        return AT_ZERO
    if workload.readiness.ready and workload.available == 0:
        return replace(workload.readiness, ready=False, message=f"{_WAITING}no pod is available")
    return workload.readiness


def _available(workload: Workload | None, *, is_gone: bool) -> int | None:
    """Pods that stay: those of a workload that is scaled to zero are on their way out."""
    if workload is None:
        return 0 if is_gone else None
    return workload.available if workload.replicas else 0
