"""The services that the other tests stand on are the real ones, and configured as we say.

Tested: each answers, with the version we pin; RBAC is on; backfilled data is found at its time.
Not tested: that a missing service skips or fails (tests/unit/repository/test_presence.py).
"""

import contextlib
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.patience import until
from tests.services import control_plane as control_plane_service
from tests.services import deployments, presence
from tests.services import prometheus as prometheus_service
from tests.services import valkey as valkey_service
from tests.services.cluster import ControlPlane, Refused, Request
from tests.services.prometheus import MetricsEndpoint, Prometheus
from tests.services.valkey import Valkey


def test_valkey_answers_ping(valkey: Valkey) -> None:
    """The server of the wheel is a Valkey that answers, without persistence."""
    with contextlib.closing(valkey.client()) as client:
        assert client.ping() is True
        assert client.config_get("save") == {"save": ""}
        assert client.dbsize() == 0


def test_the_api_server_is_the_pinned_version(control_plane: ControlPlane) -> None:
    """What go.mod pins is what answers /version."""
    version = control_plane.request("GET", "/version")
    assert version["gitVersion"] == "v1.36.3"
    assert (version["major"], version["minor"]) == ("1", "36")


def test_a_scraper_that_hangs_up_leaves_no_trace(capfd: pytest.CaptureFixture[str]) -> None:
    """As a Prometheus does whose time for a scrape is over; the page is there for the next."""
    with prometheus_service.metrics_endpoint() as page:
        page.set("x" * 10_000_000)
        host, port = page.target.split(":")
        with socket.create_connection((host, int(port)), timeout=5) as scraper:
            scraper.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert scraper.recv(1)
        page.set("up 1")
        with urllib.request.urlopen(f"http://{page.target}/metrics", timeout=5) as answer:
            assert answer.read() == b"up 1\n"
    assert capfd.readouterr().err == ""


def test_rbac_refuses_a_service_account_without_a_role(
    control_plane: ControlPlane, namespace: str
) -> None:
    """A new ServiceAccount is known to the server and may read nothing."""
    token = control_plane.service_account_token(namespace, "nobody")
    path = f"/api/v1/namespaces/{namespace}/services"
    with pytest.raises(Refused) as refusal:
        control_plane.request("GET", path, token=token)
    assert refusal.value.status == 403
    assert f"system:serviceaccount:{namespace}:nobody" in str(refusal.value)


