"""The API servers that writers are tried against: the sandbox's and a real one."""

import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import yaml

from clients.clock import SystemClock
from clients.kube import connect, resources
from sandbox.apiserver import ApiServer
from tests.fakes.kube import FakeKube, KubeWatcher
from tests.services.control_plane import COALMINE_CRDS, ControlPlane


class Place(NamedTuple):
    """A namespace of the test's own, behind the door to an API server."""

    door: KubeWatcher
    namespace: str


@pytest.fixture
def place_in_process() -> Place:
    """The sandbox's API server, without its network."""
    return Place(FakeKube(SystemClock()), "test")


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[ApiServer]:
    """One sandbox server for all tests."""
    server = ApiServer()
    server.apply_manifests(list(yaml.safe_load_all(COALMINE_CRDS.read_text("utf-8"))))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def place_on_sandbox(sandbox_server: ApiServer) -> Iterator[Place]:
    """The sandbox's API server over HTTP."""
    namespace = f"test-{secrets.token_hex(4)}"
    door = connect.connect(role="test", url=sandbox_server.url)
    door.create(resources.NAMESPACES, None, {"metadata": {"name": namespace}})
    yield Place(door, namespace)
    door.close()


@pytest.fixture
def place_on_apiserver(
    control_plane: ControlPlane, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A real kube-apiserver."""
    kubeconfig = control_plane.kubeconfig(tmp_path_factory.mktemp("admin") / "kubeconfig")
    door = connect.connect(role="test", kubeconfig=kubeconfig)
    yield Place(door, namespace)
    door.close()


@pytest.fixture(params=["in_process", "on_sandbox", "on_apiserver"])
def place(request: pytest.FixtureRequest) -> Any:
    """A namespace on each server in turn."""
    return request.getfixturevalue(f"place_{request.param}")
