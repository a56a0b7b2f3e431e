"""What can go wrong at a door, as the four kinds that decide what happens next.

    ClientError             anything a door raises
    ├── Transient           try again later, with backoff; `retry_after` when the server said so
    │   ├── Expired         the resourceVersion is older than the server remembers: list again
    │   └── TimedOut        no complete answer in time
    ├── Conflict            someone else was faster: drop the work and observe again
    │   └── AlreadyExists   the object to create is already there
    ├── NotFound            a fact for the observation
    └── Permanent           a condition the user must see; retrying cannot help
        ├── Redirected      the answer sends us on, too often
        └── TooLarge        the answer has more bytes than are read

HTTP statuses become errors here, exceptions of libraries in `clients.translation`. Messages name
what was being done and the server's own words, cut at `MAX_MESSAGE` characters, and never a
header, a URL's userinfo or its query.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Self

MAX_MESSAGE: Final = 256
"""Characters of a server's words that are kept: enough to read, too few to flood an event."""

LONGEST_DELAY: Final = 7 * 24 * 3600
"""Seconds; a server that asks for more patience than a week is not believed."""


class ClientError(Exception):
    """A door's failure, told to people by `message`.

    `status` is the HTTP status and `reason` the CamelCase word of a Kubernetes Status; None and
    empty where there is none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        reason: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.retry_after = retry_after

    def retold(self, *, message: str = "", retry_after: timedelta | None = None) -> Self:
        """The same failure in other words, or with another delay."""
        return type(self)(
            message or self.message,
            status=self.status,
            reason=self.reason,
            retry_after=retry_after or self.retry_after,
        )

    @property
    def kind(self) -> str:
        """What it is counted as, such as `timed-out`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__).lower()


class Transient(ClientError):
    """Worth trying again; not before `retry_after` has passed, where the server named a time."""


class Expired(Transient):
    """The server no longer has the history that was asked for (HTTP 410)."""


class TimedOut(Transient):
    """There was no complete answer in time."""


class Conflict(ClientError):
    """The object changed since it was read; nothing was written."""


class AlreadyExists(Conflict):
    """An object of that name exists; nothing was written."""


class NotFound(ClientError):
    """There is no such object, or no such kind."""


class Permanent(ClientError):
    """The same request will fail again: refused, invalid, forbidden or not understood."""


class Redirected(Permanent):
    """The answer sends us on to another one, again and again."""


class TooLarge(Permanent):
    """The answer has more bytes than anybody here reads."""


UNAUTHORIZED: Final = 401
"""The server does not know us, or not any more."""
FORBIDDEN: Final = 403
"""It knows us, and some rights are missing."""

BY_STATUS: Final[Mapping[int, type[ClientError]]] = {
    **dict.fromkeys((408, 425, 429, 500, 502, 503, 504), Transient),
    404: NotFound,
    409: Conflict,
    410: Expired,
}
"""Statuses not listed here are `Permanent`."""


def of_status(
    status: int, body: str | bytes, doing: str, headers: Mapping[str, str] | None = None
) -> ClientError:
    """The `ClientError` for an HTTP answer that is not a success.

    A Kubernetes Status object in `body` gives reason, message and delay; any other text is the
    message itself. Of `headers` only Retry-After is read.
    """
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    report = _status_object(text)
    reason = str(report.get("reason") or "")
    words = str(report.get("message") or text)
    message = f"{doing}: {status} {capped(words)}".rstrip()
    kind = BY_STATUS.get(status, Permanent)
    if kind is Conflict and reason == "AlreadyExists":
        kind = AlreadyExists
    details = report.get("details")
    told = _delay(details.get("retryAfterSeconds")) if isinstance(details, dict) else None
    delay = retry_after(headers or {}) or told or None
    return kind(message, status=status, reason=reason, retry_after=delay)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """The delay a Retry-After header asks for in seconds; None when absent or not a number.

    The header's date form is not read: it needs two clocks to agree.
    """
    return _delay(headers.get("Retry-After"))


def concerns_all(failure: ClientError) -> bool:
    """Whether other requests of this process may fail as well: nobody answers, or knows us."""
    return isinstance(failure, Transient) or failure.status == UNAUTHORIZED


def capped(text: str) -> str:
    """The first `MAX_MESSAGE` characters on one line, with an ellipsis where something is cut."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"


def _status_object(text: str) -> Mapping[str, Any]:
    try:
        report = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) and report.get("kind") == "Status" else {}


def _delay(seconds: object) -> timedelta | None:
    text = str(seconds)
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        return None
    return timedelta(seconds=int(text)) if int(text) <= LONGEST_DELAY else None
