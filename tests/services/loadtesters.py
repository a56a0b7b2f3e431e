"""A load tester in a thread of the test, asked over HTTP."""

import asyncio
import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import requests

from clients.clock import SystemClock
from clients.gates import Gates, MemoryGates
from config.settings.loadtester import LoadTesterSettings
from loadtester import serving
from loadtester.server import Service
from tests import patience

SHOP: Final = {"name": "shop", "namespace": "prod"}


@dataclass(frozen=True)
class LoadTester:
    """One that is running."""

    url: str
    service: Service

    def ask(
        self, path: str, body: Any = None, method: str = "POST", **headers: str
    ) -> tuple[int, str]:
        """Status and text of an answer; `body` is sent as JSON, or as it is if it is a text."""
        data = body if isinstance(body, str) else json.dumps(body)
        answer = requests.request(method, self.url + path, data=data, headers=headers, timeout=30)
        return answer.status_code, answer.text

    def task(self, kind: str, command: str, **metadata: str) -> tuple[int, str]:
        """Status and text of the answer to a task of the canary shop.prod."""
        chosen = {"type": kind} if kind else {}
        return self.ask("/", {**SHOP, "metadata": {**chosen, "cmd": command, **metadata}})


Start = Callable[..., LoadTester]


@contextlib.contextmanager
def running(
    settings: LoadTesterSettings,
    gates: Gates | None = None,
    environ: Mapping[str, str] | None = None,
    **parts: Any,
) -> Iterator[LoadTester]:
    """A load tester for the length of the block, in a thread of its own.

    `parts` take the place of those of its Service.
    """
    usual = serving.service(
        settings,
        os.environ if environ is None else environ,
        gates or MemoryGates(SystemClock().now),
    )
    service = replace(usual, **parts)
    listening = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()
    is_up = threading.Event()

    async def serve() -> None:
        async with serving.serving(service, listening):
            is_up.set()
            await stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert is_up.wait(patience.SECONDS)
    try:
        yield LoadTester(f"http://127.0.0.1:{listening.getsockname()[1]}", service)
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()
