"""The door to web servers that users name: webhooks, alert receivers, metric backends.

One request, one answer, within a time limit and a size cap; trying again is the caller's policy
(`clients.http.retry`). Nothing that may hold a credential (userinfo, query, headers, request body)
gets into an error.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

import urllib3

from clients import errors, urls
from clients.clock import Clock, SystemClock
from clients.http import bodies

MAX_BODY: Final = 4096
"""Bytes of an answer that are kept: a webhook's words are shown to people."""

MAX_REDIRECTS: Final = 10
"""As Go's HTTP client, which users' receivers were tested with."""

DEFAULT_TIMEOUT: Final = timedelta(seconds=10)
KEEPS_METHOD: Final = frozenset({307, 308})
REDIRECTS: Final = frozenset({301, 302, 303}) | KEEPS_METHOD
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

# At debug it writes the path and query of every request.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, whatever its status; `body` is the beginning, decoded leniently as UTF-8."""

    status: int
    body: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent; `timeout` bounds connecting, sending and reading the answer together."""

    method: str
    url: str
    body: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS, repr=False)
    timeout: timedelta = DEFAULT_TIMEOUT
    max_body: int = MAX_BODY

    @property
    def doing(self) -> str:
        """The request as error messages name it."""
        return f"{self.method} {urls.redacted(self.url)}"


class Http:
    """Connections to any server; safe to share by threads. `proxy` is an HTTP proxy's URL."""

    def __init__(
        self, clock: Clock | None = None, *, verify_tls: bool = True, proxy: str | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        options: dict[str, Any] = {
            # With no bundle of our own, urllib3 trusts what the system trusts.
            "cert_reqs": "CERT_REQUIRED" if verify_tls else "CERT_NONE",
            "retries": False,
        }
        if not verify_tls:
            # Asked for in the manifest: a warning per call would only bury the log.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._pool: urllib3.PoolManager = (
            urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
        )

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        timeout: timedelta = DEFAULT_TIMEOUT,
        max_body: int = MAX_BODY,
    ) -> Response:
        """The answer to a GET; see `Request` for the arguments, `send` for what it raises."""
        return self.send(Request("GET", url, None, headers, timeout, max_body))

    def post_json(
        self,
        url: str,
        body: Any,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        timeout: timedelta = DEFAULT_TIMEOUT,
        max_body: int = MAX_BODY,
    ) -> Response:
        """The answer to a POST of `body` as JSON; raises as `send`."""
        typed = {**headers, "Content-Type": "application/json"}
        data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        return self.send(Request("POST", url, data, typed, timeout, max_body))

    def send(self, request: Request) -> Response:
        """The answer to `request`, at most `MAX_REDIRECTS` redirects further.

        Raises Transient when the connection fails, breaks or is late; Permanent for a URL that
        cannot be asked, a certificate that is not trusted, and too many redirects.
        """
        deadline = self._clock.monotonic() + request.timeout.total_seconds()
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(request, deadline)
            if isinstance(answer, Response):
                return answer
            request = answer
        raise errors.Permanent(f"{request.doing}: more than {MAX_REDIRECTS} redirects")

    def _ask(self, request: Request, deadline: float) -> Response | Request:
        """The answer, or the request to make instead."""
        _refuse_scheme(request)
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise errors.Transient(f"{request.doing}: timed out")
        with _translated(request):
            response = self._pool.urlopen(
                request.method,
                request.url,
                redirect=False,
                body=request.body,
                headers=_headers(request),
                timeout=urllib3.Timeout(total=left),
                preload_content=False,
            )
            location = response.headers.get("Location")
            if response.status in REDIRECTS and location:
                response.close()
                return _redirected(request, response.status, location)
            text = bodies.beginning(
                response,
                limit=request.max_body,
                deadline=deadline,
                clock=self._clock,
                doing=request.doing,
            )
        return Response(
            response.status, text.decode("utf-8", "replace"), errors.retry_after(response.headers)
        )


@contextmanager
def _translated(request: Request) -> Iterator[None]:
    try:
        yield
    except urllib3.exceptions.LocationValueError as error:
        # Not chained: its text is the URL with everything in it.
        raise errors.of_exception(error, request.doing) from None
    except ValueError:
        # Not chained either: it quotes the part of the URL, or the header, that is wrong.
        raise errors.Permanent(f"{request.doing}: the URL or a header is not valid") from None
    except errors.LIBRARY_ERRORS as error:
        raise errors.of_exception(error, request.doing) from error


def _refuse_scheme(request: Request) -> None:
    scheme = request.url.partition(":")[0].lower()
    if scheme not in {"http", "https"}:
        raise errors.Permanent(f"{request.doing}: the scheme must be http or https")


def _headers(request: Request) -> dict[str, str]:
    """The request's headers, with the userinfo of its URL as basic authorization (as Go does)."""
    parts = urlsplit(request.url)
    if parts.username is None or "Authorization" in request.headers:
        return dict(request.headers)
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    token = base64.b64encode(user.encode()).decode()
    return {**request.headers, "Authorization": f"Basic {token}"}


def _redirected(request: Request, status: int, location: str) -> Request:
    """The request a redirect asks for: as browsers and Go, all but 307 and 308 become a GET.

    Another host does not get the headers, which may hold a token.
    """
    target = urljoin(request.url, location)
    same_host = urlsplit(target).netloc == urlsplit(request.url).netloc
    body_type = {
        name: value for name, value in request.headers.items() if name.lower() == "content-type"
    }
    headers = request.headers if same_host else body_type
    if status in KEEPS_METHOD:
        return replace(request, url=target, headers=headers)
    return replace(request, url=target, headers=headers, method="GET", body=None)