def test_rbac_allows_what_a_role_grants(control_plane: ControlPlane, namespace: str) -> None:
    """The same ServiceAccount may read what its Role names, and nothing else."""
    token = control_plane.service_account_token(namespace, "reader")
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    rule = {"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}
    role = {"metadata": {"name": "reader"}, "rules": [rule]}
    control_plane.request("POST", f"{rbac}/roles", role)
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    binding = {"metadata": {"name": "reader"}, "subjects": [subject], "roleRef": reference}
    control_plane.request("POST", f"{rbac}/rolebindings", binding)

    listed = _once_allowed(control_plane, f"/api/v1/namespaces/{namespace}/services", token)
    assert listed["items"] == []
    with pytest.raises(Refused):
        control_plane.request("GET", f"/api/v1/namespaces/{namespace}/secrets", token=token)


def test_a_request_without_a_valid_token_is_not_served(control_plane: ControlPlane) -> None:
    """There is no anonymous access."""
    with pytest.raises(Refused) as refusal:
        control_plane.request("GET", "/api/v1/namespaces", token="made-up")
    assert refusal.value.status == 401


def test_istio_objects_are_stored_as_sent(control_plane: ControlPlane, namespace: str) -> None:
    """The stand-in CRDs prune nothing from the spec of a VirtualService."""
    spec = {"hosts": ["app"], "http": [{"route": [{"destination": {"host": "a"}, "weight": 100}]}]}
    manifest = {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": "app"},
        "spec": spec,
    }
    path = control_plane.path(manifest, namespace)
    assert path == f"/apis/networking.istio.io/v1beta1/namespaces/{namespace}/virtualservices/app"
    assert control_plane.apply(manifest, namespace)["spec"] == spec


def test_the_server_tells_who_asked_for_what(control_plane: ControlPlane, namespace: str) -> None:
    """The audit log counts requests by user, verb and resource, refused ones included."""
    token = control_plane.service_account_token(namespace, "counted")
    with control_plane.recorded() as requests:
        with pytest.raises(Refused):
            control_plane.request("GET", f"/api/v1/namespaces/{namespace}/services", token=token)
        control_plane.request("GET", f"/api/v1/namespaces/{namespace}")
    user = f"system:serviceaccount:{namespace}:counted"
    assert [one for one in requests if one.namespace == namespace] == [
        Request(user, "list", "services", namespace, "", 403),
        Request("admin", "get", "namespaces", namespace, namespace, 200),
    ]


def test_a_deployment_is_made_ready_unless_it_is_held_back(
    control_plane: ControlPlane, namespace: str
) -> None:
    """The status writer does what a cluster would do, to all Deployments but the held one."""
    with deployments.made_ready(control_plane, namespace) as writer:
        writer.hold("stuck")
        for name in ("stuck", "app"):
            control_plane.apply(_a_deployment(name), namespace)
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        until(lambda: _available(control_plane, f"{path}/app") == 2)
        assert _available(control_plane, f"{path}/stuck") == 0
        writer.release("stuck")
        until(lambda: _available(control_plane, f"{path}/stuck") == 2)


def test_an_api_server_that_was_down_comes_back_with_its_objects(tmp_path: Path) -> None:
    """Killing the server and starting it again loses nothing, and keeps its address."""
    presence.require("control-plane")
    with control_plane_service.running(tmp_path) as plane:
        name = plane.create_namespace()
        with plane.apiserver.down(), pytest.raises(OSError, match="refused"):
            plane.request("GET", "/version")
        assert plane.request("GET", f"/api/v1/namespaces/{name}")["metadata"]["name"] == name


def test_a_paused_server_does_not_answer(tmp_path: Path) -> None:
    """Pausing makes a server silent, not gone; afterwards it answers as before."""
    presence.require("valkey")
    with valkey_service.running(tmp_path) as server:
        with (
            server.process.paused(),
            contextlib.closing(server.client(timeout=0.2)) as client,
            pytest.raises(redis.TimeoutError),
        ):
            client.ping()
        with contextlib.closing(server.client()) as client:
            assert client.ping() is True


def test_the_named_controllers_run_where_asked_for(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """With the namespace controller up, a deleted namespace goes away."""
    name = control_plane.create_namespace()
    with control_plane_service.controllers(control_plane, tmp_path, "namespace-controller"):
        control_plane.request("DELETE", f"/api/v1/namespaces/{name}")
        until(lambda: not _exists(control_plane, f"/api/v1/namespaces/{name}"), 60)


def test_stock_kubectl_reads_the_kubeconfig(control_plane: ControlPlane, tmp_path: Path) -> None:
    """The kubeconfig that tests hand out works outside of Python too."""
    presence.require("kubectl")
    config = control_plane.kubeconfig(tmp_path / "kubeconfig")
    command = ["kubectl", "--kubeconfig", str(config), "get", "namespaces", "--output=name"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "namespace/kube-system" in done.stdout.split()


def test_prometheus_answers_a_query(prometheus: Prometheus) -> None:
    """The server evaluates PromQL."""
    data = prometheus.query("vector(1)", at=1_700_000_000)
    assert data == {"resultType": "vector", "result": [{"metric": {}, "value": [1.7e9, "1"]}]}


def test_prometheus_scrapes_what_the_test_sets(
    prometheus: Prometheus, metrics_endpoint: MetricsEndpoint
) -> None:
    """A series set on the test's page is in the answers within seconds."""
    metrics_endpoint.set('services_smoke{case="scrape"} 42')
    query = 'services_smoke{case="scrape"}'
    until(lambda: bool(prometheus.query(query)["result"]))
    assert prometheus.query(query)["result"][0]["value"][1] == "42"


def test_backfilled_data_answers_at_its_own_time(tmp_path: Path) -> None:
    """Samples written before the start are found at their timestamps, and not after their time."""
    presence.require("prometheus")
    start = 1_700_000_000
    samples = [f'requests_total{{code="200"}} {10 * n} {start + 10 * n}' for n in range(13)]
    text = "\n".join(["# TYPE requests counter", *samples, "# EOF", ""])
    with prometheus_service.running(tmp_path, openmetrics=text) as server:
        rate = server.query('rate(requests_total{code="200"}[1m])', at=start + 120)
        assert [each["value"] for each in rate["result"]] == [[start + 120, "1"]]
        assert server.query("requests_total", at=start + 3600)["result"] == []


def _a_deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "app", "image": "registry.example/app:1"}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": pods},
    }


def _available(plane: ControlPlane, path: str) -> int:
    status = plane.request("GET", path).get("status", {})
    return int(status.get("availableReplicas", 0))


def _once_allowed(plane: ControlPlane, path: str, token: str) -> dict[str, object]:
    """The answer to a GET, once the authorizer has seen the new binding (it watches, shortly)."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return plane.request("GET", path, token=token)
        except Refused as refusal:
            if refusal.status != 403 or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _exists(plane: ControlPlane, path: str) -> bool:
    try:
        plane.request("GET", path)
    except Refused as refusal:
        if refusal.status == 404:
            return False
        raise
    return True
