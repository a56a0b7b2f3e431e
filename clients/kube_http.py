"""The door to a real API server: raw JSON over the `kubernetes` client's transport.

The library gives configuration (kubeconfig, in-cluster, proxy, TLS, tokens and their renewal) and
connections; its typed models, which drop unknown fields and cost most of a call's time, are not
used. `connect` is in `clients.kube_connect`. Build it after forking: connections are not shared
by processes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient

from clients import bodies, errors, limiter
from clients.clock import Clock, SystemClock
from clients.kube import (
    PAGE,
    Listing,
    Object,
    Patch,
    PatchKind,
    Propagation,
    WatchEvent,
)
from clients.kube_stream import Streams, read_events
from clients.resources import Resource

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of every call."""

    connect: timedelta = timedelta(seconds=3)
    """Longest wait for a connection."""
    read: timedelta = timedelta(seconds=10)
    """Longest wait for a complete answer; the server itself gives up a write after 34 s."""
    silence: timedelta = timedelta(seconds=90)
    """Longest pause within a watch: the server's bookmark of every minute, and some grace."""
    max_body: int = 64 * 2**20
    """Bytes of an answer; a page of 500 of the largest objects etcd takes is rarely near it."""
    qps: float = 0
    """Calls per second on average; 0 is unlimited, leaving it to the server's priorities."""
    burst: int = 10
    """Calls that need not wait, when `qps` is set."""
    retries: int = 2
    """Additional attempts of a failed read, and of a write the server did not carry out."""
    patience: timedelta = timedelta(seconds=5)
    """Longest time spent waiting between the attempts of one call."""


FIRST_BACKOFF: Final = 0.1
"""Seconds, doubled by every attempt, spread by half to whole."""

JSON_TYPE: Final = "application/json"


