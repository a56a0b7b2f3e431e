"""Tasks of the hook workers."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from tasks import queues, wiring
from tasks.base import NudgeTask
from tasks.messages import HookMessage


@shared_task(name=queues.CALL, base=NudgeTask)
def call(message: dict[str, Any]) -> None:
    """Call one webhook, if it is still to be called, and keep its answer."""
    parsed = HookMessage.parse(message)
    wiring.current().caller.call(parsed.ref, parsed.round, parsed.key)
