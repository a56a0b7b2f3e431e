"""Tasks of the analysis workers: looking at canaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celery import shared_task

from tasks import queues, wiring
from tasks.base import NudgeTask
from tasks.messages import Answers, Nudge


@shared_task(name=queues.TICK, base=NudgeTask)
def tick(message: dict[str, Any]) -> None:
    """Look at a canary."""
    wiring.current().analyst.tick(Nudge.parse(message).ref)


@shared_task(name=queues.CONCLUDE, base=NudgeTask, max_retries=None)
def conclude(answers: Sequence[Mapping[str, Any] | None], message: dict[str, Any]) -> None:
    """Go on with a canary whose hooks have answered."""
    parsed = Answers.parse(message)
    wiring.current().analyst.conclude(parsed.ref, parsed.round, answers)
