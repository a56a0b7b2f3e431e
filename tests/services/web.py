"""Small HTTP servers that stand for somebody else's, each on a thread of its own."""

import contextlib
import http.server
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def served(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    """The port of 127.0.0.1 on which `handler` answers for the length of the block."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
