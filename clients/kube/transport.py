"""Requests to an API server: limits, credentials, trying again, JSON in and out.

Knows HTTP and the `kubernetes` client's configuration; what the requests mean is `rest`'s
business, which is the only user.
"""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from kubernetes.client import ApiClient
from urllib3.util import Timeout

from clients import backoff, errors, instruments, translation
from clients.clock import Clock, SystemClock
from clients.http import answers
from clients.http.connections import Request
from clients.instruments import SILENT, Instruments
from clients.kube import connections, decoding, limiter, resources
from clients.kube.protocol import JSON_TYPE

Decode = Callable[[bytes, str], Any]
"""From an answer's body to its JSON; the text says what was asked. Raises ValueError."""

COMPACT: Final = json.JSONEncoder(separators=(",", ":"))

BELIEVED: Final = timedelta(seconds=10)
"""How long a token is taken for the present one."""

OK: Final = "ok"
"""What a call that went well is counted as."""

FIRST_BACKOFF: Final = 0.1
"""Seconds, doubled by every attempt, spread by half to whole."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of every call."""

    connect: timedelta = timedelta(seconds=3)
    """Longest wait for a connection."""
    read: timedelta = timedelta(seconds=10)
    """Longest wait for the whole of an answer; for a page of a list twice that, as it is large."""
    silence: timedelta = timedelta(seconds=90)
    """Longest pause within a watch: the server's bookmark of every minute, and some grace."""
    max_body: int = 64 * 2**20
    """Bytes of an answer; a page of 500 objects is rarely near it."""
    qps: float = 0
    """Calls per second on average; 0 is unlimited, leaving it to the server's priorities."""
    burst: int = 10
    """Calls that need not wait, when `qps` is set."""
    retries: int = 2
    """Additional attempts of a failed read, and of a write the server did not carry out."""
    patience: timedelta = timedelta(seconds=5)
    """Longest time spent waiting between the attempts of one call."""


class Transport:
    """Calls to one API server; safe to share by threads.

    Reads are repeated on Transient errors. A write is repeated only after a 429 with a
    Retry-After, which the server did not carry out; any other failure of a write may have been
    carried out, and is for the caller to observe.
    """

    def __init__(
        self,
        api: ApiClient,
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        spread: Callable[[], float] = random.random,
        doubt: Callable[[], None] | None = None,
        tell: Instruments = SILENT,
    ) -> None:
        """`doubt` is called after a failure that other requests may meet too."""
        self.limits: Final = limits or Limits()
        self._api = api
        self._clock = clock or SystemClock()
        self._spread = spread
        self._doubt = doubt
        self._tell = tell
        self._credentials = _Credentials(api, self._clock)
        self._pool, self._prefix = _pool_of(api)
        self._connections = connections.connections(
            api, connect=self.limits.connect, max_body=self.limits.max_body
        )
        self._bucket = (
            limiter.TokenBucket(self.limits.qps, self.limits.burst, self._clock)
            if self.limits.qps
            else None
        )
        self.deadline = math.inf

    def until(self, deadline: float) -> Transport:
        """The same connections, for calls that end by `deadline`, in seconds of the clock."""
        bounded = copy.copy(self)
        bounded.deadline = deadline
        return bounded

    def read(self, path: str) -> dict[str, Any]:
        """The JSON object at `path`, with its query."""
        return self._persist(lambda: self._call("GET", path), _may_recover)

    def page(self, path: str, form: str = JSON_TYPE) -> dict[str, Any]:
        """The list at `path`, or the part that the query asks for, in the media type `form`."""
        longest = 2 * self.limits.read
        return self._persist(
            lambda: self._call("GET", path, decode=decoding.page, longest=longest, form=form),
            _may_recover,
        )

    def write(
        self, method: str, path: str, body: Any, content_type: str = JSON_TYPE
    ) -> dict[str, Any]:
        """The JSON object that a request with `body` as JSON (None: without) answers with."""
        data = None if body is None else COMPACT.encode(body).encode()
        return self._persist(lambda: self._call(method, path, data, content_type), _not_executed)

    @contextmanager
    def stream(
        self, path: str, doing: str, form: str = JSON_TYPE
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """An answer to be read as it comes; errors of the block are translated as well."""
        with translation.translated(doing):
            left, began = self._time_left(doing), self._clock.monotonic()
            response = self._pool.urlopen(
                "GET",
                self._prefix + path,
                headers={**self._credentials.headers(doing), "Accept": form},
                timeout=Timeout(
                    left,
                    connect=self.limits.connect.total_seconds(),
                    read=self.limits.silence.total_seconds(),
                ),
                retries=False,
                redirect=False,  # an API server does not redirect; a token must not follow one
                preload_content=False,
            )
            if response.status != 200:
                data = self._body(response, doing)
                failure = errors.of_status(response.status, data, doing, response.headers)
                self._count("watch", path, failure.kind, began)
                raise failure
            self._count("watch", path, OK, began)
            yield response

    def close(self) -> None:
        """Drop the connections that are idle."""
        self._connections.close()
        self._api.rest_client.pool_manager.clear()

    def _persist(
        self, call: Callable[[], dict[str, Any]], again: Callable[[errors.Transient], bool]
    ) -> dict[str, Any]:
        """What `call` gives, tried again within the limits while `again` allows it."""
        waited = 0.0
        for attempt in range(self.limits.retries):
            try:
                return call()
            except errors.Transient as error:
                wait = self._backoff(attempt, error)
                waited += wait
                is_late = self._clock.monotonic() + wait > self.deadline
                if is_late or not again(error) or waited > self.limits.patience.total_seconds():
                    raise
                self._clock.sleep(wait)
        return call()

    def _backoff(self, attempt: int, error: errors.Transient) -> float:
        patience = self.limits.patience.total_seconds()
        longest = backoff.doubling(attempt + 1, FIRST_BACKOFF, patience)
        own = longest * (0.5 + self._spread() / 2)
        return own + (error.retry_after.total_seconds() if error.retry_after else 0.0)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = JSON_TYPE,
        *,
        decode: Decode = decoding.single,
        longest: timedelta | None = None,
        form: str = JSON_TYPE,
    ) -> dict[str, Any]:
        doing = f"{method} {path.partition('?')[0]}"
        verb = "list" if decode is decoding.page else method.lower()
        longest, began, outcome = longest or self.limits.read, self._clock.monotonic(), OK
        try:
            seconds = min(self._time_left(doing), longest.total_seconds())
            asked = {"Content-Type": content_type, "Accept": form}
            headers = {**self._credentials.headers(doing), **asked}
            request = Request(method, path, headers, body)
            answer = self._connections.ask(request, seconds, doing)
            if not 200 <= answer.status < 300:
                raise errors.of_status(answer.status, answer.body, doing, answer.headers)
        except errors.ClientError as failure:
            outcome = failure.kind
            if failure.status == errors.UNAUTHORIZED:
                self._credentials.forget()
            if self._doubt and errors.concerns_all(failure):
                self._doubt()
            raise
        finally:
            self._count(verb, path, outcome, began)
        return _parsed(answer.body, doing, decode)

    def _count(self, verb: str, path: str, outcome: str, began: float) -> None:
        took, resource = self._clock.monotonic() - began, resources.named(path)
        self._tell.observe(instruments.API_CALLS, took, verb, resource, outcome)

    def _time_left(self, doing: str) -> float:
        """Seconds until the deadline, once it is a call's turn. Raises Transient when too late."""
        if self._bucket:
            self._bucket.acquire()
        return limiter.time_left(self.deadline, self._clock, doing)

    def _body(self, response: urllib3.BaseHTTPResponse, doing: str) -> bytes:
        own = self._clock.monotonic() + self.limits.read.total_seconds()
        deadline = min(own, self.deadline)
        limit, clock = self.limits.max_body, self._clock
        return answers.whole(response, limit=limit, deadline=deadline, clock=clock, doing=doing)


