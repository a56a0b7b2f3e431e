"""What is told of a decision: an entry of the timeline, and notices. Pure."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any, Final

from analysis import alerting
from analysis.decisions import Decision
from analysis.events import Event
from analysis.findings import CheckResult, Findings
from analysis.observation import Observation
from analysis.phases import shown
from analysis.state import RolloutState
from clients.documents.notice import Notice

_TOLD: Final = [each.name for each in fields(CheckResult) if each.name != "took"]
"""What is kept of a check as it is."""


def notice(seen: Observation, decision: Decision, event: Event) -> Notice:
    """`event` as it waits for delivery, with what was known of the rollout when it was decided."""
    state, before = decision.state, seen.state
    return Notice(
        uid=seen.uid,
        at=seen.now,
        severity=event.severity,
        message=event.message,
        fields={
            "phase": shown(state.phase),
            "told": shown(state.phase if event.is_entering or before is None else before.phase),
            "split": str(state.route.split),
            "revision": state.applied,
            "failedChecks": str(state.failed_checks),
        },
        first=event.first,
        count=event.times,
        muted=event.muted,
        alert=alerting.alert(seen, decision, event),
        ends=alerting.ends(seen, decision),
    )


def entry(seen: Observation, decision: Decision, found: Findings) -> dict[str, Any]:
    """What the timeline keeps of a decision: enough to explain it without the cluster."""
    state = decision.state
    return {
        "at": seen.now.isoformat(),
        "rule": decision.rule,
        "reason": decision.reason,
        "message": decision.message,
        "phase": state.phase.value,
        "split": str(state.route.split),
        "failedChecks": state.failed_checks,
        "revision": state.applied,
        "checks": [_check(result) for result in found.checks or ()],
        "hooks": [asdict(result) for results in (found.hooks or {}).values() for result in results],
    }


def again(seen: Observation, decision: Decision) -> str:
    """What of a wait that goes on the entry of `decision` repeats; empty when it shows more.

    A gate that is closed overnight is asked a thousand times: what led there is to be kept.
    """
    before, after = seen.state, decision.state
    if before is None or after.waiting is None or _standing(before) != _standing(after):
        return ""
    return f"{decision.rule}/{decision.reason}"


def _standing(state: RolloutState) -> tuple[object, ...]:
    """Where the canary stands, as entries show it, and what it waits for."""
    reason = state.waiting.reason if state.waiting else None
    return state.phase, state.route.split, state.failed_checks, state.applied, reason


def _check(result: CheckResult) -> dict[str, Any]:
    told = {name: getattr(result, name) for name in _TOLD}
    if result.value is not None and not math.isfinite(result.value):
        told["value"] = str(result.value)  # JSON has no infinity
    return {**told, "tookMilliseconds": round(result.took / timedelta(milliseconds=1), 1)}
