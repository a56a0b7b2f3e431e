"""How decisions are put down: the notices to deliver, and the log lines. No I/O but the log."""

from __future__ import annotations

import logging
from typing import Final

from analysis.decisions import Decision
from analysis.events import Event
from analysis.observation import Observation
from analysis.phases import shown
from clients.documents.notice import Notice
from config.api.hooks import AlertSeverity

_LEVELS: Final = {
    AlertSeverity.INFO: logging.INFO,
    AlertSeverity.WARN: logging.WARNING,
    AlertSeverity.ERROR: logging.WARNING,
}


def notice(seen: Observation, decision: Decision, event: Event) -> Notice:
    """`event` as it waits for delivery, with what was known of the rollout when it was decided."""
    state = decision.state
    return Notice(
        uid=seen.uid,
        at=seen.now,
        severity=event.severity,
        message=event.message,
        fields={
            "phase": shown(state.phase),
            "split": str(state.route.split),
            "revision": state.applied,
            "failedChecks": str(state.failed_checks),
        },
        first=event.first,
        count=event.times,
    )


def log_decision(log: logging.Logger, seen: Observation, decision: Decision, version: int) -> None:
    """One line per event, with its text as the message, as scripts expect; else one line."""
    extra = {
        "canary": seen.ref.dotted,
        "rule": decision.rule,
        "phase": decision.state.phase.value,
        "version": version,
    }
    for event in decision.events:
        log.log(_LEVELS[event.severity], event.message, extra=extra)
    if not decision.events:
        log.debug("decided", extra={**extra, "reason": decision.reason})
