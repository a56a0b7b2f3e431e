"""The door to a real API server: raw JSON over the `kubernetes` client's transport.

The library gives configuration (kubeconfig, in-cluster, proxy, TLS, tokens and their renewal) and
connections; its typed models, which drop unknown fields and cost most of a call's time, are not
used. Build it after forking: connections are not shared by processes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

from clients import errors, translation
from clients.kube import decoding
from clients.kube.protocol import (
    JSON_TYPE,
    PAGE,
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
from clients.kube.transport import Transport

BLOCK: Final = 65536
"""Bytes of a watch read at once, at most: an event is delivered as soon as it is there."""

END: Final = b"\n"

METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""The forms in which an API server tells nothing but metadata."""

SMALLER: Final = 8
"""How many times smaller the pages are whose predecessors were too large: the largest objects are
3 MiB, so a few at most are."""


class KubeHttp(Kube, Watcher):
    """Both against one API server; safe to share by threads.

    What is tried again, and how long a call may take: see `clients.kube.transport`.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._streams = _Streams()

    def until(self, deadline: float) -> KubeHttp:
        """This door with an end to all its calls."""
        return KubeHttp(self._transport.until(deadline))

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = JSON_TYPE
    ) -> Object:
        """The object that the server answers with."""
        if method != "GET":
            return self._transport.write(method, path, body, content_type)
        answer = self._transport.read(path)
        if isinstance(answer, decoding.Odd):  # what is written back would lack those parts
            raise errors.Permanent(f"GET {path}: {answer.reason}")
        return answer

    def list(
        self, resource: Resource, namespace: str | None = None, keep: Keep = everything
    ) -> Listing:
        """As `Watcher.list`, read page by page.

        When a page is larger than an answer may be, all is read again in smaller ones; when the
        server forgets the list's version between two pages, it is read again in one go.
        """
        path, size = resource.path(namespace), PAGE
        form = METADATA_LIST if resource.metadata_only else JSON_TYPE
        while True:
            try:
                return self._pages(resource, path, size, keep, form)
            except errors.TooLarge:
                if size == 1:
                    raise
                size = max(1, size // SMALLER)
            except errors.Expired:
                whole = self._transport.page(path, form)
                return Listing(tuple(filter(keep, _items(resource, whole))), _version(whole, path))

    def watch(
        self,
        resource: Resource,
        namespace: str | None,
        resource_version: str,
        timeout: timedelta,
    ) -> Iterator[WatchEvent]:
        """The changes after `resource_version`, as `Watcher.watch` says. Ends early on `close`."""
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(max(1, round(timeout.total_seconds()))),
        }
        path = resource.path(namespace)
        doing = f"WATCH {path}"
        form = METADATA if resource.metadata_only else JSON_TYPE
        with (
            self._transport.stream(f"{path}?{urlencode(query)}", doing, form) as response,
            self._streams.open(response, resource),
        ):
            yield from _events(response, doing, self._transport.limits.max_body)

    def interrupt(self, resource: Resource) -> None:
        """End the watches of `resource` in progress, from any thread; others may be begun."""
        self._streams.interrupt(lambda each: each == resource)

    def close(self) -> None:
        """End all watches, from any thread, and drop the connections."""
        self._streams.close()
        self._transport.close()

    def _pages(self, resource: Resource, path: str, size: int, keep: Keep, form: str) -> Listing:
        items: list[Object] = []
        query = {"limit": str(size)}
        while True:
            page = self._transport.page(f"{path}?{urlencode(query)}", form)
            items.extend(filter(keep, _items(resource, page)))
            version = _version(page, path)
            token = page["metadata"].get("continue")
            if not token:
                return Listing(tuple(items), version)
            query["continue"] = str(token)


def _items(resource: Resource, page: Mapping[str, Any]) -> tuple[Object, ...]:
    """The page's objects, each with the identity that lists of built-in kinds leave out."""
    items: list[dict[str, Any]] = page.get("items") or []
    for item in items:
        item.setdefault("apiVersion", resource.api_version)
        item.setdefault("kind", resource.kind)
    return tuple(items)


def _version(page: Mapping[str, Any], path: str) -> str:
    metadata = page.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if isinstance(version, str) and isinstance(page.get("items") or [], list):
        return version
    raise errors.Transient(f"GET {path}: not a list: {errors.capped(str(page))}")


class _Streams:
    """The watches in progress, so that another thread can end them."""

    def __init__(self) -> None:
        self._open: dict[urllib3.BaseHTTPResponse, Resource] = {}
        self._closed = False
        self._lock = threading.Lock()

    @contextmanager
    def open(self, response: urllib3.BaseHTTPResponse, resource: Resource) -> Iterator[None]:
        """A block in which `response` is read; it ends without an error when it is ended here."""
        with self._lock:
            if self._closed:
                response.close()  # reading gives the end at once
            else:
                self._open[response] = resource
        try:
            yield
        except (errors.ClientError, *translation.LIBRARY_ERRORS):
            if response in self._open:
                raise
        finally:
            with self._lock:
                self._open.pop(response, None)
            response.close()

    def close(self) -> None:
        """Make every reader see the end of its stream, now and later."""
        self._closed = True
        self.interrupt(lambda _: True)

    def interrupt(self, is_meant: Callable[[Resource], bool]) -> None:
        """Make the readers of these resources see the end of their streams."""
        with self._lock:
            for response in [each for each, what in self._open.items() if is_meant(what)]:
                del self._open[response]
                with suppress(OSError, ValueError, RuntimeError):  # it ended by itself just now
                    response.shutdown()


def _events(response: urllib3.BaseHTTPResponse, doing: str, longest: int) -> Iterator[WatchEvent]:
    """The events of a watch in order, until the server ends it.

    Raises Expired and others for the server's ERROR event, Expired for a line that is no event,
    Transient for one that breaks off, Permanent for one of more than `longest` bytes.
    """
    for line in _lines(response, doing, longest):
        if line.strip():
            yield _event(line, doing)


def _lines(response: urllib3.BaseHTTPResponse, doing: str, longest: int) -> Iterator[bytes]:
    rest = bytearray()
    while block := response.read1(BLOCK):
        *lines, last = block.split(b"\n")
        for line in lines:
            yield bytes(rest) + line + END
            rest.clear()
        rest += last
        if len(rest) > longest:
            raise errors.Permanent(f"{doing}: an event is larger than {longest} bytes")
    if rest:
        yield bytes(rest)


def _event(line: bytes, doing: str) -> WatchEvent:
    try:
        event = decoding.event(line, doing)
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            raise _error(obj, doing)
        return WatchEvent(WatchType(kind), obj)
    except (ValueError, KeyError, TypeError) as error:
        text = errors.capped(line.decode("utf-8", "replace"))
        # A whole line would be sent again, and again: only a list leads past it.
        broken = errors.Expired if line.endswith(END) else errors.Transient
        raise broken(f"{doing}: not a watch event: {text}") from error


def _error(status: Any, doing: str) -> errors.ClientError:
    code = status.get("code") if isinstance(status, dict) else None
    if not isinstance(code, int):
        return errors.Transient(f"{doing}: {errors.capped(str(status))}")
    return errors.of_status(code, json.dumps(status), doing)
