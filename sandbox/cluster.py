"""The sandbox cluster as one object: API server, deployment controller, mesh, metrics server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from importlib import resources
from typing import Any, Final, Self

import yaml

from clients.clock import Clock, SystemClock
from sandbox.apiserver import ApiServer, Store
from sandbox.controllers import DeploymentController
from sandbox.mesh import Mesh, Scenario
from sandbox.prometheus import PrometheusServer
from sandbox.promql import SeriesStore

DEFAULT_SCRAPE: Final = timedelta(seconds=1)
DEFAULT_READY_AFTER: Final = timedelta(seconds=0.5)


class Cluster:
    """A whole cluster under a traffic scenario, on 127.0.0.1; ports of 0 take free ones.

    `ready_after` is how long a pod takes to become ready.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        api_port: int = 0,
        metrics_port: int = 0,
        scrape_interval: timedelta = DEFAULT_SCRAPE,
        ready_after: timedelta = DEFAULT_READY_AFTER,
        clock: Clock | None = None,
    ) -> None:
        now = (clock or SystemClock()).now
        self._seconds = lambda: now().timestamp()
        series = SeriesStore()
        self.api = ApiServer(api_port, now=now)
        self.api.apply_manifests(coalmine_crds())
        self.controller = DeploymentController(self.api.store, now, ready_after)
        self.mesh = Mesh(scenario, StoredWorld(self.api.store), series, scrape_interval)
        self.metrics = PrometheusServer(series, now=self._seconds, port=metrics_port)
        self._running = ExitStack()

    def start(self) -> Self:
        """Itself, running until `stop`. Raises OSError when a port is taken."""
        with ExitStack() as stack:
            self.api.start()
            stack.callback(self.api.stop)
            self.metrics.start()
            stack.callback(self.metrics.stop)
            self.controller.start()
            stack.callback(self.controller.stop)
            self.mesh.start(self._seconds)
            stack.callback(self.mesh.stop)
            self._running = stack.pop_all()
        return self

    def stop(self) -> None:
        """Ends all of it; harmless when it does not run."""
        self._running.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class StoredWorld:
    """What the mesh looks at, read from the API server's store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def virtual_services(self) -> Sequence[Mapping[str, Any]]:
        """All VirtualServices."""
        return self._store.list("virtualservices.networking.istio.io")

    def services(self) -> Sequence[Mapping[str, Any]]:
        """All Services."""
        return self._store.list("services")

    def deployments(self) -> Sequence[Mapping[str, Any]]:
        """All Deployments, with status."""
        return self._store.list("deployments.apps")


def coalmine_crds() -> list[Mapping[str, Any]]:
    """The definitions of Canary, MetricTemplate and AlertProvider, as they are deployed."""
    text = (resources.files("deploy.crds") / "crds.yaml").read_text(encoding="utf-8")
    return [document for document in yaml.safe_load_all(text) if document]
