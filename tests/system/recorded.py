"""A real run, recorded by a real Prometheus: `coalmine up` on the sandbox, three releases.

One is promoted and two are rolled back, as in the demo. What the sandbox does not have, containers
and applications that call others, is told by a page of the form of cAdvisor's and Istio's.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.demo import story
from clients import errors
from clients.kube import connect
from clients.kube.resources import CANARIES, DEPLOYMENTS, NAMESPACES
from clients.kube.rest import KubeHttp
from tests import patience
from tests.services import presence, prometheus
from tests.services.prometheus import Prometheus
from tests.system import webhooks
from tests.unit.exporter import expressions

RESOURCES: Final = {"Namespace": NAMESPACES, "Deployment": DEPLOYMENTS, "Canary": CANARIES}
ENDS: Final = ("Succeeded", "Failed")
LONGEST: Final = 150.0
"""Seconds for any part of the run."""

PODS: Final = ("podinfo-primary-1", "podinfo-1")
CONTAINERS: Final = (
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "container_network_receive_bytes_total",
    "container_network_transmit_bytes_total",
)


@dataclass(frozen=True)
class Run:
    """What was recorded, from `began` to `ended` in Unix seconds; all processes go on."""

    prometheus: Prometheus
    began: float
    ended: float

    def answer(self, expr: str) -> list[Any]:
        """What there is; nothing if there is nothing for long: a late scrape leaves a gap."""
        with contextlib.suppress(AssertionError):
            patience.until(lambda: _values(self.prometheus, expr))
        return _values(self.prometheus, expr)


@contextlib.contextmanager
def run(folder: Path) -> Iterator[Run]:
    """A run that has just ended, for the length of the block."""
    targets = folder / "targets"
    with contextlib.ExitStack() as stack:
        sandbox = stack.enter_context(_sandbox(folder))
        page = stack.enter_context(prometheus.metrics_endpoint())
        page.set("\n".join(_stand_ins()))
        jobs = [
            {"job_name": "coalmine", "honor_labels": True, "file_sd_configs": [_found(targets)]},
            {
                "job_name": "sandbox",
                "honor_labels": True,
                "metrics_path": "/federate",
                "params": {"match[]": ['{__name__=~"istio_.*"}']},
                "static_configs": [{"targets": [sandbox["metricsServer"].removeprefix("http://")]}],
            },
        ]
        rules = [expressions.RULES / file for file in expressions.FILES]
        recording = prometheus.running(folder, targets=[page.target], jobs=jobs, rules=rules)
        server = stack.enter_context(recording)
        receiver = stack.enter_context(webhooks.running())
        stack.enter_context(_up(folder, sandbox, targets))
        kube = connect.connect(role="test", kubeconfig=Path(sandbox["kubeconfig"]))
        began = time.time()
        _play(kube, receiver.url("/load"))
        _until(lambda: len(_values(server, 'ALERTS{alertname="CanaryRolloutFailed"}')) == 2)
        yield Run(server, began, time.time())


def _values(server: Prometheus, expr: str) -> list[Any]:
    found: list[Any] = server.query(expr)["result"]
    return found


def _play(kube: KubeHttp, hook: str) -> None:
    """Applies the acts of the demo, releases, and waits for the ends; one has a webhook."""
    for act in story.ACTS:
        for manifest in act.manifests():
            body = _hooked(manifest, hook) if manifest["kind"] == "Canary" else manifest
            kube.create(RESOURCES[manifest["kind"]], body["metadata"].get("namespace"), body)
    _until(lambda: _phases(kube) == ["Initialized"] * len(story.ACTS))
    for act in story.ACTS:
        kube.patch(DEPLOYMENTS, act.ref.namespace, act.ref.name, act.release())
    _until(lambda: all(phase in ENDS for phase in _phases(kube)))


def _hooked(manifest: Mapping[str, Any], url: str) -> dict[str, Any]:
    analysis = {
        **manifest["spec"]["analysis"],
        "webhooks": [{"name": "load", "type": "rollout", "url": url}],
    }
    return {**manifest, "spec": {**manifest["spec"], "analysis": analysis}}


def _phases(kube: KubeHttp) -> list[str]:
    items = kube.list(CANARIES).items
    return [str((each.get("status") or {}).get("phase")) for each in items]


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONGEST
    while True:
        with contextlib.suppress(errors.Transient):
            if holds():
                return
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.2)


def _found(targets: Path) -> dict[str, Any]:
    return {"files": [str(targets / "*.json")], "refresh_interval": "1s"}


def _stand_ins() -> Iterator[str]:
    """What other exporters would tell; counters that stand still have a rate, of 0."""
    for name in CONTAINERS:
        for pod in PODS:
            labels = f'namespace="shop",pod="{pod}",container="podinfod",cpu="total"'
            yield f"{name}{{{labels}}} 1000"
    for workload in ("podinfo", "podinfo-primary"):
        labels = (
            f'reporter="source",source_workload_namespace="shop",source_workload="{workload}",'
            'destination_service="redis.shop.svc.cluster.local",response_code="200"'
        )
        yield f"istio_requests_total{{{labels}}} 1000"


@contextlib.contextmanager
def _sandbox(folder: Path) -> Iterator[Mapping[str, str]]:
    """Where a sandbox cluster is: kubeconfig, apiServer, metricsServer."""
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--kubeconfig", str(folder / "kubeconfig")],
        cwd=presence.REPOSITORY,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


@contextlib.contextmanager
def _up(folder: Path, sandbox: Mapping[str, str], targets: Path) -> Iterator[None]:
    """The process set: two beats, of which one stands by, and a worker for each role."""
    arguments = [
        *("--beats=2", "--analysis-workers=2", "--min-interval=2s"),
        *("--kubeconfig", sandbox["kubeconfig"], "--metrics-server", sandbox["metricsServer"]),
        *("--targets-dir", str(targets)),
    ]
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", "up", *arguments],
            cwd=presence.REPOSITORY,
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)
