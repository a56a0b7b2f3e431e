"""The sandbox API server as an object to start, use and stop; it runs in a thread of its own."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self

import yaml
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from clients.clock import SystemClock
from sandbox.apiserver import http
from sandbox.apiserver.counts import Counts, RequestKind
from sandbox.apiserver.errors import ApiError
from sandbox.apiserver.faults import Faults
from sandbox.apiserver.objects import Obj
from sandbox.apiserver.store import Store

SYSTEM_CLOCK: Final = SystemClock()
HOST: Final = "127.0.0.1"
NAMESPACES: Final = ("default", "kube-system", "kube-public", "kube-node-lease")
_START_TIMEOUT_SECONDS: Final = 10.0
_STOP_POLLS: Final = 100
_STOP_POLL_SECONDS: Final = 0.01


class ApiServer:
    """A small Kubernetes API server over memory, speaking HTTP on 127.0.0.1.

    `port` 0 takes a free one. `history` is how many changes per resource can be resumed from.
    `now` gives the present as an aware datetime, for timestamps and ages.
    """

    def __init__(
        self,
        port: int = 0,
        history: int = 1000,
        bookmark_interval_seconds: float = 60.0,
        now: Callable[[], datetime] = SYSTEM_CLOCK.now,
    ) -> None:
        self._port = port
        self._now = now
        self._bookmark_interval_seconds = bookmark_interval_seconds
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._failure: OSError | None = None
        self._ready = threading.Event()
        self._counts = Counts()
        self.faults = Faults()
        self.store = Store(now, history)
        for name in NAMESPACES:
            self.store.create("namespaces", {"metadata": {"name": name}})
        self.apply_manifests(default_crds())

    @property
    def url(self) -> str:
        """The server's address; RuntimeError before `start`."""
        if not self._ready.is_set():
            raise RuntimeError("the API server has not been started")
        return f"http://{HOST}:{self._port}"

    def start(self) -> Self:
        """Serves until `stop`; comes back once connections are accepted.

        Raises OSError when the port is taken.
        """
        self._thread = threading.Thread(target=self._run, name="sandbox-apiserver", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_TIMEOUT_SECONDS):
            raise RuntimeError("the sandbox API server did not start")
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Ends all watches and connections, and the thread; harmless when not running."""
        if self._loop is None or self._stopping is None or self._thread is None:
            return
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        context = http.Context(
            self.store, self._counts, self.faults, self._now, self._bookmark_interval_seconds
        )
        self._stopping = context.stopping
        sockets = bind_sockets(self._port, HOST)
        self._port = sockets[0].getsockname()[1]
        server = HTTPServer(http.application(context))
        server.add_sockets(sockets)
        self._ready.set()
        await context.stopping.wait()
        server.stop()
        await _end_watches(context)
        await server.close_all_connections()

    def counts(self) -> Counter[RequestKind]:
        """Requests for resources so far, by verb, resource, subresource and user agent."""
        return self._counts.snapshot()

    def compact(self) -> None:
        """Forgets all watch history, so that clients have to list again (410)."""
        self.store.compact()

    def apply_manifests(self, manifests: Iterable[Mapping[str, Any]]) -> list[Obj]:
        """Creates or updates each object, making namespaces as needed; the objects as stored."""
        return [self._apply(manifest) for manifest in manifests]

    def _apply(self, manifest: Mapping[str, Any]) -> Obj:
        namespace = (manifest.get("metadata") or {}).get("namespace")
        if namespace:
            try:
                self.store.get("namespaces", "", namespace)
            except ApiError:
                self.store.create("namespaces", {"metadata": {"name": namespace}})
        return self.store.apply(manifest)

    def write_kubeconfig(self, path: Path | str) -> Path:
        """Writes a kubeconfig that names this server, and gives back where it is."""
        target = Path(path)
        cluster = {"name": "sandbox", "cluster": {"server": self.url}}
        context = {"cluster": "sandbox", "user": "sandbox", "namespace": "default"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "users": [{"name": "sandbox", "user": {}}],
            "contexts": [{"name": "sandbox", "context": context}],
            "current-context": "sandbox",
        }
        target.write_text(yaml.safe_dump(config), encoding="utf-8")
        return target


async def _end_watches(context: http.Context) -> None:
    """Closes every watch and gives their streams a moment to end in good order."""
    for watch in tuple(context.watches):
        watch.close()
    patience = _STOP_POLLS
    while context.watches and patience:
        patience -= 1
        await asyncio.sleep(_STOP_POLL_SECONDS)


def default_crds() -> list[Obj]:
    """The definitions every sandbox starts with, from the package's `crds/` folder."""
    folder = resources.files("sandbox.apiserver") / "crds"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    return [
        document
        for file in files
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
        if document
    ]