class KubeHttp:
    """`Kube` and `Watcher` against one API server; safe to share by threads.

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
    ) -> None:
        self._api = api
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._spread = spread
        self._host = str(api.configuration.host).rstrip("/")
        self._pool: urllib3.PoolManager = api.rest_client.pool_manager
        self._bucket = (
            limiter.TokenBucket(self._limits.qps, self._limits.burst, self._clock)
            if self._limits.qps
            else None
        )
        self._streams = Streams()
        self._timeout = _timeout(self._limits, self._limits.read)

    # --- Kube

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """The object as it is now; raises NotFound."""
        return self._read(resource.path(namespace, name))

    def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """The object as created; raises AlreadyExists."""
        return self._write("POST", resource.path(namespace), body)

    def replace(self, resource: Resource, namespace: str | None, name: str, body: Object) -> Object:
        """The object as written whole; raises Conflict when `body` is not of the last version."""
        return self._write("PUT", resource.path(namespace, name), body)

    def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Patch,
        *,
        subresource: str | None = None,
        kind: PatchKind = PatchKind.MERGE,
    ) -> Object:
        """The object after `patch`; see `clients.kube`."""
        return self._write("PATCH", resource.path(namespace, name, subresource), patch, kind)

    def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        propagation: Propagation | None = None,
    ) -> None:
        """Ask for the object to go; raises NotFound."""
        query = f"?propagationPolicy={propagation}" if propagation else ""
        self._write("DELETE", resource.path(namespace, name) + query, None)

    # --- Watcher

    def list(self, resource: Resource, namespace: str | None = None) -> Listing:
        """All objects of the namespace, or of all namespaces, read page by page.

        When the server forgets the list's version between two pages, it is read again in one go.
        """
        path = resource.path(namespace)
        try:
            return self._pages(resource, path)
        except errors.Expired:
            whole = self._read(path)
            return Listing(_items(resource, whole), _version(whole))

    def watch(
        self,
        resource: Resource,
        namespace: str | None,
        resource_version: str,
        timeout: timedelta,
    ) -> Iterator[WatchEvent]:
        """The changes after `resource_version`; see `clients.kube`. Ends early on `close`."""
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, round(timeout.total_seconds()))),
        }
        path = resource.path(namespace)
        doing = f"WATCH {path}"
        silence = _timeout(self._limits, self._limits.silence)
        with errors.translated(doing):
            response = self._send("GET", f"{path}?{urlencode(query)}", None, JSON_TYPE, silence)
            if response.status != 200:
                raise errors.of_status(
                    response.status, self._body(response, doing), doing, response.headers
                )
            with self._streams.open(response):
                yield from read_events(response, doing, self._limits.max_body)

    def close(self) -> None:
        """End all watches, from any thread, and drop the connections."""
        self._streams.close()
        self._pool.clear()

    # --- inside

    def _pages(self, resource: Resource, path: str) -> Listing:
        items: tuple[Object, ...] = ()
        query = {"limit": str(PAGE)}
        while True:
            page = self._read(f"{path}?{urlencode(query)}")
            items += _items(resource, page)
            token = page["metadata"].get("continue")
            if not token:
                return Listing(items, _version(page))
            query["continue"] = token

    def _read(self, path: str) -> dict[str, Any]:
        return self._persist(lambda: self._call("GET", path, None, JSON_TYPE), _any_transient)

    def _write(
        self, method: str, path: str, body: Any, content_type: str = JSON_TYPE
    ) -> dict[str, Any]:
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        return self._persist(lambda: self._call(method, path, data, content_type), _not_executed)

    def _persist(self, call: Callable[[], T], again: Callable[[errors.Transient], bool]) -> T:
        """What `call` gives, tried again within the limits while `again` allows it."""
        waited = 0.0
        for attempt in range(self._limits.retries):
            try:
                return call()
            except errors.Transient as error:
                wait = self._backoff(attempt, error)
                waited += wait
                if not again(error) or waited > self._limits.patience.total_seconds():
                    raise
                self._clock.sleep(wait)
        return call()

    def _backoff(self, attempt: int, error: errors.Transient) -> float:
        own = FIRST_BACKOFF * (1 << attempt) * (0.5 + self._spread() / 2)
        return own + (error.retry_after.total_seconds() if error.retry_after else 0.0)

    def _call(
        self, method: str, path: str, body: bytes | None, content_type: str
    ) -> dict[str, Any]:
        """The JSON object a request answers with."""
        doing = f"{method} {path.partition('?')[0]}"
        with errors.translated(doing):
            response = self._send(method, path, body, content_type, self._timeout)
            data = self._body(response, doing)
        if not 200 <= response.status < 300:
            raise errors.of_status(response.status, data, doing, response.headers)
        return _parsed(data, doing)

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        content_type: str,
        timeout: urllib3.Timeout,
    ) -> urllib3.BaseHTTPResponse:
        if self._bucket:
            self._bucket.acquire()
        return self._pool.urlopen(
            method,
            self._host + path,
            body=body,
            headers=self._headers(content_type),
            timeout=timeout,
            retries=False,
            redirect=False,  # an API server does not redirect; a token must not follow one
            preload_content=False,
        )

    def _headers(self, content_type: str) -> dict[str, str]:
        headers = {
            "User-Agent": self._api.user_agent,
            "Accept": JSON_TYPE,
            "Content-Type": content_type,
        }
        # Asked for every call: the library renews tokens that expire.
        token = self._api.configuration.auth_settings().get("BearerToken")
        if token and token["value"]:
            headers["Authorization"] = token["value"]
        return headers

    def _body(self, response: urllib3.BaseHTTPResponse, doing: str) -> bytes:
        limits = self._limits
        deadline = self._clock.monotonic() + limits.read.total_seconds()
        return bodies.whole(
            response, limit=limits.max_body, deadline=deadline, clock=self._clock, doing=doing
        )


def _timeout(limits: Limits, read: timedelta) -> urllib3.Timeout:
    return urllib3.Timeout(connect=limits.connect.total_seconds(), read=read.total_seconds())


def _any_transient(error: errors.Transient) -> bool:
    # A version that is forgotten stays forgotten.
    return not isinstance(error, errors.Expired)


def _not_executed(error: errors.Transient) -> bool:
    return error.status == 429 and error.retry_after is not None


def _parsed(data: bytes, doing: str) -> dict[str, Any]:
    try:
        parsed = json.loads(data)
    except ValueError as error:
        text = data.decode("utf-8", "replace")
        raise errors.Transient(f"{doing}: not JSON: {errors.capped(text)}") from error
    if not isinstance(parsed, dict):
        raise errors.Transient(f"{doing}: not a JSON object: {errors.capped(str(parsed))}")
    return parsed


def _items(resource: Resource, page: Mapping[str, Any]) -> tuple[Object, ...]:
    """The page's objects, each with the identity that lists of built-in kinds leave out."""
    identity = {"apiVersion": resource.api_version, "kind": resource.kind}
    return tuple({**identity, **item} for item in page.get("items") or ())


def _version(page: Mapping[str, Any]) -> str:
    return str(page["metadata"]["resourceVersion"])
