"""The HTTP server of a process: which path is answered by whom, and what a flood costs."""

import http.client
import json
import logging
import socket
import threading
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest

from cli import endpoint, exits
from cli.endpoint import Question, Response, Table
from clients import errors
from clients.clock import ManualClock
from tests import patience

PATH = "/api/v1/canaries/{namespace}/{name}/timeline"


def a_clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))


def told(question: Question) -> Response:
    """What an answer is given to know."""
    return endpoint.as_json([dict(question.places), dict(question.query)])


def test_an_answer_knows_the_places_of_its_path_and_its_parameter() -> None:
    """Places hold one segment each, decoded; another path is none of its business."""
    table = Table({f"{PATH}?count": told, "/healthz": lambda _: Response(b"well", "text/plain")})

    answer = table.answer("/api/v1/canaries/shop/pod%2Finfo/timeline?count=5&more=1")
    assert json.loads(answer.body) == [
        {"namespace": "shop", "name": "pod/info"},
        {"count": "5"},
    ]
    assert table.answer("/healthz") == Response(b"well", "text/plain", HTTPStatus.OK)
    for path in (
        "/api/v1/canaries/shop/timeline",
        "/api/v1/canaries/a/b/c/timeline",
        "/healthz/",
        "//[",
    ):
        missing = table.answer(path)
        assert (missing.status, json.loads(missing.body)) == (
            404,
            {"paths": [f"{PATH}?count", "/healthz"]},
        )


def test_many_requests_cost_one_look_a_second() -> None:
    """S-5: endpoints are open to the network: a flood of requests must not become one on Redis."""
    looks: list[float] = []
    clock = a_clock()

    def look(_: Question) -> Response:
        looks.append(clock.monotonic())
        return Response(b"%d" % len(looks))

    table = Table({"/healthz": look}, clock)
    assert {table.answer("/healthz").body for _ in range(1000)} == {b"1"}
    clock.advance(timedelta(seconds=1))
    assert table.answer("/healthz").body == b"2"
    assert looks == [0, 1]


def test_parameters_that_nobody_reads_make_no_other_question() -> None:
    """R-68: each query made the page of metrics anew, and 64 of its megabytes were kept."""
    looks: list[str] = []
    clock = a_clock()

    def look(question: Question) -> Response:
        looks.append(question.query.get("limit", ""))
        return Response(b"page")

    table = Table({"/metrics": look, "/timeline?limit": look}, clock)
    for number in range(100):
        for query in (f"{number}&x={number}", f"={number}"):
            assert table.answer(f"/metrics?{query}").body == b"page"
    assert looks == [""]
    for number in range(6):
        table.answer(f"/timeline?limit={number % 3}&x={number}")
    assert looks == ["", "0", "1", "2"]
    clock.advance(timedelta(seconds=1))
    table.answer("/timeline")
    assert len(table._rows[1].last) == 1, "what is of no use any more is not kept"


def test_what_is_remembered_is_bounded_and_never_of_another_question() -> None:
    """However many paths are asked for, each gets its own answer, and memory does not grow."""
    table = Table({PATH: told}, a_clock())
    for number in range(1000):
        answer = table.answer(f"/api/v1/canaries/shop/n{number}/timeline")
        assert json.loads(answer.body)[0] == {"namespace": "shop", "name": f"n{number}"}
    assert len(table._rows[0].last) == endpoint.MOST_REMEMBERED


def test_a_redis_that_is_away_is_said_and_a_defect_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither ends the server, nor hangs up on whoever asked."""

    def away(_: Question) -> Response:
        raise errors.Transient("redis: away")

    def defect(_: Question) -> Response:
        raise ZeroDivisionError

    table = Table({"/away": away, "/defect": defect})
    with caplog.at_level(logging.ERROR):
        assert table.answer("/away") == endpoint.as_json({"error": "redis: away"}, HTTPStatus(503))
        assert caplog.records == []
        assert table.answer("/defect").status == HTTPStatus.INTERNAL_SERVER_ERROR
    assert [record.message for record in caplog.records] == ["defect of an answer"]


def test_a_taken_port_ends_the_process_with_the_way_out() -> None:
    """A probe that asks the other process would take its health for ours."""
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(exits.PortTaken, match=rf"port {port} is in use.*--port"),
            endpoint.served(port, {}),
        ):
            pass


def test_idle_connections_keep_no_more_threads_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R-68: nor do they keep a probe from its answer, after which the process is not restarted."""
    monkeypatch.setattr(endpoint, "MOST_CONNECTIONS", 2)
    with endpoint.served(0, {"/x": told}) as port:
        idle = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(4)]
        assert [each.recv(1) for each in idle[:2]] == [b"", b""]
        assert _status(port) == HTTPStatus.OK
        for each in idle:
            each.close()


def test_who_does_not_read_his_answer_keeps_no_probe_from_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R-80: a page of metrics fills the buffers of a connection; a new one was closed at once."""
    monkeypatch.setattr(endpoint, "MOST_CONNECTIONS", 2)
    page = Response(bytes(2**24), "text/plain")
    with endpoint.served(0, {"/metrics": lambda _: page, "/x": told}) as port:
        deaf = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(2)]
        for each in deaf:
            each.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert each.recv(1) == b"H"
        assert _status(port) == HTTPStatus.OK
        for each in deaf:
            each.close()


def test_whoever_is_being_answered_is_not_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all have asked, a new connection is closed at once."""
    monkeypatch.setattr(endpoint, "MOST_CONNECTIONS", 1)
    asked, free = threading.Event(), threading.Event()

    def slow(_: Question) -> Response:
        asked.set()
        assert free.wait(patience.SECONDS)
        return Response(b"answered")

    with endpoint.served(0, {"/x": slow}) as port:
        first = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        first.request("GET", "/x")
        assert asked.wait(patience.SECONDS)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as other:
            assert other.recv(1) == b""
        free.set()
        assert first.getresponse().read() == b"answered"
        first.close()


def test_a_client_that_asks_a_byte_at_a_time_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R-68: the limit is for the whole request, not for each byte of it."""
    monkeypatch.setattr(endpoint, "LONGEST_REQUEST", 0.2)
    with (
        endpoint.served(0, {"/x": told}) as port,
        socket.create_connection(("127.0.0.1", port), timeout=0.05) as slow,
    ):
        assert any(_is_hung_up_on(slow) for _ in range(100)), "five seconds were not enough"


def _is_hung_up_on(connection: socket.socket) -> bool:
    """Whether a client that sends one more byte finds the end."""
    try:
        connection.send(b"G")
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def _status(port: int) -> int:
    """The status of a GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/x")
        return connection.getresponse().status
    finally:
        connection.close()
