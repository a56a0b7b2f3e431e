"""Tasks of the routing workers, the only ones that write traffic."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from tasks import queues, wiring
from tasks.base import NudgeTask
from tasks.messages import Nudge


@shared_task(name=queues.APPLY, base=NudgeTask)
def apply(message: dict[str, Any]) -> None:
    """Bring a canary's traffic to what was decided."""
    wiring.current().traffic.apply(Nudge.parse(message).ref)
