"""The running server: counts, faults, kubeconfig, and the official Python client."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import yaml

from sandbox.apiserver import ApiError, ApiServer, Fault, RequestKind
from sandbox.apiserver.cells import human_duration

PATH = "/api/v1/namespaces/default/configmaps"
MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    """A running server."""
    with ApiServer() as running:
        yield running


def test_requests_are_counted_by_kind_and_client(server: ApiServer) -> None:
    """Verb, resource, subresource and user agent; discovery is not counted."""
    agent = {"User-Agent": "worker/1"}
    requests.get(server.url + "/apis", headers=agent, timeout=30)
    requests.post(server.url + PATH, json=MANIFEST, headers=agent, timeout=30)
    requests.get(server.url + PATH, headers=agent, timeout=30)
    requests.get(f"{server.url}{PATH}/c", headers=agent, timeout=30)
    kinds = {(kind.verb, kind.user_agent): count for kind, count in server.counts().items()}
    assert kinds == {("create", "worker/1"): 1, ("list", "worker/1"): 1, ("get", "worker/1"): 1}
    assert RequestKind("get", "configmaps", "", "worker/1") in server.counts()


@pytest.mark.parametrize(
    ("status", "reason"), [(409, "Conflict"), (429, "TooManyRequests"), (500, "InternalError")]
)
def test_a_fault_strikes_as_often_as_asked(server: ApiServer, status: int, reason: str) -> None:
    """Matching requests are refused, others and later ones are not."""
    server.faults.add(Fault(verb="list", resource="configmaps", status=status, times=2))
    assert requests.get(f"{server.url}/api/v1/namespaces", timeout=30).status_code == 200
    answers = [requests.get(server.url + PATH, timeout=30) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].json()["reason"] == reason
    assert ("Retry-After" in answers[0].headers) == (status == 429)


def test_a_fault_can_lose_the_answer_to_a_write_that_was_done(server: ApiServer) -> None:
    """The client sees a broken connection; the object is there."""
    server.faults.add(Fault(verb="create", drop=True, after=True))
    with pytest.raises(requests.ConnectionError):
        requests.post(server.url + PATH, json=MANIFEST, timeout=30)
    assert server.store.get("configmaps", "default", "c")["metadata"]["name"] == "c"


def test_a_fault_can_delay(server: ApiServer) -> None:
    """A client with a shorter timeout gives up; the server goes on serving others."""
    server.faults.add(Fault(verb="list", resource="configmaps", delay_seconds=30))
    with pytest.raises(requests.Timeout):
        requests.get(server.url + PATH, timeout=0.2)
    assert requests.get(server.url + PATH, timeout=30).status_code == 200


def test_an_impossible_fault_is_refused() -> None:
    """The error names the value and what is allowed."""
    with pytest.raises(ValueError, match=r"status must be one of .*429.*, got 418"):
        ApiServer().faults.add(Fault(status=418))


def test_a_kubeconfig_points_at_the_server(server: ApiServer, tmp_path: Path) -> None:
    """One cluster, one context, the namespace `default`."""
    written = yaml.safe_load(server.write_kubeconfig(tmp_path / "config").read_text())
    assert written["clusters"][0]["cluster"] == {"server": server.url}
    assert written["contexts"][0]["context"]["namespace"] == "default"


def test_a_stopped_server_ends_its_watches() -> None:
    """An open watch ends instead of hanging, and stopping twice is harmless."""
    server = ApiServer().start()
    answer = requests.get(server.url + PATH, params={"watch": "true"}, stream=True, timeout=30)
    lines: list[bytes] = []
    reader = threading.Thread(target=lambda: lines.extend(answer.iter_lines()))
    reader.start()
    server.stop()
    server.stop()
    reader.join(timeout=30)
    assert not reader.is_alive()
    answer.close()


def test_an_address_before_the_start_is_an_error() -> None:
    """The port is not known yet."""
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = ApiServer().url


def test_manifests_are_applied_with_their_namespaces(server: ApiServer) -> None:
    """A namespace that is missing is made; applying twice changes nothing."""
    manifest = {**MANIFEST, "metadata": {"name": "c", "namespace": "new"}}
    first, second = (server.apply_manifests([manifest])[0] for _ in range(2))
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    assert server.store.get("namespaces", "", "new")["status"] == {"phase": "Active"}


def test_the_store_hands_out_copies(server: ApiServer) -> None:
    """Editing what was read changes nothing; a stale update conflicts."""
    server.store.create("configmaps", {**MANIFEST, "data": {"a": "1"}}, "default")
    read = server.store.get("configmaps", "default", "c")
    read["data"]["a"] = "2"
    assert server.store.get("configmaps", "default", "c")["data"] == {"a": "1"}
    server.store.update("configmaps", read)
    with pytest.raises(ApiError) as refused:
        server.store.update("configmaps", read)
    assert refused.value.code == 409


def test_a_watch_queue_gets_changes(server: ApiServer) -> None:
    """From now on, of one resource."""
    with server.store.watch_queue("configmaps") as changes:
        server.store.create("configmaps", MANIFEST, "default")
        change = changes.get(timeout=30)
    assert (change.type, change.key.name) == ("ADDED", "c")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (600, "10m"),
        (3600 * 3, "3h"),
        (3600 * 3 + 60, "3h1m"),
        (3600 * 8, "8h"),
        (3600 * 47, "47h"),
        (3600 * 50, "2d2h"),
        (3600 * 24 * 8, "8d"),
    ],
)
def test_ages_are_shown_as_kubectl_shows_them(seconds: int, expected: str) -> None:
    """Source: `apimachinery/pkg/util/duration`, HumanDuration."""
    assert human_duration(timedelta(seconds=seconds)) == expected


def test_timestamps_come_from_the_clock_given() -> None:
    """A server with its own clock stamps objects with it."""
    server = ApiServer(now=lambda: datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    made = server.store.create("configmaps", MANIFEST, "default")
    assert made["metadata"]["creationTimestamp"] == "2030-01-02T03:04:05Z"
