"""The door to the sandbox's API server for callers in its own process: no HTTP, no thread.

What it is asked goes the same way as a request from the network (path, verb, JSON in and out), so
that simulations and tests meet the same server as `kubectl` does.
"""

import contextlib
import copy
import math
import queue
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

from clients import errors
from clients.clock import Clock
from clients.kube import limiter
from clients.kube.protocol import (
    JSON_TYPE,
    Keep,
    Kube,
    Listing,
    Object,
    Watcher,
    WatchEvent,
    WatchType,
    everything,
)
from clients.kube.resources import Resource
from sandbox.apiserver import actions, listing, requests, tables, watching
from sandbox.apiserver.actions import Body
from sandbox.apiserver.errors import ApiError
from sandbox.apiserver.listing import ListQuery
from sandbox.apiserver.negotiation import Form, Renderer
from sandbox.apiserver.objects import decode_object, encode
from sandbox.apiserver.requests import Target
from sandbox.apiserver.storage import Change
from sandbox.apiserver.store import Store

GLANCE_SECONDS: Final = 0.02
"""Real seconds between two looks at the clock of a waiting watch, which a test may move."""

Changes = queue.SimpleQueue[Change]


class InProcessKube(Kube, Watcher):
    """Both over a store; safe to share by threads. `clock` times its watches."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.deadline = math.inf
        self._store = store
        self._clock = clock

    def until(self, deadline: float) -> "InProcessKube":
        """The same server, of which nothing can be asked after `deadline`."""
        bounded = copy.copy(self)
        bounded.deadline = deadline
        return bounded

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = JSON_TYPE
    ) -> Object:
        """The object that the server answers with."""
        limiter.time_left(self.deadline, self._clock, f"{method} {path}")
        sent = Body() if body is None else Body(content_type, encode(body))
        with _translated(f"{method} {path}"):
            target = self._target(method, path)
            return decode_object(
                actions.carry_out(self._store, target, sent, self._renderer(target)).text
            )

    def list(
        self, resource: Resource, namespace: str | None = None, keep: Keep = everything
    ) -> Listing:
        """As `Watcher.list`, ordered by namespace and name."""
        limiter.time_left(self.deadline, self._clock, f"LIST {resource.plural}")
        with _translated(f"GET {resource.path(namespace)}"):
            target = self._target("GET", resource.path(namespace))
            renderer = self._renderer(target, _form(resource))
            page = decode_object(actions.carry_out(self._store, target, Body(), renderer).text)
        return Listing(tuple(filter(keep, page["items"])), page["metadata"]["resourceVersion"])

    def watch(
        self,
        resource: Resource,
        namespace: str | None,
        resource_version: str,
        timeout: timedelta,
    ) -> Iterator[WatchEvent]:
        """The changes after `resource_version`, and a bookmark at the end.

        The time is the clock's: with a `ManualClock` it passes when the clock is moved. A timeout
        of zero gives what has happened so far.
        """
        path = resource.path(namespace)
        deadline = self._clock.monotonic() + timeout.total_seconds()
        if resource_version in {"", "0"}:
            present = self.list(resource, namespace)
            yield from (WatchEvent(WatchType.ADDED, item) for item in present.items)
            resource_version = present.resource_version
        with _translated(f"WATCH {path}"), self._following(path, resource_version) as changes:
            target = self._target("GET", path)
            while self._clock.monotonic() < deadline:
                yield from _events(target, _awaited(changes), _form(resource))
            with self._store.storage.lock:
                rest, revision = _waiting(changes), self._store.storage.revision
            yield from _events(target, rest, _form(resource))
            bookmark = self._renderer(target).bookmark(revision)
            yield WatchEvent(WatchType.BOOKMARK, decode_object(bookmark))

    # --- inside

    def _target(self, method: str, url: str) -> Target:
        path, _, query = url.partition("?")
        return requests.parse(self._store.registry, method, path, dict(parse_qsl(query)))

    def _renderer(self, target: Target, form: Form = Form.JSON) -> Renderer:
        return Renderer(target.resource, form, self._clock.now)

    def _following(self, path: str, version: str) -> contextlib.AbstractContextManager[Changes]:
        name = self._target("GET", path).resource.group_resource
        return self._store.watch_queue(name, listing.parse_version(version))


@contextlib.contextmanager
def _translated(doing: str) -> Iterator[None]:
    """A block whose refusals come out as the real door's errors."""
    try:
        yield
    except ApiError as error:
        raise errors.of_status(error.code, encode(error.status()), doing) from error


def _awaited(changes: Changes) -> list[Change]:
    """The next change, if one comes soon."""
    try:
        return [changes.get(timeout=GLANCE_SECONDS)]
    except queue.Empty:
        return []


def _waiting(changes: Changes) -> list[Change]:
    """The changes that have come."""
    return [changes.get_nowait() for _ in range(changes.qsize())]


def _form(resource: Resource) -> Form:
    return Form.PARTIAL if resource.metadata_only else Form.JSON


def _events(target: Target, changes: Iterable[Change], form: Form) -> Iterator[WatchEvent]:
    """What a client that watches `target` sees of `changes`."""
    query = ListQuery(target.namespace)
    for change in changes:
        event = watching.seen(change, query)
        if event is not None:
            kind, stored = event
            shown = stored.in_version(target.resource.api_version).copy()
            seen = tables.partial(shown) if form is Form.PARTIAL else shown
            yield WatchEvent(WatchType(kind), seen)
