"""Alertmanager: what is wrong with a canary, as alerts of its v2 API that fire and are resolved.

It is told how things are, not what happened: an alert that is not told of again ends by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from clients import urls
from config import moments
from config.api.hooks import AlertSeverity
from config.refs import CanaryRef
from notify.message import Post, Sender

PATH: Final = "/api/v2/alerts"

REFRESH: Final = timedelta(minutes=5)
"""How often an alert that fires is told of again."""

LASTS: Final = 3 * REFRESH
"""After how long it ends that nobody tells of: two refreshes may be lost."""


class Alarm(StrEnum):
    """The alerts there are, by the label `alertname`."""

    FAILED = "CanaryFailed"
    GATE = "CanaryGateWaiting"


SEVERITIES: Final = {Alarm.FAILED: AlertSeverity.ERROR, Alarm.GATE: AlertSeverity.WARN}
LEVELS: Final = {Alarm.FAILED: "critical", Alarm.GATE: "warning"}
"""Of the label `severity`, as rules of Prometheus have it."""
_SUMMARIES: Final = {
    Alarm.FAILED: "Canary {} failed",
    Alarm.GATE: "Canary {} waits for approval",
}


@dataclass(frozen=True, slots=True)
class Firing:
    """Something that is wrong with a canary, since when, and in which words."""

    alarm: Alarm
    since: datetime
    description: str


@dataclass(frozen=True, slots=True)
class Levels:
    """How things are with a canary `now`: what fires, and what is resolved."""

    now: datetime
    firing: Sequence[Firing] = ()
    resolved: Sequence[Alarm] = ()


def post(
    ref: CanaryRef, levels: Levels, sender: Sender, *, cluster: str = "", link: str = ""
) -> Post:
    """What is posted; `link` is where alerts lead to, empty for nowhere."""
    now = levels.now
    told = [(each.alarm, _firing(ref, each, now)) for each in levels.firing]
    told += [(alarm, {"endsAt": moments.rfc3339(now)}) for alarm in levels.resolved]
    leads = {"generatorURL": link} if link else {}
    body = [{"labels": dict(_labels(ref, alarm, cluster)), **leads, **said} for alarm, said in told]
    return Post(address(sender.address), body, sender.token)


def address(url: str) -> str:
    """Where alerts are posted at an Alertmanager, given with or without the path."""
    return urls.ending_with(url, PATH)


def _firing(ref: CanaryRef, firing: Firing, now: datetime) -> dict[str, Any]:
    return {
        "annotations": {
            "summary": _SUMMARIES[firing.alarm].format(ref.dotted),
            "description": firing.description,
        },
        # An alert that ends before it starts, as a clock was ahead, is refused for good.
        "startsAt": moments.rfc3339(min(firing.since, now)),
        "endsAt": moments.rfc3339(now + LASTS),
    }


def _labels(ref: CanaryRef, alarm: Alarm, cluster: str) -> Iterator[tuple[str, str]]:
    """What tells an alert from others: the same when it fires and when it is resolved."""
    yield "alertname", alarm.value
    yield "namespace", ref.namespace
    yield "name", ref.name
    yield "severity", LEVELS[alarm]
    if cluster:
        yield "cluster", cluster
