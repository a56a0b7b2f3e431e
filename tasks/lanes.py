"""Tasks of the lanes: one per kind of write, each with a reconciler behind it."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from tasks import queues, wiring
from tasks.base import NudgeTask
from tasks.messages import Nudge


@shared_task(name=queues.ROUTE, base=NudgeTask)
def route(message: dict[str, Any]) -> None:
    """Bring a canary's traffic to what was decided; for routing workers, who alone may write it."""
    wiring.current().route.reconcile(Nudge.parse(message).ref)


@shared_task(name=queues.WORKLOAD, base=NudgeTask)
def workload(message: dict[str, Any]) -> None:
    """Bring a canary's workloads to what was decided."""
    wiring.current().workload.reconcile(Nudge.parse(message).ref)


@shared_task(name=queues.STATUS, base=NudgeTask)
def status(message: dict[str, Any]) -> None:
    """Show a canary's state in its status and events."""
    wiring.current().status.reconcile(Nudge.parse(message).ref)
