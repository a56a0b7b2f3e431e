"""Tasks of the analysis workers: looking at canaries."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from tasks import queues, wiring
from tasks.base import NudgeTask
from tasks.messages import Nudge


@shared_task(name=queues.TICK, base=NudgeTask)
def tick(message: dict[str, Any]) -> None:
    """Look at a canary."""
    wiring.current().analyst.tick(Nudge.parse(message).ref)
