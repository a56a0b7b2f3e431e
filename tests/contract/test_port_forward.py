"""A GET through a port-forward, as the `kubernetes` library makes it and a kube-apiserver takes it.

The server speaks `v4.channel.k8s.io` as a kube-apiserver does; behind it is a process's own
endpoint. Left out: the kubelet, which no control plane of the tests has.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import endpoint
from clients import errors
from clients.kube import forward
from clients.kube.forward import Forward
from tests.services.port_forward import PortForwards, serving

LONG = "x" * 200_000
FORWARDING = "/api/v1/namespaces/system/pods/worker/portforward?ports=8080"


@pytest.fixture
def pod() -> Iterator[tuple[str, int]]:
    """Where a process listens."""
    routes = {
        "/short": lambda _: endpoint.as_json({"answer": "yes"}),
        "/long": lambda _: endpoint.as_json({"answer": LONG}),
    }
    with endpoint.served(0, routes) as port:
        yield "127.0.0.1", port


@pytest.fixture
def server(pod: tuple[str, int]) -> Iterator[PortForwards]:
    """An API server that forwards to it."""
    with serving(PortForwards({"system/worker": pod})) as running:
        yield running


@pytest.fixture
def door(server: PortForwards, tmp_path: Path) -> Forward:
    """Forwarding by a kubeconfig with a token."""
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(a_kubeconfig(server.url)), "utf-8")
    return forward.connect(role="test", kubeconfig=path, context="there")


def a_kubeconfig(url: str) -> dict[str, Any]:
    """A kubeconfig whose current context leads nowhere, and whose context `there` to `url`."""
    users = [{"name": "me", "user": {"token": "made-up"}}]
    clusters = [{"name": "there", "cluster": {"server": url}}]
    contexts = [{"name": "there", "context": {"cluster": "there", "user": "me"}}]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "",
        "users": users,
        "clusters": clusters,
        "contexts": contexts,
    }


def got(
    door: Forward, path: str, pod: str = "worker", most: int = 10**6, seconds: float = 20
) -> tuple[int, bytes]:
    """Status and body of a GET at the pod."""
    timeout = timedelta(seconds=seconds)
    return door.get("system", pod, 8080, path, timeout=timeout, most=most)


def test_what_a_pod_serves_comes_through(door: Forward, server: PortForwards) -> None:
    """Status and body, at the port that was named; each time by a forwarding of its own.

    Asked for as whom the kubeconfig names.
    """
    assert got(door, "/short") == (200, b'{"answer": "yes"}')
    status, body = got(door, "/long")
    assert (status, len(body)) == (200, len(LONG) + 14)
    assert got(door, "/other")[0] == 404
    assert server.asked == ["system/worker:8080"] * 3
    assert server.tokens == {"Bearer made-up"}


def test_an_answer_that_is_too_large_is_refused(door: Forward) -> None:
    """However much there is to come."""
    with pytest.raises(errors.TooLarge, match="larger than 1000 bytes"):
        got(door, "/long", most=1000)


@pytest.mark.parametrize(
    ("status", "kind"), [(403, errors.Permanent), (404, errors.NotFound), (500, errors.Transient)]
)
def test_a_forwarding_that_is_refused_tells_its_status_and_no_header(
    door: Forward, server: PortForwards, status: int, kind: type[errors.ClientError]
) -> None:
    """The library's own words hold all headers of the answer."""
    server.refusal = status
    with pytest.raises(kind) as told:
        got(door, "/short")
    assert told.value.status == status
    assert str(told.value) == (
        f"port-forward to system/worker:8080: {status} the port-forward is refused"
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(door: Forward, server: PortForwards, status: int) -> None:
    """Wherever it leads was sent the token of the kubeconfig."""
    with serving(PortForwards({})) as other:
        server.refusal = status
        server.elsewhere = f"{other.url}{FORWARDING}".replace("http", "ws", 1)
        with pytest.raises(errors.ClientError, match="port-forward to system/worker:8080: "):
            got(door, "/short")
        assert (other.asked, other.tokens) == ([], set())


def test_a_pod_that_does_not_listen_is_told_in_the_words_of_its_node(door: Forward) -> None:
    """They come on a channel of their own."""
    with pytest.raises(errors.Transient, match="port-forward to system/other:8080: no such port"):
        got(door, "/short", pod="other")


def test_a_forwarding_that_never_answers_is_given_up(door: Forward, server: PortForwards) -> None:
    """In the time that is allowed for one step."""
    server.silent = True
    with pytest.raises(errors.Transient, match="timed out"):
        got(door, "/short", seconds=0.5)


BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"


@pytest.mark.parametrize(("rest", "told"), [(b"", "the connection broke"), (b"x" * 4999, "timed")])
def test_an_answer_that_breaks_off_or_never_ends_is_none(
    door: Forward, server: PortForwards, rest: bytes, told: str
) -> None:
    """A byte now and then is no reason to wait."""
    server.answer = BEGUN + rest
    began = time.monotonic()
    with pytest.raises(errors.Transient, match=told):
        got(door, "/short", seconds=1.5)
    assert time.monotonic() - began < 8  # it comes for a hundred


def test_an_answer_that_comes_slowly_and_in_time_is_taken(
    door: Forward, server: PortForwards
) -> None:
    """However small its parts are."""
    server.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    assert got(door, "/short") == (200, b"{}")


GREETING = b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"x" * 9999


@pytest.mark.parametrize("greeting", [b"", GREETING])
def test_a_handshake_that_never_ends_is_given_up(greeting: bytes, tmp_path: Path) -> None:
    """The server takes the connection, and says nothing, or says it byte by byte."""
    ending = threading.Event()

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            for byte in greeting:
                if ending.wait(0.02):
                    return
                connection.send(bytes([byte]))
            ending.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=[listening])
        thread.start()
        path = tmp_path / "kubeconfig"
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        path.write_text(yaml.safe_dump(a_kubeconfig(url)), "utf-8")
        stuck = forward.connect(role="test", kubeconfig=path, context="there")
        began = time.monotonic()
        with pytest.raises(errors.TimedOut, match="port-forward to system/worker:8080: timed out"):
            got(stuck, "/short", seconds=0.3)
        assert time.monotonic() - began < 8  # it goes on for ten, or for two hundred
        ending.set()
        thread.join(5)


def test_a_server_that_is_away_is_a_transient_failure(tmp_path: Path) -> None:
    """Nothing listens on a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(a_kubeconfig(url)), "utf-8")
    away = forward.connect(role="test", kubeconfig=path, context="there")
    with pytest.raises(errors.Transient, match="the connection broke"):
        got(away, "/short")
