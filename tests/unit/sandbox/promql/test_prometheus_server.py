"""The metrics server as a server: its pages, both methods, counting, faults, start and stop.

What queries answer is `tests/contract/test_promql.py`.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.prometheus import Empty, Hang, HttpStatus, NotANumber, PrometheusServer
from sandbox.promql import Labels, SeriesStore


@pytest.fixture
def server() -> Iterator[PrometheusServer]:
    """A server over one series, `up` with value 1, whose time stands still."""
    series = SeriesStore()
    series.append(Labels.of({"__name__": "up", "job": "x"}), 1000, 1)
    started = PrometheusServer(series, now=lambda: 1000.0).start()
    yield started
    started.stop()


def ask(server: PrometheusServer, query: str = "up", **parameters: str) -> requests.Response:
    """The reply to an instant query."""
    url = f"{server.url}/api/v1/query"
    return requests.get(url, params={"query": query, **parameters}, timeout=10)


def result(reply: requests.Response) -> Any:
    """The result in a successful reply."""
    assert reply.status_code == 200
    return reply.json()["data"]["result"]


def test_get_and_post_answer_alike(server: PrometheusServer) -> None:
    """A query too long for an address can be posted as a form."""
    posted = requests.post(f"{server.url}/api/v1/query", data={"query": "up"}, timeout=10)
    assert result(posted) == result(ask(server))
    assert result(posted) == [{"metric": {"__name__": "up", "job": "x"}, "value": [1000, "1"]}]


@pytest.mark.parametrize("time_text", ["1000", "1000.0", "1970-01-01T00:16:40Z"])
def test_a_time_may_be_seconds_or_a_date(server: PrometheusServer, time_text: str) -> None:
    """Unix seconds and RFC 3339, as documented."""
    assert result(ask(server, time=time_text))[0]["value"] == [1000, "1"]


def test_health_pages_answer(server: PrometheusServer) -> None:
    """The pages probes and clients look at."""
    for path, text in (("healthy", "Healthy"), ("ready", "Ready")):
        reply = requests.get(f"{server.url}/-/{path}", timeout=10)
        assert reply.text == f"Prometheus Server is {text}.\n"
    assert requests.get(server.url, timeout=10).status_code == 200
    build = requests.get(f"{server.url}/api/v1/status/buildinfo", timeout=10).json()
    assert build["data"]["version"]


def test_queries_are_counted_and_pages_are_not(server: PrometheusServer) -> None:
    """The count is of instant and range queries, refused ones included."""
    ask(server)
    ask(server, "sum(")
    requests.get(f"{server.url}/-/ready", timeout=10)
    requests.get(f"{server.url}/api/v1/labels", timeout=10)
    assert server.query_count == 2


def test_an_unsupported_function_is_named_in_an_execution_error(server: PrometheusServer) -> None:
    """Status 422, in Prometheus's envelope."""
    reply = ask(server, "predict_linear(up[1m], 1)")
    assert reply.status_code == 422
    assert reply.json()["status"] == "error"
    assert reply.json()["errorType"] == "execution"
    assert "predict_linear" in reply.json()["error"]


def test_faults_befall_the_next_queries_in_order(server: PrometheusServer) -> None:
    """Each is used up by the number of queries asked for; then answers are as before."""
    server.faults.add(HttpStatus(503), times=2)
    server.faults.add(HttpStatus(429, retry_after_seconds=7))
    server.faults.add(Empty())
    server.faults.add(NotANumber())
    replies = [ask(server) for _ in range(6)]
    assert [reply.status_code for reply in replies] == [503, 503, 429, 200, 200, 200]
    assert replies[2].headers["Retry-After"] == "7"
    assert result(replies[3]) == []
    assert result(replies[4])[0]["value"] == [1000, "NaN"]
    assert result(replies[5])[0]["value"] == [1000, "1"]


def test_a_hanging_query_does_not_hold_up_others(server: PrometheusServer) -> None:
    """The caller of the faulty query waits (here: gives up); the next is answered at once."""
    server.faults.add(Hang(seconds=30))
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{server.url}/api/v1/query", params={"query": "up"}, timeout=0.2)
    started = time.monotonic()
    assert result(ask(server))
    assert time.monotonic() - started < 5


def test_cleared_faults_do_not_happen(server: PrometheusServer) -> None:
    """`clear` forgets what has not been used."""
    server.faults.add(HttpStatus(500), times=5)
    server.faults.clear()
    assert ask(server).status_code == 200


def test_a_stopped_server_is_gone_and_its_port_free() -> None:
    """`stop` closes the port; a second server can take it."""
    first = PrometheusServer(SeriesStore(), now=lambda: 0.0).start()
    port = int(first.url.rpartition(":")[2])
    first.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(first.url, timeout=1)
    second = PrometheusServer(SeriesStore(), now=lambda: 0.0, port=port).start()
    assert requests.get(second.url, timeout=10).status_code == 200
    second.stop()


def test_a_taken_port_is_an_error_at_start(server: PrometheusServer) -> None:
    """Not a thread that dies in silence."""
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        PrometheusServer(SeriesStore(), now=lambda: 0.0, port=port).start()


def test_another_prometheus_can_scrape_the_newest_values(server: PrometheusServer) -> None:
    """Federation: as text, with labels and the time of each value."""
    reply = requests.get(f"{server.url}/federate", params={"match[]": '{job="x"}'}, timeout=10)
    assert reply.text == 'up{job="x"} 1 1000000\n'
    assert requests.get(f"{server.url}/federate", timeout=10).text == ""
