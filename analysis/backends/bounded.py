"""A `requests` session whose every request ends in bounded time and with a bounded body.

requests' own timeout starts anew with every byte, and it reads whatever is sent; a server that
drips, or floods, would hold a worker for as long as it likes.
"""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import Any, Final

import requests
import urllib3.exceptions

from clients import errors
from clients.clock import Clock
from clients.http import answers

#: Bytes of an answer that are read: some thousand series. Parsing them takes 30 times as much
#: memory, and a tenth of a second in which no other thread gets on.
LARGEST_BODY: Final = 2**20
#: Query strings longer than this are sent in the body, by POST: servers and proxies cap URLs.
LONGEST_URL_QUERY: Final = 3000
#: Characters of a server's complaint that are kept.
LONGEST_COMPLAINT: Final = 500
_REDIRECTS: Final = 3


class BodyTooLarge(requests.RequestException):
    """More than LARGEST_BODY bytes were sent."""


class ErrorStatus(requests.RequestException):
    """An answer with a status other than 200; `complaint` is the start of its body."""

    def __init__(self, status: int, complaint: str) -> None:
        super().__init__(f"error response: {status}: {complaint}")
        self.status = status


class BoundedSession(requests.Session):
    """Connections of one server, kept open and shared by threads."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__()
        self.trust_env = False  # a proxy or a .netrc of the process is not the user's manifest
        self.max_redirects = _REDIRECTS
        self._clock = clock
        self._seconds = seconds

    def request(  # type: ignore[override]  # narrower on purpose: the caller is one library
        self, method: str, url: str, **arguments: Any
    ) -> requests.Response:
        """The answer, read as a whole.

        Raises requests.RequestException when there is none in time, ErrorStatus for any status
        but 200. A connection that the server had closed while it was idle is replaced once:
        queries change nothing at the server.
        """
        deadline = self._clock.monotonic() + self._seconds
        call = {**_as_post_if_long(method, arguments), "stream": True}
        try:
            return self._read(url, call, deadline)
        except requests.ConnectionError as error:
            if not _was_closed(error):
                raise
            return self._read(url, call, deadline)

    def _read(self, url: str, call: dict[str, Any], deadline: float) -> requests.Response:
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise requests.Timeout("no time left")
        response = super().request(url=url, **{**call, "timeout": left})
        with response:  # a connection whose answer was read to its end is kept open nevertheless
            body = self._body(response, deadline)
        response.raw = io.BytesIO(body)
        if response.status_code != HTTPStatus.OK:
            raise ErrorStatus(response.status_code, _complaint(response))
        return response

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        clock, limit = self._clock, LARGEST_BODY
        try:
            return answers.whole(
                response.raw, limit=limit, deadline=deadline, clock=clock, doing="query"
            )
        except errors.TooLarge as error:
            raise BodyTooLarge(f"the answer is larger than {LARGEST_BODY} bytes") from error
        except (errors.Transient, urllib3.exceptions.ReadTimeoutError) as error:
            raise requests.Timeout("the answer did not end in time") from error
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error) from error


def _complaint(response: requests.Response) -> str:
    text = " ".join(response.content[: 4 * LONGEST_COMPLAINT].decode("utf-8", "replace").split())
    return text if len(text) <= LONGEST_COMPLAINT else text[:LONGEST_COMPLAINT] + "…"


def _as_post_if_long(method: str, arguments: dict[str, Any]) -> dict[str, Any]:
    params = arguments.get("params") or {}
    if sum(map(len, params.values())) <= LONGEST_URL_QUERY:
        return {"method": method, **arguments}
    return {**arguments, "method": "POST", "params": None, "data": params}


def _was_closed(error: requests.ConnectionError) -> bool:
    cause = error.args[0] if error.args else None
    return isinstance(cause, urllib3.exceptions.ProtocolError)