class _Credentials:
    """Who calls: the headers that say so, shared by threads."""

    def __init__(self, api: ApiClient, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._known: tuple[float, dict[str, str]] = -math.inf, {}

    def headers(self, doing: str) -> dict[str, str]:
        """The present token, if there is one, and what is the same in every call.

        Raises ClientError when it cannot be had; `doing` opens the message.

        The library renews tokens that expire, minutes before they do. To ask it costs as much as a
        fifth of a call: it reads all proxy settings anew.
        """
        asked_at, headers = self._known
        if self._clock.monotonic() - asked_at >= BELIEVED.total_seconds():
            headers = {"User-Agent": self._api.user_agent}
            with translation.translated(doing):
                token = self._api.configuration.auth_settings().get("BearerToken")
            if token and token["value"]:
                headers["Authorization"] = token["value"]
            self._known = self._clock.monotonic(), headers
        return headers

    def forget(self) -> None:
        """Have the library asked again before the next call."""
        self._known = -math.inf, {}


def _pool_of(api: ApiClient) -> tuple[urllib3.PoolManager | urllib3.HTTPConnectionPool, str]:
    """Where to send requests, and what comes before their path.

    The pool of the one server we talk to, past the manager's search for it at every call; except
    through an HTTP proxy, which has to be told the whole URL.
    """
    manager: urllib3.PoolManager = api.rest_client.pool_manager
    answers.begin_in_time(manager)
    host = str(api.configuration.host).rstrip("/")
    parts = urlsplit(host)
    if manager.proxy and parts.scheme == "http":
        return manager, host
    return manager.connection_from_url(host), parts.path


def _may_recover(error: errors.Transient) -> bool:
    # A version that is forgotten stays forgotten.
    return not isinstance(error, errors.Expired)


def _not_executed(error: errors.Transient) -> bool:
    return error.status == 429 and error.retry_after is not None


def _parsed(data: bytes, doing: str, decode: Decode) -> dict[str, Any]:
    try:
        parsed = decode(data, doing)
    except ValueError as error:
        text = data.decode("utf-8", "replace")
        raise errors.Transient(f"{doing}: not JSON: {errors.capped(text)}") from error
    if not isinstance(parsed, dict):
        raise errors.Transient(f"{doing}: not a JSON object: {errors.capped(str(parsed))}")
    return parsed
