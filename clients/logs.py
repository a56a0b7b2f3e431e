"""JSON log lines on stderr, in the form that log pipelines built for Flagger read.

One object per line: `level`, `ts` (ISO 8601, ms, UTC), `caller`, `msg`, `canary` (`name.namespace`)
on messages about one, and whatever else was given as `extra`. Messages are constant names of what
happened, or the texts of Kubernetes events; what varies goes into keys.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import Any, Final

log = logging.getLogger(__name__)

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_QUIET: Final = ("urllib3", "kubernetes", "amqp", "kombu", "tornado.access")
"""Libraries whose own chatter would drown ours below warning."""


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object; `always` are keys of every line of this process."""

    def __init__(self, **always: str) -> None:
        super().__init__()
        self._always = always

    def format(self, record: logging.LogRecord) -> str:
        """The line for `record`, without its end."""
        line: dict[str, Any] = {
            "level": record.levelname.lower(),
            "ts": _timestamp(record.created),
            "caller": f"{record.module}/{record.lineno}",
            "msg": record.getMessage(),
            **self._always,
        }
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(level: str, **always: str | None) -> None:
    """Sends the logs of this process, from `level` (a name of `logging`) up, to stderr as JSON.

    `always` are keys of every line, such as the role of the process, unless they are None.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(**{key: text for key, text in always.items() if text}))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def report_uncaught() -> None:
    """Has exceptions that nobody catches logged like everything else, in this process's threads."""

    def of_main(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("uncaught exception", exc_info=(kind, error, trace))

    def of_thread(found: threading.ExceptHookArgs) -> None:
        if found.exc_value is not None and found.exc_type is not SystemExit:
            of_main(found.exc_type, found.exc_value, found.exc_traceback)

    sys.excepthook, threading.excepthook = of_main, of_thread


def _timestamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
