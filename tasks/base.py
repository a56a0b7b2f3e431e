"""The base of all tasks: what a failure means, said once.

A nudge is never retried by the queue. What it was for is still wanted by the state, and asked for
again by the agenda; retrying here as well would only multiply the load on whatever is unwell.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Task

from clients import errors
from tasks import wiring
from tasks.messages import UnreadableMessage

log = logging.getLogger(__name__)


class NudgeTask(Task):  # type: ignore[type-arg] # Task is generic for type checkers only
    """Turns the failures that a nudge may have into one log line each."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the task; what the next nudge will mend is not an error of the task."""
        try:
            return super().__call__(*args, **kwargs)
        except errors.ClientError as failure:
            extra = {"task": self.name, "kind": type(failure).__name__, "error": failure.message}
            log.warning("nudge came to nothing", extra={**extra, "message_body": args})
            if errors.concerns_all(failure):
                wiring.doubt()
        except UnreadableMessage as unreadable:
            extra = {"task": self.name, "error": str(unreadable)}
            log.error("message dropped", extra=extra)  # noqa: TRY400 - a traceback says no more
        return None
