"""Watches: the events one client sees, and the loop that streams them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from sandbox.apiserver import listing
from sandbox.apiserver.errors import ApiError
from sandbox.apiserver.listing import ListQuery
from sandbox.apiserver.negotiation import Renderer
from sandbox.apiserver.objects import encode
from sandbox.apiserver.requests import Target
from sandbox.apiserver.storage import Change, Storage, Stored


@dataclass(frozen=True)
class WatchQuery:
    """What a watch asks for; `timeout_seconds` 0 leaves the end to the client."""

    selected: ListQuery
    bookmarks: bool
    initial_events: bool
    initial_end: bool
    timeout_seconds: int

    @classmethod
    def of(cls, target: Target, selected: ListQuery) -> "WatchQuery":
        """The watch a request asks for."""
        send_initial = target.flag("sendInitialEvents")
        bookmarks = target.flag("allowWatchBookmarks")
        return cls(
            selected,
            bookmarks,
            initial_events=send_initial or selected.resource_version in ("", "0"),
            initial_end=send_initial and bookmarks,
            timeout_seconds=target.number("timeoutSeconds"),
        )


def line(kind: str, text: bytes) -> bytes:
    """One watch event on the wire."""
    return b'{"type":"' + kind.encode() + b'","object":' + text + b"}\n"


def seen(change: Change, query: ListQuery) -> tuple[str, Stored] | None:
    """The event a client with `query` sees of `change`, None when it does not concern it.

    An object that starts or stops matching the selector is ADDED or DELETED to that client.
    """
    if query.namespace and change.key.namespace != query.namespace:
        return None
    chosen = query.selection
    if chosen.everything:
        return change.type, change.current
    before = change.previous is not None and chosen.matches(change.previous.obj)
    after = change.type != "DELETED" and chosen.matches(change.current.obj)
    if after:
        return ("MODIFIED" if before else "ADDED"), change.current
    if before and change.previous is not None:
        return "DELETED", Stored(change.previous.obj, change.revision)
    return None


class Watch:
    """One open watch: subscribed on `open`, pumped by `run` until closed."""

    def __init__(self, storage: Storage, renderer: Renderer, query: WatchQuery) -> None:
        self._storage = storage
        self._renderer = renderer
        self._query = query
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._closed = False
        self._name = renderer.resource.group_resource
        self._changes: deque[Change] = deque()
        self._end_feed: Callable[[], None] | None = None

    def open(self) -> bytes:
        """Subscribes, and gives the events to send at once (what exists, or an ERROR event)."""
        with self._storage.lock:
            try:
                return self._open()
            except ApiError as error:
                self._closed = True
                return line("ERROR", encode(error.status()))

    def _open(self) -> bytes:
        selected = self._query.selected
        if not self._query.initial_events:
            since = listing.parse_version(selected.resource_version)
            self._subscribe(since)
            return b""
        found = listing.page(self._storage, self._renderer.resource, selected)
        self._subscribe(found.revision)
        lines = [line("ADDED", self._renderer.one(stored)) for stored in found.items]
        if self._query.initial_end:
            end = self._renderer.bookmark(found.revision, initial_end=True)
            lines.append(line("BOOKMARK", end))
        return b"".join(lines)

    def _subscribe(self, since: int) -> None:
        self._end_feed = self._storage.feed(self._name, since, self._take)

    def _take(self, change: Change) -> None:
        """Queues a change; called by the writer, in its thread."""
        self._changes.append(change)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def close(self) -> None:
        """Ends the watch; safe to call twice, on the loop's thread."""
        self._closed = True
        if self._end_feed is not None:
            self._end_feed()
        self._wake.set()

    async def run(
        self, send: Callable[[bytes], Awaitable[None]], bookmark_interval_seconds: float
    ) -> None:
        """Sends events until the watch is closed or its timeout has passed."""
        await send(self.open())
        start = self._loop.time()
        ends = start + self._query.timeout_seconds if self._query.timeout_seconds else None
        bookmark_at = start + bookmark_interval_seconds
        while not self._closed:
            self._wake.clear()
            if text := b"".join(self._pending()):
                await send(text)
                continue
            if self._query.bookmarks and self._loop.time() >= bookmark_at:
                bookmark_at = self._loop.time() + bookmark_interval_seconds
                await send(self._bookmark())
                continue
            if ends is not None and self._loop.time() >= ends:
                return
            await self._wait(min(bookmark_at, ends or bookmark_at))

    async def _wait(self, until: float) -> None:
        delay = max(until - self._loop.time(), 0.001)
        try:
            await asyncio.wait_for(self._wake.wait(), delay)
        except TimeoutError:
            return

    def _pending(self) -> Iterator[bytes]:
        while self._changes:
            event = seen(self._changes.popleft(), self._query.selected)
            if event is not None:
                yield line(event[0], self._renderer.one(event[1]))

    def _bookmark(self) -> bytes:
        """Whatever is pending, then a bookmark at the revision that this brings the client to."""
        with self._storage.lock:
            events = b"".join(self._pending())
            return events + line("BOOKMARK", self._renderer.bookmark(self._storage.revision))
