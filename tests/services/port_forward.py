"""An API server whose port-forwards lead somewhere: WebSockets as a kube-apiserver speaks them.

Every other request is passed on to an API server that knows the pods. No kubelet is needed, which
neither the sandbox nor the control plane of the tests has; what a kubelet would do is to connect to
a port of the pod, and that is what happens here.
"""

import asyncio
import contextlib
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from tests import patience

PROTOCOL: Final = "v4.channel.k8s.io"
FORWARD: Final = r"/api/v1/namespaces/([^/]+)/pods/([^/]+)/portforward"
DATA, ERROR = 0, 1


@dataclass
class PortForwards:
    """Where pods listen, by `namespace/name`; and what was asked for.

    `refusal` is the HTTP status that all forwardings are refused with; 0: none. A redirect leads
    `elsewhere`.
    """

    pods: Mapping[str, tuple[str, int]]
    upstream: str = ""
    refusal: int = 0
    elsewhere: str = ""
    silent: bool = False
    """Whether forwardings are taken and never answered."""
    answer: bytes = b""
    """What is said in place of what the pod says, a byte every 20 ms, and then the end."""
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    url: str = ""


class _Forward(WebSocketHandler):
    def initialize(self, server: PortForwards) -> None:
        self._server = server
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return PROTOCOL if PROTOCOL in subprotocols else None

    async def get(self, *args: Any, **kwargs: Any) -> None:
        if self._server.refusal:
            self.set_status(self._server.refusal)
            self.set_header("X-Secret", "of nobody's business")
            if self._server.elsewhere:
                self.set_header("Location", self._server.elsewhere)
            self.finish("refused")
            return
        await super().get(*args, **kwargs)

    async def open(self, *args: str, **_: str) -> None:
        port = int(self.get_query_argument("ports"))
        self._server.asked.append(f"{'/'.join(args)}:{port}")
        self._server.tokens.add(self.request.headers.get("Authorization", ""))
        if self._server.silent:
            return
        if self._server.answer:
            asyncio.get_running_loop().create_task(self._trickle(port))
            return
        for channel in (DATA, ERROR):
            await self.write_message(bytes([channel]) + struct.pack("<H", port), binary=True)
        try:
            place = self._server.pods["/".join(args)]
            reader, self._writer = await asyncio.open_connection(*place)
        except (KeyError, OSError) as error:
            await self.write_message(
                bytes([ERROR]) + f"no such port: {error}".encode(), binary=True
            )
            return
        self._connected.set()
        asyncio.get_running_loop().create_task(self._pump(reader))

    async def _trickle(self, port: int) -> None:
        with contextlib.suppress(WebSocketClosedError, ConnectionError):
            await self.write_message(bytes([DATA]) + struct.pack("<H", port), binary=True)
            for byte in self._server.answer:
                await self.write_message(bytes([DATA, byte]), binary=True)
                await asyncio.sleep(0.02)
            self.close()

    async def _pump(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(WebSocketClosedError, ConnectionError):
            while data := await reader.read(1000):  # several frames for one answer
                await self.write_message(bytes([DATA]) + data, binary=True)
            self.close()

    async def on_message(self, message: str | bytes) -> None:
        assert isinstance(message, bytes)
        assert message[0] == DATA
        if self._server.answer:
            return
        if await self._is_connected() and self._writer is not None:
            self._writer.write(message[1:])
            await self._writer.drain()

    async def _is_connected(self) -> bool:
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._connected.wait(), 5)
        return False

    def on_close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _Passed(RequestHandler):
    SUPPORTED_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

    def initialize(self, server: PortForwards) -> None:
        self._server = server

    async def _pass_on(self) -> None:
        method = self.request.method or "GET"
        body = self.request.body or None
        kept = {"Content-Type", "Accept", "Authorization"}
        headers = {k: v for k, v in self.request.headers.get_all() if k in kept}
        request = HTTPRequest(
            self._server.upstream + str(self.request.uri),
            method,
            headers,
            body,
            allow_nonstandard_methods=True,
        )
        answer = await AsyncHTTPClient().fetch(request, raise_error=False)
        self.set_status(answer.code)
        self.set_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.finish(answer.body or b"")

    get = post = put = patch = delete = _pass_on


@contextlib.contextmanager
def serving(server: PortForwards) -> Iterator[PortForwards]:
    """`server`, at its `url` for the length of the block."""
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        routes = [(FORWARD, _Forward, {"server": server}), (r".*", _Passed, {"server": server})]
        sockets = bind_sockets(0, "127.0.0.1")
        server.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        http = HTTPServer(Application(routes, log_function=lambda _: None))
        http.add_sockets(sockets)
        ready.set()
        await stop.wait()
        http.stop()
        await http.close_all_connections()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(patience.SECONDS)
    try:
        yield server
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(10)
