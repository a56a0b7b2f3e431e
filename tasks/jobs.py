"""The Celery tasks: thin entry points of the services.

What they give back is for people: Flower shows it beside the message. Nobody else hears of it.

A nudge is never retried by the queue. What it was for is still wanted by the state, and asked for
again by the agenda; retrying here as well would only multiply the load on whatever is unwell.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from celery import Task, shared_task

from clients import errors
from clients.clock import SystemClock
from clients.instruments import BATCHES, JOBS
from tasks import failures, queues, wiring
from tasks.messages import HookMessage, NudgeMessage, UnreadableMessage
from tasks.reconcile.leased import Reconciler

log = logging.getLogger(__name__)

CLOCK: Final = SystemClock()


class NudgeTask(Task):  # type: ignore[type-arg] # Task is generic for type checkers only
    """Turns the failures that a nudge may have into one log line each."""

    abstract = True
    Request = "tasks.serving:Taken"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the task; what the next nudge will mend is not an error of the task."""
        began, outcome = CLOCK.monotonic(), "defect"
        try:
            answer = super().__call__(*args, **kwargs)
            outcome = "done"
        except errors.ClientError as failure:
            outcome = "put-off"
            failures.tell(failure, wiring.doubt, task=self.name, message_body=args)
            return failures.shown(failure)
        except UnreadableMessage as unreadable:
            outcome = "unreadable"
            extra = {"task": self.name, "error": str(unreadable)}
            log.error("message dropped", extra=extra)  # noqa: TRY400 - a traceback says no more
            return f"dropped: {unreadable}"
        else:
            return answer
        finally:
            took = CLOCK.monotonic() - began
            wiring.instruments().observe(JOBS, took, self.name, outcome)


@shared_task(name=queues.TICK, base=NudgeTask)
def tick(message: dict[str, Any]) -> dict[str, str]:
    """Look at canaries."""
    refs = NudgeMessage.parse(message).refs
    wiring.instruments().observe(BATCHES, len(refs), queues.TICK)
    return wiring.current().analyst.tick(*refs)


@shared_task(name=queues.CALL, base=NudgeTask)
def call(message: dict[str, Any]) -> dict[str, str]:
    """Have webhooks called that are still to be called, and their answers kept; tell the others."""
    asked = HookMessage.parse(message).calls
    services, listeners = wiring.current(), [each for each in asked if each.is_of_events]
    wiring.instruments().observe(BATCHES, len(asked), queues.CALL)
    services.caller.call(*(each for each in asked if not each.is_of_events))
    if listeners:
        services.teller.tell(*(each.ref for each in listeners))
    return {str(each.ref): "called, see the canary's events for the answer" for each in asked}


@shared_task(name=queues.ROUTE, base=NudgeTask)
def route(message: dict[str, Any]) -> dict[str, str]:
    """Bring a canary's traffic to what was decided; for routing workers, who alone may write it."""
    return _reconcile(wiring.current().route, message)


@shared_task(name=queues.WORKLOAD, base=NudgeTask)
def workload(message: dict[str, Any]) -> dict[str, str]:
    """Bring a canary's workloads to what was decided."""
    return _reconcile(wiring.current().workload, message)


@shared_task(name=queues.STATUS, base=NudgeTask)
def status(message: dict[str, Any]) -> dict[str, str]:
    """Show a canary's state in its status and events."""
    return _reconcile(wiring.current().status, message)


def _reconcile(reconciler: Reconciler, message: dict[str, Any]) -> dict[str, str]:
    nudge = NudgeMessage.parse(message)
    wiring.instruments().observe(BATCHES, len(nudge.refs), queues.LANES[reconciler.lane])
    return reconciler.reconcile(*nudge.refs, if_due=nudge.if_due)
