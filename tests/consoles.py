"""Canaries, timelines and a console over a cluster in memory: for tests of the console."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Console

from cli.console import facts, timeline
from cli.console.accounts import Absent, Answer
from cli.console.cluster import Cluster
from cli.console.facts import Facts
from cli.console.session import Session
from cli.console.sides import Pod, Side
from cli.console.timeline import Account
from clients.clock import Clock, ManualClock
from config import moments
from config.refs import CanaryRef
from tests.fakes.kube import KubeWatcher

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REF: Final = CanaryRef("shop", "podinfo")
ABSENT: Final = Absent("no timeline: nobody was asked")

METRICS: Final = (
    {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"},
    {"name": "request-duration", "thresholdRange": {"max": 500}, "interval": "1m"},
)
PASSED: Final[Mapping[str, Any]] = {
    "metric": "request-success-rate",
    "verdict": "passed",
    "effect": "passes",
    "value": 99.84,
    "unit": "%",
    "minimum": 99.0,
    "maximum": None,
    "message": "",
}
SLOW: Final[Mapping[str, Any]] = {
    "metric": "request-duration",
    "verdict": "failed",
    "effect": "counts",
    "value": 1971.3,
    "unit": "ms",
    "minimum": None,
    "maximum": 500.0,
    "message": "Halt podinfo.shop advancement request duration 1.971s > 500ms",
}


def ago(**span: float) -> str:
    """The time so long before NOW, as Kubernetes writes it."""
    return moments.rfc3339(NOW - timedelta(**span))


def a_condition(kind: str, status: str, reason: str, message: str, since: str) -> dict[str, str]:
    """A condition as our status has it."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
        "lastUpdateTime": since,
    }


def recorded(version: int = 7) -> dict[str, str]:
    """The condition by which a status is known to be ours."""
    return a_condition("Recorded", "True", f"Version{version}", "", ago(minutes=1))


def a_canary(
    name: str = REF.name,
    namespace: str = REF.namespace,
    *,
    status: Mapping[str, Any] | None = None,
    analysis: Mapping[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A raw Canary of a Deployment of the same name, stepping by 10 to 50; status None: none."""
    usual = {"interval": "30s", "threshold": 5, "stepWeight": 10, "maxWeight": 50}
    canary = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "service": {"port": 80},
            "analysis": {**usual, "metrics": list(METRICS), **(analysis or {})},
            **spec,
        },
    }
    return canary if status is None else {**canary, "status": dict(status)}


def a_status(phase: str, weight: int = 0, failed: int = 0, **fields: Any) -> dict[str, Any]:
    """A status of ours in that phase for two minutes and 13 seconds."""
    conditions = [recorded(), *fields.pop("conditions", ())]
    return {
        "phase": phase,
        "canaryWeight": weight,
        "failedChecks": failed,
        "iterations": 0,
        "lastAppliedSpec": "2b7e4f61d2a09c35aa11",
        "lastPromotedSpec": "91c04d7be8f3a6520b4f",
        "lastTransitionTime": ago(minutes=2, seconds=13),
        "conditions": conditions,
        **fields,
    }


def facts_of(phase: str = "", weight: int = 0, failed: int = 0, **fields: Any) -> Facts:
    """The facts of `a_canary` with `a_status`."""
    return facts.of(a_canary(status=a_status(phase, weight, failed, **fields)))


def a_side(name: str, ready: str = "2/2", tag: str = "6.0.0", *pods: Pod, **fields: Any) -> Side:
    """A side of a Deployment."""
    available, wanted = map(int, ready.split("/"))
    suffix = "-primary" if name == "primary" else ""
    usual: dict[str, Any] = {
        "workload": f"deployment/podinfo{suffix}",
        "wanted": wanted,
        "available": available,
        "images": (f"ghcr.io/stefanprodan/podinfo:{tag}",),
        "revision": f"revision-of-{tag}",
        "pods": pods,
    }
    return Side(name=name, **{**usual, **fields})


def an_entry(phase: str, weight: int = 0, seconds_ago: float = 4, **fields: Any) -> dict[str, Any]:
    """An entry of the timeline as Coalmine serves it."""
    return {
        "at": (NOW - timedelta(seconds=seconds_ago)).isoformat(),
        "rule": "advance",
        "reason": "Advanced",
        "message": f"Advance podinfo.shop canary weight {weight}",
        "phase": phase,
        "split": f"{100 - weight}/{weight}",
        "failedChecks": 0,
        "revision": "2b7e4f61d2a09c35aa11",
        "checks": [],
        "hooks": [],
        **fields,
    }


def an_account(*entries: Mapping[str, Any], **fields: Any) -> Account:
    """The account in an answer with these entries."""
    answer = {"now": NOW.isoformat(), "entries": list(entries), **fields}
    return timeline.account(answer, NOW)


def a_session(
    kube: KubeWatcher,
    answer: Answer = ABSENT,
    *,
    clock: Clock | None = None,
    terminal: int | None = None,
) -> Session:
    """A console in namespace shop; `terminal` is the width of the one it writes to, None: none."""
    out = Console(
        file=io.StringIO(),
        width=terminal or 80,
        force_terminal=terminal is not None,
        color_system=None,
        markup=False,
        emoji=False,
    )
    ask = lambda ref, now: answer  # noqa: ARG005, E731 - nobody is asked
    return Session(
        Cluster(kube, "the cluster of context test"), "shop", ask, clock or ManualClock(NOW), out
    )


def written(session: Session) -> str:
    """What a session has written."""
    file = session.out.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def lines(drawn: Sequence[Any]) -> list[str]:
    """The texts of drawn lines."""
    return [line.plain for line in drawn]
