"""Tasks of the report workers."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from tasks import queues, wiring
from tasks.base import NudgeTask
from tasks.messages import Nudge


@shared_task(name=queues.PROJECT, base=NudgeTask)
def project(message: dict[str, Any]) -> None:
    """Show a canary's state in its status and events."""
    wiring.current().reporter.project(Nudge.parse(message).ref)
