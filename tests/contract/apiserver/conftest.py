"""Fixtures of the API server's contract: the sandbox and a real kube-apiserver in turn."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.apiserver import ApiServer
from tests.contract.apiserver.client import Api
from tests.contract.apiserver.manifests import a_definition


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[ApiServer]:
    """One sandbox API server for the session; bookmarks come fast."""
    with ApiServer(bookmark_interval_seconds=0.3) as server:
        yield server


@pytest.fixture
def sandbox_api(sandbox_server: ApiServer) -> Api:
    """The sandbox, and a namespace of the test's own in it."""
    name = f"test-{secrets.token_hex(4)}"
    sandbox_server.store.create("namespaces", {"metadata": {"name": name}})
    return Api(sandbox_server.url, name)


@pytest.fixture
def real_api(control_plane: Any, namespace: str) -> Api:
    """A real kube-apiserver as its administrator, and a namespace of the test's own in it."""
    headers = {"Authorization": f"Bearer {control_plane.admin_token}"}
    return Api(control_plane.url, namespace, headers, control_plane.ca_file, real=True)


@pytest.fixture(params=["sandbox", "kube-apiserver"])
def api(request: pytest.FixtureRequest) -> Api:
    """Each API server in turn."""
    name = "sandbox_api" if request.param == "sandbox" else "real_api"
    chosen: Api = request.getfixturevalue(name)
    return chosen


@pytest.fixture
def widgets(api: Api) -> Iterator[str]:
    """The group of a CustomResourceDefinition of the test's own, once it is served."""
    group = f"{api.namespace}.example.dev"
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    api.made(definitions, a_definition(group))
    deadline = time.monotonic() + 10
    while api.call("GET", f"/apis/{group}/v1/widgets").code != 200:
        assert time.monotonic() < deadline, "the definition is not served"
        time.sleep(0.05)
    yield group
    api.call("DELETE", f"{definitions}/widgets.{group}")
