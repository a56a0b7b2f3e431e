"""How decisions are put down: the notices to deliver, and the log lines. No I/O but the log."""

from __future__ import annotations

import logging
from typing import Any, Final

from analysis.decisions import Decision
from analysis.events import Event
from analysis.observation import Observation

_LEVELS: Final = {"Normal": logging.INFO, "Warning": logging.WARNING}


def notice(seen: Observation, event: Event) -> dict[str, Any]:
    """`event` as it waits for delivery, decided `at` that moment about the object `uid`.

    One of those that are told again says when it was told `first`, and its `count` by now.
    """
    again = {"first": event.first.isoformat(), "count": event.times} if event.first else {}
    return {
        "type": event.type,
        "message": event.message,
        "at": seen.now.isoformat(),
        "uid": seen.uid,
        **again,
    }


def log_decision(log: logging.Logger, seen: Observation, decision: Decision, version: int) -> None:
    """One line per event, with its text as the message, as scripts expect; else one line."""
    extra = {
        "canary": seen.ref.dotted,
        "rule": decision.rule,
        "phase": decision.state.phase.value,
        "version": version,
    }
    for event in decision.events:
        log.log(_LEVELS[event.type], event.message, extra=extra)
    if not decision.events:
        log.debug("decided", extra={**extra, "reason": decision.reason})
