"""Where a secret could have leaked to: all that an installation stores, sends, logs and shows.

What a place holds in base64, as Celery's messages are, is looked through decoded too.
"""

import base64
import binascii
import contextlib
import json
import re
import socket
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from tests.services.valkey import Valkey
from tests.stores import everything
from tests.system.site import App, Site

BASE64: Final = re.compile(r"[A-Za-z0-9+/]{12,}={0,2}")
BODY: Final = re.compile(r'\\"body\\": ?\\"([^"\\]+)\\"')
"""That of a message in a queue, as MONITOR shows it."""


class Tap:
    """Every command that a Redis was sent, its scripts' own included."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._heard = bytearray()

    def run(self) -> None:
        """Listens until the connection is shut."""
        while heard := self._connection.recv(1 << 16):
            self._heard += heard

    @property
    def commands(self) -> str:
        """All of them, a line each, with quotes and what is no ASCII escaped."""
        return bytes(self._heard).decode("latin-1")

    @property
    def messages(self) -> str:
        """The bodies of the messages that went into queues."""
        return "\n".join(_decoded(body) for body in BODY.findall(self.commands))


@contextlib.contextmanager
def tapped(valkey: Valkey) -> Iterator[Tap]:
    """What is sent to the server during the block."""
    address = urlsplit(valkey.url)
    with socket.create_connection((str(address.hostname), address.port or 0)) as connection:
        connection.sendall(b"MONITOR\r\n")
        assert connection.recv(5, socket.MSG_WAITALL) == b"+OK\r\n"
        tap = Tap(connection)
        thread = threading.Thread(target=tap.run)
        thread.start()
        try:
            yield tap
        finally:
            connection.shutdown(socket.SHUT_RDWR)
            thread.join()


def places(app: App, tap: Tap) -> dict[str, str]:
    """The text of each place, as it is now."""
    site, pages = app.site, app.site.processes.pages
    timeline = f"/api/v1/canaries/{site.namespace}/{app.name}/timeline"
    members = site.processes.members.values()
    with contextlib.closing(site.processes.valkey.client()) as client:
        stored = "\n".join(map(" ".join, everything(client)))
    return {
        "Redis": stored,
        "commands": tap.commands,
        "messages": tap.messages,
        "logs": "\n".join(each.log.read_text("utf-8") for each in members),
        "metrics": "\n".join(_page(f"{page}/metrics") for page in pages.values()),
        "timeline": _page(next(url for name, url in pages.items() if "report" in name) + timeline),
        "events": _objects(site, "/api/v1/events"),
        "statuses": _objects(site, "/apis/flagger.app/v1beta1/canaries"),
    }


def holding(texts: Mapping[str, str], wanted: str) -> set[str]:
    """The names of the texts in which `wanted` occurs, in base64 or not."""
    return {
        name
        for name, text in texts.items()
        if wanted in text or any(wanted in _decoded(each) for each in BASE64.findall(text))
    }


def _decoded(text: str) -> str:
    """What `text` says in base64; a run of its letters may be cut short, or be none."""
    bare = text.rstrip("=")
    with contextlib.suppress(binascii.Error):
        return base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("latin-1")
    return ""


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: bytes = answer.read()
        return text.decode()


def _objects(site: Site, path: str) -> str:
    return json.dumps(site.plane.request("GET", path)["items"])
