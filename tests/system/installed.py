"""The processes of an installation, as its rendered manifests would have them run in pods.

Each container of each replica is a process here: with the arguments, the environment and the
ServiceAccount of its pod, ready when its readiness probe says so. What a kubelet does besides is
left out: images, volumes, limits of resources. A pod reaches the API server by an address and
a token that are mounted, a process by a kubeconfig that holds the same.
"""

import base64
import contextlib
import re
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.redis import server as redis_server
from tests.services import manifests, presence, processes
from tests.services import valkey as valkey_service
from tests.services.cluster import ControlPlane
from tests.services.manifests import Manifest
from tests.services.processes import Process
from tests.stores import DirectStore
from tests.system.processes import Processes

WORDS = re.compile(r"\$\((\w+)\)")


@dataclass(frozen=True)
class Container:
    """One container of one replica of a Deployment."""

    pod: str
    spec: Mapping[str, Any]
    pods: Mapping[str, Any]
    """The spec of its pod."""

    @property
    def name(self) -> str:
        """Its own, with that of its pod."""
        return f"{self.pod}-{self.spec['name']}"

    def probe(self, kind: str, port: int) -> bool:
        """Whether the probe `kind`, asked at `port`, is answered as a kubelet wants it."""
        path = self.spec[kind]["httpGet"]["path"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return 200 <= int(answer.status) < 400
        except OSError:
            return False


@dataclass(frozen=True)
class Pods:
    """What runs the containers of one namespace of `plane`."""

    plane: ControlPlane
    namespace: str
    folder: Path

    def process(self, container: Container, port: int) -> Process:
        """The process of the container, which answers probes at `port`; not started."""
        environ = {**self._environ(container), "COALMINE_LISTEN_PORT": str(port)}
        words = [
            WORDS.sub(lambda match: environ[match[1]], word) for word in container.spec["args"]
        ]
        return Process(
            container.name,
            [sys.executable, "-m", "cli", *words],
            self.folder / f"{container.name}.log",
            env={"PYTHONPATH": str(presence.REPOSITORY), "PATH": "/usr/bin:/bin", **environ},
        )

    def _environ(self, container: Container) -> dict[str, str]:
        environ: dict[str, str] = {}
        for source in container.spec["envFrom"]:
            environ |= self._variables(source)
        for variable in container.spec["env"]:
            environ[variable["name"]] = variable.get("value", container.pod)
        if container.pods.get("automountServiceAccountToken", True):
            environ["COALMINE_KUBECONFIG"] = str(self._kubeconfig(container))
        return environ

    def _variables(self, source: Mapping[str, Any]) -> dict[str, str]:
        """Those of a ConfigMap or a Secret, as the API server has it now."""
        root = f"/api/v1/namespaces/{self.namespace}"
        if reference := source.get("configMapRef"):
            return dict(self.plane.request("GET", f"{root}/configmaps/{reference['name']}")["data"])
        secret = self.plane.request("GET", f"{root}/secrets/{source['secretRef']['name']}")
        return {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}

    def _kubeconfig(self, container: Container) -> Path:
        account = container.pods["serviceAccountName"]
        token = self.plane.service_account_token(self.namespace, account)
        return self.plane.kubeconfig(self.folder / f"{container.name}.kubeconfig", token)


def containers(rendered: Iterable[Manifest]) -> Iterator[Container]:
    """All that would run."""
    for deployment in manifests.of_kind(rendered, "Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        for replica in range(deployment["spec"]["replicas"]):
            pod = f"{deployment['metadata']['name']}-{replica}"
            yield from (Container(pod, each, spec) for each in spec["containers"])


@contextlib.contextmanager
def at_work(
    plane: ControlPlane,
    folder: Path,
    rendered: Sequence[Manifest],
    namespace: str,
    secret: Manifest,
) -> Iterator[Processes]:
    """The processes of `rendered` in `namespace` for the length of the block, all of them ready.

    `secret` is the one in which they find their Redis; its URL is filled in. Raises ServiceError
    for a process that does not become ready, or whose liveness probe fails then.
    """
    with contextlib.ExitStack() as stack:
        valkey = stack.enter_context(valkey_service.running(folder))
        texts = {**secret.get("stringData", {}), "COALMINE_REDIS_URL": valkey.url}
        for each in (*rendered, {**secret, "stringData": texts}):
            plane.apply(each, namespace)
        pods = Pods(plane, namespace, folder)
        wanted = list(containers(rendered))
        members = [
            Member(each, port, pods.process(each, port))
            for each, port in zip(wanted, processes.free_ports(len(wanted)), strict=True)
        ]
        for member in members:
            stack.callback(member.process.stop, member.grace)
            member.process.start()
        stack.callback(_ask_to_end, members)
        _until_ready(members)
        store = DirectStore(redis_server.connect(valkey.url))
        started = {each.process.name: each.process for each in members}
        pages = {each.process.name: f"http://127.0.0.1:{each.port}" for each in members}
        yield Processes(started, valkey, store, {}, pages)


@dataclass(frozen=True)
class Member:
    """A container with its process."""

    container: Container
    port: int
    process: Process

    @property
    def grace(self) -> float:
        """Seconds from being told to end to being killed."""
        return float(self.container.pods["terminationGracePeriodSeconds"])


def _ask_to_end(members: Iterable[Member]) -> None:
    """Tells all of them before the first is waited for."""
    for member in members:
        member.process.ask_to_end()


def _until_ready(members: Iterable[Member], seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    for member in members:
        process = member.process
        while not member.container.probe("readinessProbe", member.port):
            if process.ended or time.monotonic() > deadline:
                raise processes.ServiceError(f"{process.name} is not ready:\n{process.tail()}")
            time.sleep(0.05)
        if not member.container.probe("livenessProbe", member.port):
            raise processes.ServiceError(f"{process.name} is not alive:\n{process.tail()}")
