"""Tasks of the hook workers."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from tasks import queues, wiring
from tasks.base import NudgeTask
from tasks.messages import HookMessage


@shared_task(name=queues.CALL, base=NudgeTask, ignore_result=False)
def call(message: dict[str, Any]) -> dict[str, Any]:
    """Call one webhook; the answer goes to the conclusion of its round."""
    parsed = HookMessage.parse(message)
    return wiring.current().caller.call(parsed.ref, parsed.round, parsed.index)
