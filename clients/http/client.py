"""The door to web servers that users name: webhooks, alert receivers, metric backends.

One request, one answer, within a time limit and a size cap; `persistently` tries again as a
webhook's `retries` ask for. Nothing that may hold a credential (userinfo, query, headers, request
body) gets into an error.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

import urllib3

from clients import backoff, errors, translation, urls
from clients.clock import Clock, SystemClock
from clients.http import answers
from clients.http.reaching import DeniedNetwork
from config.networks import NONE_DENIED, Denied

MAX_BODY: Final = 4096
"""Bytes of an answer that are kept: a webhook's words are shown to people."""

MAX_REDIRECTS: Final = 10
"""As Go's HTTP client, which users' receivers were tested with."""

DEFAULT_TIMEOUT: Final = timedelta(seconds=10)
KEEPS_METHOD: Final = frozenset({307, 308})
REDIRECTS: Final = frozenset({301, 302, 303}) | KEEPS_METHOD

FIRST_DELAY: Final = timedelta(seconds=1)
LONGEST_DELAY: Final = timedelta(seconds=30)
"""Flagger's webhook back-off: 1 s, 2 s, 4 s … capped at 30 s."""

LONGEST_RETRY_AFTER: Final = timedelta(minutes=5)
"""No receiver may hold a worker longer than this, whatever it asks for."""

NOT_IMPLEMENTED: Final = 501
"""The one 5xx that no second attempt can change."""

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
    """What is sent."""

    method: str
    url: str
    body: bytes | None = field(repr=False)
    token: str = field(default="", repr=False)

    @property
    def doing(self) -> str:
        """The request as error messages name it."""
        return f"{self.method} {urls.redacted(self.url)}"


class Http:
    """Connections to any server; safe to share by threads."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        verify_tls: bool = True,
        connections: int = 1,
        proxy: str = "",
        denied: Denied = NONE_DENIED,
    ) -> None:
        """`connections` to one server are kept open, for as many requests at once.

        All go through `proxy`, if that is the URL of one. Raises Permanent when it is not valid.
        Servers, or the proxy, in `denied` networks are not asked.
        """
        self._clock = clock or SystemClock()
        if not verify_tls:
            # Asked for in the manifest: a warning per call would only bury the log.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        # With no bundle of our own, urllib3 trusts what the system trusts.
        certificates = "CERT_REQUIRED" if verify_tls else "CERT_NONE"
        self._pool = _pool(proxy, cert_reqs=certificates, retries=False, maxsize=connections)
        answers.begin_in_time(self._pool, denied)

    def post_json(
        self, url: str, body: Any, timeout: timedelta = DEFAULT_TIMEOUT, *, token: str = ""
    ) -> Response:
        """The answer to a POST of `body` as JSON, at most `MAX_REDIRECTS` redirects further.

        A bearer `token` is sent to the host of `url` alone.
        `timeout` bounds connecting, sending and reading all answers together. Raises Transient
        when the connection fails, breaks or is late; Permanent for a URL that cannot be asked, a
        denied network, a certificate that is not trusted, and too many redirects.
        """
        data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
        request = Request("POST", url, data, token)
        deadline = self._clock.monotonic() + timeout.total_seconds()
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._ask(request, deadline)
            if isinstance(answer, Response):
                return answer
            request = answer
        raise errors.Permanent(f"{request.doing}: more than {MAX_REDIRECTS} redirects")

    def _ask(self, request: Request, deadline: float) -> Response | Request:
        """The answer, or the request to make instead."""
        urls.check_scheme(request.url, request.doing)
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
            doing, clock = request.doing, self._clock
            body = answers.beginning(
                response, limit=MAX_BODY, deadline=deadline, clock=clock, doing=doing
            )
        text = body.decode("utf-8", "replace")
        return Response(response.status, text, errors.retry_after(response.headers))


@contextmanager
def _translated(request: Request) -> Iterator[None]:
    try:
        yield
    except ValueError:
        # Not chained: it quotes what is wrong with the URL, or all of it.
        raise errors.Permanent(f"{request.doing}: the URL is not valid") from None
    except translation.LIBRARY_ERRORS as error:
        raise translation.of_exception(error, request.doing) from error
    except DeniedNetwork as denied:
        raise denied.retold(message=f"{request.doing}: {denied.message}") from None


def _headers(request: Request) -> dict[str, str]:
    """The body's type, and the userinfo of the URL as basic authorization (as Go does)."""
    headers = {"Content-Type": "application/json"}
    parts = urlsplit(request.url)
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
    if request.token:
        headers["Authorization"] = f"Bearer {request.token}"
    return headers


def _pool(proxy: str, **options: Any) -> urllib3.PoolManager:
    """Connections, through a proxy if there is one, that is given the userinfo of its URL."""
    if not proxy:
        return urllib3.PoolManager(**options)
    try:
        userinfo = urlsplit(proxy).netloc.rpartition("@")[0]
        auth = urllib3.make_headers(proxy_basic_auth=unquote(userinfo)) if userinfo else None
        return urllib3.ProxyManager(proxy, proxy_headers=auth, **options)
    except (ValueError, urllib3.exceptions.HTTPError):
        raise errors.Permanent("the URL of the proxy is not valid") from None


def _redirected(request: Request, status: int, location: str) -> Request:
    """The request a redirect asks for: as browsers and Go, all but 307 and 308 become a GET.

    Another host does not get the userinfo, which is a part of the URL it was written in, nor a
    token.
    """
    target = urljoin(request.url, location)
    is_same = urlsplit(target)[:2] == urlsplit(request.url)[:2]
    request = replace(request, url=target, token=request.token if is_same else "")
    return request if status in KEEPS_METHOD else replace(request, method="GET", body=None)


def persistently(
    call: Callable[[], Response], url: str, clock: Clock, retries: int = 0
) -> Response:
    """The first answer of `call` that is not worth another attempt, whatever its status.

    Up to `retries` more attempts follow after broken or late connections, 429 and 5xx except 501;
    a Retry-After of a 429 or 503 takes the place of the back-off. `url` is for the message, which
    shows it redacted. Raises Permanent at once where no attempt can succeed, and Transient `POST
    <url> giving up after <n> attempt(s)`, followed by a colon and the last error or body, when
    every attempt failed.

    Source: Flagger's webhook client, which drops the body of the last answer.
    """
    failures = 0
    while True:
        outcome = _attempt(call)
        if isinstance(outcome, Response):
            return outcome
        failures += 1
        if failures > retries:
            raise _given_up(outcome, f"POST {urls.redacted(url)}", failures) from outcome
        wait = outcome.retry_after or backoff.doubling(failures, FIRST_DELAY, LONGEST_DELAY)
        clock.sleep(min(wait, LONGEST_RETRY_AFTER).total_seconds())


def _attempt(call: Callable[[], Response]) -> Response | errors.Transient:
    """The answer, or the failure that is worth another attempt."""
    try:
        response = call()
    except errors.Transient as error:
        return error
    if response.status != 429 and (response.status < 500 or response.status == NOT_IMPLEMENTED):
        return response
    delay = response.retry_after if response.status in {429, 503} else None
    return errors.Transient(errors.capped(response.body), status=response.status, retry_after=delay)


def _given_up(last: errors.Transient, doing: str, attempts: int) -> errors.Transient:
    detail = last.message.removeprefix(f"{doing}: ")
    told = f"{doing} giving up after {attempts} attempt(s)" + (f": {detail}" if detail else "")
    return errors.Transient(told, status=last.status, retry_after=last.retry_after)
