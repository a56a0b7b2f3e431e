"""The HTTP surface: one tornado handler in front of `actions`, `watching` and discovery."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler

from sandbox.apiserver import actions, documents, errors, requests
from sandbox.apiserver.actions import Answer, Body
from sandbox.apiserver.counts import Counts, RequestKind
from sandbox.apiserver.errors import ApiError
from sandbox.apiserver.faults import Fault, Faults
from sandbox.apiserver.negotiation import Renderer, accepted
from sandbox.apiserver.objects import encode
from sandbox.apiserver.requests import Target
from sandbox.apiserver.store import Store
from sandbox.apiserver.watching import Watch, WatchQuery

JSON: Final = "application/json"


@dataclass(frozen=True)
class Context:
    """What every handler works with."""

    store: Store
    counts: Counts
    faults: Faults
    now: Callable[[], datetime]
    bookmark_interval_seconds: float
    watches: set[Watch] = field(default_factory=set)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


class ApiHandler(RequestHandler):
    """Every path of the API server."""

    SUPPORTED_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

    def initialize(self, context: Context) -> None:
        """Takes the context over from the application."""
        self._context = context
        self._watch: Watch | None = None

    def set_default_headers(self) -> None:
        """No Server header of tornado's; everything is JSON unless said otherwise."""
        self.clear_header("Server")
        self.set_header("Content-Type", JSON)

    def compute_etag(self) -> None:
        """None: the API server sends no ETags."""
        return

    def on_connection_close(self) -> None:
        """Ends the watch whose client has gone."""
        if self._watch is not None:
            self._watch.close()

    async def get(self) -> None:
        """Discovery documents, objects, lists and watches."""
        await self._handle()

    async def post(self) -> None:
        """Creates an object."""
        await self._handle()

    async def put(self) -> None:
        """Replaces an object or a subresource."""
        await self._handle()

    async def patch(self) -> None:
        """Patches an object or a subresource."""
        await self._handle()

    async def delete(self) -> None:
        """Deletes an object or a collection."""
        await self._handle()

    async def _handle(self) -> None:
        try:
            document = documents.find(
                self._context.store.registry, self.request.path, self._header("Accept")
            )
            if document is not None:
                self.set_header("Content-Type", document.content_type)
                self.finish(document.text)
                return
            await self._handle_resource(self._target())
        except ApiError as error:
            self._refuse(error)

    def _target(self) -> Target:
        query = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        method = self.request.method or "GET"
        return requests.parse(self._context.store.registry, method, self.request.path, query)

    def _header(self, name: str) -> str:
        return str(self.request.headers.get(name, ""))

    async def _handle_resource(self, target: Target) -> None:
        kind = RequestKind(
            target.verb,
            target.resource.group_resource,
            target.subresource,
            self._header("User-Agent"),
        )
        self._context.counts.record(kind)
        fault = self._context.faults.take(target)
        if fault is not None and await self._struck(fault, target):
            return
        include = target.query.get("includeObject", "Metadata")
        form = accepted(self._header("Accept"))
        renderer = Renderer(target.resource, form, self._context.now, include)
        if target.verb == "watch":
            await self._stream(target, renderer)
            return
        body = Body(self._header("Content-Type"), self.request.body)
        answer = actions.carry_out(self._context.store, target, body, renderer)
        if fault is not None and fault.after:
            self._strike(fault, target)
            return
        self._send(answer)

    async def _struck(self, fault: Fault, target: Target) -> bool:
        """Waits as `fault` asks; whether it also was the whole answer."""
        if fault.delay_seconds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._context.stopping.wait(), fault.delay_seconds)
        if fault.after or not (fault.status or fault.drop):
            return False
        self._strike(fault, target)
        return True

    def _strike(self, fault: Fault, target: Target) -> None:
        if fault.drop:
            self.detach().close()
        else:
            self._refuse(fault.error(target))

    def _send(self, answer: Answer) -> None:
        self.set_status(answer.code)
        for name, value in answer.headers.items():
            self.set_header(name, value)
        self.finish(answer.text)

    def _refuse(self, error: ApiError) -> None:
        self.set_status(error.code)
        if error.retry_after_seconds is not None:
            self.set_header("Retry-After", str(error.retry_after_seconds))
        self.finish(encode(error.status()))

    async def _stream(self, target: Target, renderer: Renderer) -> None:
        query = WatchQuery.of(target, actions.list_query(target))
        self._watch = Watch(self._context.store.storage, renderer, query)
        self._context.watches.add(self._watch)
        try:
            await self._watch.run(self._push, self._context.bookmark_interval_seconds)
            await self.finish()
        except StreamClosedError:
            return
        finally:
            self._watch.close()
            self._context.watches.discard(self._watch)

    async def _push(self, text: bytes) -> None:
        if text:
            self.write(text)
        await self.flush()

    def write_error(self, status_code: int, **_: Any) -> None:
        """A Status for what no handler foresaw."""
        message = "Internal error occurred: see the sandbox's log"
        if status_code == errors.method_not_allowed().code:
            self.finish(encode(errors.method_not_allowed().status()))
            return
        self.finish(encode(ApiError(status_code, "InternalError", message).status()))


def application(context: Context) -> Application:
    """The tornado application that serves `context`."""
    return Application([(r".*", ApiHandler, {"context": context})], log_function=lambda _: None)
