"""What prometheus-api-client is given for a `requests` session: bounded, and a tenth of its cost.

A session of requests limits the time between two bytes, not that of an answer, and reads whatever
is sent: a server that drips, or floods, would hold a worker for as long as it likes. And it takes
a millisecond of the processor for each query, most of it to prepare what never changes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from clients.http.connections import Connections, Request

#: Bytes of an answer that are read: some thousand series. Parsing them takes 30 times as much
#: memory, and a tenth of a second in which no other thread gets on.
LARGEST_BODY: Final = 2**20
#: Query strings longer than this are sent in the body, by POST: servers and proxies cap URLs.
LONGEST_URL_QUERY: Final = 3000
#: Characters of a server's complaint that are kept.
LONGEST_COMPLAINT: Final = 500
#: How failures call what was asked.
SERVER: Final = "metrics server"

_USERINFO: Final = re.compile(r"//[^/\s@]+@")
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class ErrorStatus(Exception):
    """An answer with a status other than 200; the message ends with what the server says of it."""

    def __init__(self, status: int, complaint: str) -> None:
        super().__init__(f"error response: {status}: {complaint}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, as far as the library looks at it."""

    status_code: int
    content: bytes

    def json(self) -> Any:
        """The document. Raises ValueError, or RecursionError for one that is nested without end."""
        return json.loads(self.content)


class BoundedSession:
    """Connections to the server at `base`, kept open and shared by threads."""

    verify = True
    cert = None

    def __init__(
        self, base: str, connections: Connections, seconds: float, hidden: Collection[str] = ()
    ) -> None:
        """`hidden` are secrets that are sent; a complaint that repeats them is shown without."""
        self._hidden = hidden
        self._base = base
        self._connections = connections
        self._seconds = seconds

    def mount(self, *_: Any) -> None:
        """Nothing: the connections are what they are."""

    def request(self, *, url: str, params: Mapping[str, str], **_: Any) -> Reply:
        """The answer to a query, all of which has come in time.

        Raises ErrorStatus for any status but 200, and clients.errors.ClientError when there is no
        answer. A connection that the server had closed while it was idle is replaced: queries
        change nothing at the server.
        """
        path, query = url.removeprefix(self._base), urlencode(params)
        if len(query) <= LONGEST_URL_QUERY:
            request = Request("GET", f"{path}?{query}", {}, None, repeatable=True)
        else:
            request = Request("POST", path, _FORM, query.encode(), repeatable=True)
        answer = self._connections.ask(request, self._seconds, SERVER)
        if answer.status != HTTPStatus.OK:
            raise ErrorStatus(answer.status, _complaint(answer.body, self._hidden))
        return Reply(answer.status, answer.body)


def _complaint(body: bytes, hidden: Collection[str]) -> str:
    """What a server says of a refusal, on one line and without secrets."""
    text = _said(body)
    for secret in hidden:
        text = text.replace(secret, "…")
    text = " ".join(_USERINFO.sub("//", text).split())
    return text if len(text) <= LONGEST_COMPLAINT else text[:LONGEST_COMPLAINT] + "…"


def _said(body: bytes) -> str:
    """Type and text of an error in the form of Prometheus' API; any other body as it is."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and isinstance(answer.get("error"), str):
        kind = answer.get("errorType")
        return f"{kind}: {answer['error']}" if isinstance(kind, str) and kind else answer["error"]
    return body.decode("utf-8", "replace")
