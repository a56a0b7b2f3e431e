"""A receiver of webhooks that answers as told and remembers what it got."""

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Receiver:
    """An HTTP server; each hook has a path of its own, and is answered 200 unless told."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"
        self._answers: dict[str, tuple[int, str]] = {}
        self._meanwhile: dict[str, Callable[[], None]] = {}
        self._got: list[tuple[str, dict[str, Any]]] = []

    def url(self, path: str) -> str:
        """The address to put into a manifest for the hook at `path`, such as "/gate"."""
        return self._root + path

    def tell(self, path: str, status: int, body: str = "") -> None:
        """From now on this is the answer at `path`."""
        self._answers[path] = (status, body)

    def meanwhile(self, path: str, act: Callable[[], None]) -> None:
        """From now on `act` is done before a call of `path` is answered."""
        self._meanwhile[path] = act

    def got(self, path: str) -> list[dict[str, Any]]:
        """The payloads that came to `path`, oldest first."""
        return [payload for where, payload in self._got if where == path]

    def answer(self, path: str, payload: dict[str, Any]) -> tuple[int, str]:
        """Status and body for one call."""
        self._got.append((path, payload))
        if act := self._meanwhile.get(path):
            act()
        return self._answers.get(path, (200, ""))


@contextlib.contextmanager
def running() -> Iterator[Receiver]:
    """A receiver for the length of the block."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, body = receiver.answer(self.path, json.loads(self.rfile.read(length)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
            """Keeps the test's output free of one line per call."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver = Receiver(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
