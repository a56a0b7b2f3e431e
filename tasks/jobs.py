"""The Celery tasks: thin entry points of the services.

A nudge is never retried by the queue. What it was for is still wanted by the state, and asked for
again by the agenda; retrying here as well would only multiply the load on whatever is unwell.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Task, shared_task

from clients import errors
from tasks import failures, queues, teller, wiring
from tasks.messages import HookMessage, NudgeMessage, UnreadableMessage
from tasks.reconcile.leased import Reconciler

log = logging.getLogger(__name__)


class NudgeTask(Task):  # type: ignore[type-arg] # Task is generic for type checkers only
    """Turns the failures that a nudge may have into one log line each."""

    abstract = True
    Request = "tasks.serving:Taken"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the task; what the next nudge will mend is not an error of the task."""
        try:
            return super().__call__(*args, **kwargs)
        except errors.ClientError as failure:
            failures.tell(failure, wiring.doubt, task=self.name, message_body=args)
        except UnreadableMessage as unreadable:
            extra = {"task": self.name, "error": str(unreadable)}
            log.error("message dropped", extra=extra)  # noqa: TRY400 - a traceback says no more
        return None


@shared_task(name=queues.TICK, base=NudgeTask)
def tick(message: dict[str, Any]) -> None:
    """Look at canaries."""
    wiring.current().analyst.tick(*NudgeMessage.parse(message).refs)


@shared_task(name=queues.CALL, base=NudgeTask)
def call(message: dict[str, Any]) -> None:
    """Have webhooks called that are still to be called, and their answers kept; tell the others."""
    asked = HookMessage.parse(message).calls
    services, listeners = wiring.current(), teller.listeners(asked)
    services.caller.call(*(each for each in asked if each not in listeners))
    if listeners:
        services.teller.tell(*(each.ref for each in listeners))


@shared_task(name=queues.ROUTE, base=NudgeTask)
def route(message: dict[str, Any]) -> None:
    """Bring a canary's traffic to what was decided; for routing workers, who alone may write it."""
    _reconcile(wiring.current().route, message)


@shared_task(name=queues.WORKLOAD, base=NudgeTask)
def workload(message: dict[str, Any]) -> None:
    """Bring a canary's workloads to what was decided."""
    _reconcile(wiring.current().workload, message)


@shared_task(name=queues.STATUS, base=NudgeTask)
def status(message: dict[str, Any]) -> None:
    """Show a canary's state in its status and events."""
    _reconcile(wiring.current().status, message)


def _reconcile(reconciler: Reconciler, message: dict[str, Any]) -> None:
    nudge = NudgeMessage.parse(message)
    reconciler.reconcile(*nudge.refs, if_due=nudge.if_due)
