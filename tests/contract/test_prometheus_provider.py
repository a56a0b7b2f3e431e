"""The Prometheus provider against a real Prometheus, the sandbox's, and a server that misbehaves.

Aspects: what counts as a number, what as no data, what as an error; what is sent; bounded time and
size; that nothing is ever raised. Left out: verification of certificates, which is requests' own.
"""

import http.server
import itertools
import json
import math
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis import backends
from analysis.backends import bounded
from analysis.backends.authorised import Authorised
from analysis.backends.backend import (
    Access,
    Credentials,
    Endpoint,
    InvalidEndpoint,
    SecretKey,
    Series,
)
from analysis.findings import Absent, Measurement, Sample
from analysis.judges import threshold
from analysis.metrics import checks, grouping, queries
from analysis.metrics.grouping import Query
from analysis.metrics.reader import Limits, MetricReader
from analysis.verdicts import Reason, Verdict
from clients.clock import SystemClock
from clients.documents.world import TemplateView
from sandbox.prometheus import PrometheusServer
from sandbox.promql import SeriesStore
from tests.readings import measured
from tests.services.prometheus import MetricsEndpoint
from tests.services.prometheus import Prometheus as RealPrometheus
from tests.unit.analysis.metrics.builders import a_canary, a_check

CLOCK = SystemClock()


ACCESS_FIELDS = frozenset({"credentials", "timeout"})


def connect(url: str, **given: Any) -> backends.MetricBackend:
    """The backend of the server at `url`; `given` are fields of its endpoint, or of its access."""
    access = {name: value for name, value in given.items() if name in ACCESS_FIELDS}
    endpoint = {name: value for name, value in given.items() if name not in ACCESS_FIELDS}
    return backends.connect(Endpoint(address=url, **endpoint), Access(CLOCK, **access))


# -- servers that behave ------------------------------------------------------------------------


@pytest.fixture(params=["sandbox", "real"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the sandbox's Prometheus, then of a real one."""
    if request.param == "real":
        yield request.getfixturevalue("prometheus").url
        return
    server = PrometheusServer(SeriesStore(), now=time.time).start()
    yield server.url
    server.stop()


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("vector(5)", 5),
        ("vector(1)\n  /  8", 0.125),
        ("vector(1) / 0", math.inf),
        ("vector(-1) / 0", -math.inf),
        ("vector(0.1) + vector(0.2)", 0.1 + 0.2),
    ],
)
def test_a_number_is_given_as_it_is(url: str, query: str, value: float) -> None:
    """To the last digit; infinities are numbers; line breaks in a query do not matter."""
    measurement = connect(url).query(query)
    assert isinstance(measurement, Sample)
    assert measurement.value == value
    assert timedelta(0) < measurement.took < timedelta(seconds=5)


def test_of_several_series_the_last_one_counts(url: str) -> None:
    """As in Flagger."""
    series = 'vector(1) or label_replace(vector(2), "name", "value", "", "")'
    provider = connect(url)
    assert _value(provider.query(f"sort({series})")) == 2
    assert _value(provider.query(f"sort_desc({series})")) == 1


@pytest.mark.parametrize("query", ["absent_series", "vector(0) / vector(0)"])
def test_no_series_and_not_a_number_are_no_data(url: str, query: str) -> None:
    """A ratio without traffic is NaN: nothing was measured, nothing failed."""
    measurement = connect(url).query(query)
    assert isinstance(measurement, Absent)
    assert (measurement.verdict, measurement.reason) == (Verdict.NO_DATA, Reason.NO_VALUES)
    assert measurement.message == "no values found"


@pytest.mark.parametrize(
    ("query", "reason", "words"),
    [
        ("1 + 1", Reason.UNREADABLE_ANSWER, "a scalar or a text"),
        ('"text"', Reason.UNREADABLE_ANSWER, "a scalar or a text"),
        ("sum(", Reason.QUERY_REFUSED, "error response: 400: bad_data: "),
        ("", Reason.QUERY_REFUSED, "error response: 400: bad_data: "),
    ],
)
def test_what_is_no_instant_vector_is_an_error(
    url: str, query: str, reason: Reason, words: str
) -> None:
    """With the status and the words of the server, where it refused."""
    measurement = connect(url).query(query)
    assert isinstance(measurement, Absent)
    assert (measurement.verdict, measurement.reason) == (Verdict.ERROR, reason)
    assert words in measurement.message
    assert "{" not in measurement.message  # the words alone, not the document that holds them


def test_a_query_longer_than_a_url_may_be_is_answered(url: str) -> None:
    """It travels in the body."""
    query = f'absent(absent_series{{name=~"{"x" * bounded.LONGEST_URL_QUERY}"}})'
    assert _value(connect(url).query(query)) == 1


def test_a_server_that_answers_is_online(url: str) -> None:
    """Also when its address ends with a slash."""
    assert connect(url).online() is None
    assert connect(url + "/").online() is None


def test_threads_share_one_provider(url: str) -> None:
    """Each gets the answer to its own query."""
    provider = connect(url)
    answers: dict[int, Measurement] = {}

    def ask(number: int) -> None:
        answers[number] = provider.query(f"vector({number})")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: _value(answer) for number, answer in answers.items()} == {
        number: number for number in range(24)
    }


def test_a_range_of_values_is_an_error(
    prometheus: RealPrometheus, metrics_endpoint: MetricsEndpoint
) -> None:
    """A matrix has no single value."""
    measurement = connect(prometheus.url).query("vector(1)[1m:10s]")
    assert isinstance(measurement, Absent)
    assert (measurement.verdict, measurement.reason) == (Verdict.ERROR, Reason.MULTIPLE_VALUES)
    assert measurement.message == "query returned multiple values"


def test_a_grouped_query_gives_every_workload_the_value_of_its_own_query(
    prometheus: RealPrometheus, metrics_endpoint: MetricsEndpoint
) -> None:
    """To the last digit at the same instant: sharing a query changes no judgement.

    Also where a workload has no traffic (NaN), only errors (nothing to divide), no series at all,
    or a name that is an expression when it is not escaped.
    """
    busy = [
        queries.WorkloadName(namespace, name)
        for namespace in ("contract-a", "contract-b")
        for name in ("web", "web.api", "webxapi")
    ]
    idle, failing = (
        queries.WorkloadName("contract-a", "idle"),
        queries.WorkloadName("contract-b", "failing"),
    )
    absent = queries.WorkloadName("contract-b", "absent")
    scrapes = 'min(count_over_time(istio_requests_total{destination_workload="webxapi"}[30s]))'
    now = time.time()
    for step in range(60):  # a new Prometheus takes some seconds to its first scrape
        page = _istio_page(busy, step) + _quiet_page(idle, failing, step)
        metrics_endpoint.set(page, part="provider")
        now = time.time() - 2  # what was scraped by then is stored: it takes a second at most
        counted = prometheus.query(scrapes, at=now)["result"]
        if counted and float(counted[0]["value"][1]) >= 4:
            break
        time.sleep(0.5)
    for metric in ("request-success-rate", "request-duration"):
        asked = {
            workload: Query(Endpoint(address=prometheus.url), own.text, own)
            for workload in (*busy, idle, failing, absent)
            for own in [queries.Builtin("istio", metric, "30s", workload)]
        }
        (group,) = grouping.grouped(asked.values(), lambda _: grouping.LARGEST_GROUP)
        shared = group.answers(_vector(prometheus, group.text, now))
        alone = {query: _vector(prometheus, query.text, now)[-1:] for query in asked.values()}
        for query, own in alone.items():
            assert _number(shared[query]) == (_number(own[0].measurement) if own else None)
        assert all(0 < (_number(shared[asked[workload]]) or 0) < 1000 for workload in busy)
        assert not alone[asked[absent]]


def test_a_template_gives_what_its_query_gives_in_the_manifest(
    prometheus: RealPrometheus, metrics_endpoint: MetricsEndpoint
) -> None:
    """To the last digit, through the reader, whoever the template makes it be at the server.

    The template of another tenant has a Secret, which is read; this server does not look at it.
    """
    query = 'sum(cents{ns="{{ namespace }}",tier="{{ variables.tier }}"}) / 3'
    metrics_endpoint.set(
        "".join(
            f'cents{{ns="{namespace}",tier="{tier}",pod="{pod}"}} {0.1 * (pod + 1)}\n'
            for namespace, tier, pod in itertools.product(
                ("test", "prod"), ("gold", "iron"), (0, 1)
            )
        ),
        part="templates",
    )
    for _ in range(60):
        if len(prometheus.query("cents")["result"]) == 8:
            break
        time.sleep(0.5)
    entry = {"templateVariables": {"tier": "gold"}, "thresholdRange": {"max": 1}}
    canary = a_canary(
        {"name": "inline", "query": query, **entry},
        {"name": "template", "templateRef": {"name": "plain", "namespace": "sre"}, **entry},
        {"name": "secret", "templateRef": {"name": "tenant", "namespace": "sre"}, **entry},
    )
    plain = TemplateView(kind="prometheus", address=prometheus.url, query=query)
    tenant = replace(plain, secret="token", headers=(("X-Scope-OrgID", ("shop",)),))
    read: list[SecretKey] = []

    def build(endpoint: Endpoint) -> backends.MetricBackend:
        if endpoint.secret is None:
            return backends.connect(endpoint, Access(CLOCK))

        def token(secret: SecretKey) -> Credentials:
            read.append(secret)
            return Credentials({"token": "t0ken"})

        def connected(credentials: Credentials) -> backends.MetricBackend:
            return backends.connect(endpoint, Access(CLOCK, credentials))

        return Authorised(endpoint.secret, token, connected, CLOCK)

    asked = checks.checks_for(
        canary,
        "istio",
        Endpoint(address=prometheus.url),
        known={"sre/plain": plain, "sre/tenant": tenant},
    )
    reader = MetricReader(build, CLOCK, threshold.judge)
    inline, *templated = measured(reader, asked)
    assert inline.verdict is Verdict.PASSED
    assert inline.value == pytest.approx(0.1)
    assert [result.value for result in templated] == [inline.value] * 2
    assert read == [SecretKey("sre", "token")]


def _vector(prometheus: RealPrometheus, query: str, at: float) -> tuple[Series, ...]:
    """The answer of a real server at an instant, read as the backend reads it."""
    answer = prometheus.query(query, at)["result"]
    return tuple(
        Series(
            each["metric"],
            Absent(Verdict.NO_DATA, Reason.NO_VALUES, "NaN")
            if each["value"][1] == "NaN"
            else Sample(float(each["value"][1])),
        )
        for each in answer
    )


def _number(measurement: Measurement) -> float | None:
    return measurement.value if isinstance(measurement, Sample) else None


def _quiet_page(idle: queries.WorkloadName, failing: queries.WorkloadName, step: int) -> str:
    """Counters that stand still, and those of a workload that answers with nothing but errors."""
    template = (
        'istio_requests_total{{reporter="destination",destination_workload="{0.name}",'
        'destination_workload_namespace="{0.namespace}",response_code="{1}"}} {2}\n'
    )
    return "\n" + template.format(idle, 200, 7) + template.format(failing, 503, 11 * step + 1)


def _istio_page(workloads: list[queries.WorkloadName], step: int) -> str:
    """Telemetry of `workloads` after `step` rounds of traffic, different for each of them."""
    lines = []
    for index, workload in enumerate(workloads, start=1):
        labels = (
            f'reporter="destination",destination_workload="{workload.name}",'
            f'destination_workload_namespace="{workload.namespace}"'
        )
        good, bad = 97 * index * step + 1, 3 * step * index**2 + 1
        lines.append(f'istio_requests_total{{{labels},response_code="200"}} {good}')
        lines.append(f'istio_requests_total{{{labels},response_code="503"}} {bad}')
        for edge, share in (("10", 0.3), ("100", 0.8), ("1000", 1.0), ("+Inf", 1.0)):
            count = int((good + bad) * share * (1 - index / 100 if edge == "10" else 1))
            name = "istio_request_duration_milliseconds_bucket"
            lines.append(f'{name}{{{labels},le="{edge}"}} {count}')
    return "\n".join(lines)


# -- a server that does not ---------------------------------------------------------------------

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Faulty:
    """A server of this process that answers every request as the test says, and remembers them."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.url = f"http://{address[0]}:{address[1]}"
        self.answer: Answer = body(b"")
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.over = threading.Event()


def body(content: bytes, status: int = 200, **headers: str) -> Answer:
    """Answers with `content`."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def vector(*values: Any) -> Answer:
    """Answers as Prometheus does, with a series per value."""
    result = [{"metric": {}, "value": [0, value]} for value in values]
    return document({"status": "success", "data": {"resultType": "vector", "result": result}})


def document(content: Any) -> Answer:
    """Answers with JSON."""
    return body(json.dumps(content).encode())


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    """A faulty server on a free port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length).decode()
            server.requests.append((f"{self.command} {self.path}", sent, dict(self.headers)))
            try:
                server.answer(self)
            except OSError:
                self.close_connection = True  # the client has gone, as some tests intend

        do_POST = do_GET  # noqa: N815 (the name is http.server's)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name there)
            """Keeps the test's output free of one line per request."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        server = Faulty(("127.0.0.1", listener.server_address[1]))
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.over.set()
        listener.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        (body(b"overloaded", 503), Reason.SERVER_ERROR, "error response: 503: overloaded"),
        (body(b"oops\n", 500), Reason.SERVER_ERROR, "error response: 500: oops"),
        (body(b"slow down", 429), Reason.THROTTLED, "error response: 429: slow down"),
        (body(b"who are you", 401), Reason.QUERY_REFUSED, "error response: 401: who are you"),
        (body(b"x" * 9999, 404), Reason.QUERY_REFUSED, "error response: 404: " + "x" * 500 + "…"),
        (body(b"", 204), Reason.UNREADABLE_ANSWER, "not that of a Prometheus"),
        (body(b"<html>"), Reason.UNREADABLE_ANSWER, "not that of a Prometheus"),
        (body(b"\xff\xfe\xfd"), Reason.UNREADABLE_ANSWER, "not that of a Prometheus"),
        (body(b"[" * 100_000), Reason.UNREADABLE_ANSWER, "not that of a Prometheus"),
        (document([]), Reason.UNREADABLE_ANSWER, "not that of a Prometheus"),
        (document(None), Reason.UNREADABLE_ANSWER, "not that of a Prometheus"),
        (document({}), Reason.UNREADABLE_ANSWER, "not that of a Prometheus"),
        (document({"data": {"result": None}}), Reason.UNREADABLE_ANSWER, "a scalar or a text"),
        (document({"data": {"result": [0, "1"]}}), Reason.UNREADABLE_ANSWER, "a scalar or a text"),
        (document({"data": {"result": [{}]}}), Reason.UNREADABLE_ANSWER, "without a number"),
        (vector(None), Reason.UNREADABLE_ANSWER, "without a number"),
        (vector("abc"), Reason.UNREADABLE_ANSWER, "without a number"),
        (vector("9_9.5"), Reason.UNREADABLE_ANSWER, "without a number"),
        (vector(99.5), Reason.UNREADABLE_ANSWER, "without a number"),
        (vector(10**400), Reason.UNREADABLE_ANSWER, "without a number"),
        (body(b"\0" * 99_999, 201), Reason.UNREADABLE_ANSWER, "not that of a Prometheus"),
        (body(b"{}" * 99_999, 302), Reason.UNREADABLE_ANSWER, "not that of a Prometheus"),
        (
            document({"data": {"result": [{"values": [[0, "1"]]}]}}),
            Reason.MULTIPLE_VALUES,
            "query returned multiple values",
        ),
        (
            body(b"", 302, Location="/again"),
            Reason.UNREADABLE_ANSWER,
            "Exceeded 3 redirects",
        ),
    ],
)
def test_no_answer_of_whatever_kind_raises(
    faulty: Faulty, answer: Answer, reason: Reason, words: str
) -> None:
    """It becomes an ERROR that says what came instead of a number."""
    faulty.answer = answer
    measurement = connect(faulty.url).query("up")
    assert isinstance(measurement, Absent)
    assert (measurement.verdict, measurement.reason) == (Verdict.ERROR, reason)
    assert words in measurement.message
    assert len(measurement.message) < 700


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"error": "no such\n  label", "errorType": "bad_data"}, "bad_data: no such label"),
        ({"status": "error", "error": "too many samples"}, "too many samples"),
        ({"error": "x" * 9999, "errorType": "execution"}, "execution: " + "x" * 489 + "…"),
        ({"error": {"code": 7}}, '{"error": {"code": 7}}'),
        ({"error": "no t0ken-of-ours here", "errorType": ""}, "no … here"),
        ({"error": "Post http://me:pw@up/api: EOF"}, "Post http://up/api: EOF"),
        (["error"], '["error"]'),
    ],
)
def test_a_refusal_is_told_in_the_words_of_the_server(
    faulty: Faulty, content: Any, said: str
) -> None:
    """On one line, no longer than an event may be, and without what is secret."""
    faulty.answer = body(json.dumps(content).encode(), 400)
    secret = Credentials({"token": "t0ken-of-ours"})
    measurement = connect(faulty.url, credentials=secret).query("up")
    assert isinstance(measurement, Absent)
    assert measurement.message == f"error response: 400: {said}"


@pytest.mark.parametrize("values", [("NaN",), ("1", "NaN"), ()])
def test_nan_of_the_series_that_counts_is_no_data(faulty: Faulty, values: tuple[str, ...]) -> None:
    """As is an empty answer."""
    faulty.answer = vector(*values)
    measurement = connect(faulty.url).query("up")
    assert isinstance(measurement, Absent)
    assert measurement.verdict is Verdict.NO_DATA


def test_a_server_that_is_not_there_is_an_error_without_its_password() -> None:
    """The message says why there is no connection, and no more of the URL than host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    measurement = connect(f"http://me:secret@127.0.0.1:{port}").query("sum(up)")
    assert isinstance(measurement, Absent)
    assert (measurement.verdict, measurement.reason) == (Verdict.ERROR, Reason.UNREACHABLE)
    assert measurement.message == (
        f"metrics server: connecting failed: Connection refused (127.0.0.1:{port})"
    )


def _hang(handler: http.server.BaseHTTPRequestHandler, server: Faulty) -> None:
    server.over.wait(30)


def _drip(handler: http.server.BaseHTTPRequestHandler, server: Faulty) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while not server.over.wait(0.05):
        handler.wfile.write(b" ")


def _drip_a_header(handler: http.server.BaseHTTPRequestHandler, server: Faulty) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not server.over.wait(0.05):
        handler.wfile.write(b"a")


def _continue_for_ever(handler: http.server.BaseHTTPRequestHandler, server: Faulty) -> None:
    while not server.over.wait(0.05):
        handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 5)


def _stop_half_way(handler: http.server.BaseHTTPRequestHandler, server: Faulty) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"data":')
    server.over.wait(30)


@pytest.mark.parametrize(
    "behaviour", [_hang, _drip, _drip_a_header, _continue_for_ever, _stop_half_way]
)
def test_a_query_ends_in_time_whatever_the_server_does(
    faulty: Faulty, behaviour: Callable[[http.server.BaseHTTPRequestHandler, Faulty], None]
) -> None:
    """Also while single bytes keep coming."""
    faulty.answer = lambda handler: behaviour(handler, faulty)
    started = time.monotonic()
    measurement = connect(faulty.url, timeout=timedelta(seconds=0.4)).query("up")
    assert time.monotonic() - started < 10
    assert isinstance(measurement, Absent)
    assert (measurement.verdict, measurement.reason) == (Verdict.ERROR, Reason.TIMED_OUT)


def test_an_endless_answer_is_not_read_to_its_end(faulty: Faulty) -> None:
    """A worker's memory is not the server's to fill."""
    faulty.answer = body(b" " * (bounded.LARGEST_BODY + 1))
    measurement = connect(faulty.url).query("up")
    assert isinstance(measurement, Absent)
    assert measurement.reason is Reason.UNREADABLE_ANSWER
    assert "larger than" in measurement.message


def test_a_broken_off_answer_is_an_error(faulty: Faulty) -> None:
    """Half a document is not read as a whole one."""

    def break_off(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"data": {"result": []}}')
        handler.close_connection = True

    faulty.answer = break_off
    measurement = connect(faulty.url).query("up")
    assert isinstance(measurement, Absent)
    assert measurement.verdict is Verdict.ERROR


def test_a_connection_the_server_closed_while_idle_is_replaced(faulty: Faulty) -> None:
    """Its loss is no news about the canary and costs no failed check."""
    answers = itertools.cycle([vector("1"), None])
    lock = threading.Lock()

    def answer_then_hang_up(handler: http.server.BaseHTTPRequestHandler) -> None:
        with lock:
            answer = next(answers)
        if answer is None:
            handler.close_connection = True
        else:
            answer(handler)

    faulty.answer = answer_then_hang_up
    provider = connect(faulty.url)
    assert [_value(provider.query("up")) for _ in range(5)] == [1] * 5


def test_the_request_is_that_of_the_reference(faulty: Faulty) -> None:
    """GET, the path kept as prefix, blanks folded, headers as written, credentials as given."""
    faulty.answer = vector("1")
    headers = (("X-Scope-OrgID", ("team-a",)), ("X-Many", ("a", "b")))
    token = Credentials({"token": "t0ken", "username": "me", "password": "pw"})
    provider = connect(f"{faulty.url}/prefix/", headers=headers, credentials=token)
    for _ in range(2):
        provider.query(" sum(\n\t up{a='b  c'} ) ")
    for line, sent, received in faulty.requests:
        path = urllib.parse.urlsplit(line.removeprefix("GET "))
        assert path.path == "/prefix/api/v1/query"
        assert urllib.parse.parse_qs(path.query) == {"query": ["sum( up{a='b c'} )"]}
        assert sent == ""
        assert received["X-Scope-OrgID"] == "team-a"
        assert received["X-Many"] == "a, b"
        assert received["Authorization"] == "Bearer t0ken"


def test_a_name_and_a_password_are_sent_as_basic_authentication(faulty: Faulty) -> None:
    """Where there is no token."""
    faulty.answer = vector("1")
    user = Credentials({"username": "me", "password": "pw"})
    connect(faulty.url, credentials=user).query("up")
    assert faulty.requests[0][2]["Authorization"] == "Basic bWU6cHc="
    assert "pw" not in repr(user)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "prometheus credentials does not contain a username"),
        ({"username": "me"}, "prometheus credentials does not contain a password"),
        ({"password": "pw"}, "prometheus credentials does not contain a username"),
        ({"token": ""}, "prometheus credentials does not contain a token"),
        ({"token": "t0ken\n"}, "a header has a line break; allowed: one line"),
        ({"token": "tökén"}, "a header has a character that is not ASCII; allowed: ASCII"),
    ],
)
def test_a_secret_without_what_is_needed_is_refused(
    faulty: Faulty, values: dict[str, str], words: str
) -> None:
    """Metrics 4.1: a token, otherwise both of user and password; nothing of them is told."""
    with pytest.raises(InvalidEndpoint, match=f"^{words}$"):
        connect(faulty.url, credentials=Credentials(values))


def test_of_two_authorizations_that_of_the_secret_is_sent(faulty: Faulty) -> None:
    """Once, however often it is asked (D-47)."""
    faulty.answer = vector("1")
    headers = (("authorization", ("Bearer old",)),)
    provider = connect(faulty.url, headers=headers, credentials=Credentials({"token": "new"}))
    for _ in range(3):
        provider.query("up")
    for _, _, received in faulty.requests:
        sent = [text for name, text in received.items() if name.lower() == "authorization"]
        assert sent == ["Bearer new"]


def test_connections_are_kept_open(faulty: Faulty) -> None:
    """A hundred queries do not cost a hundred handshakes."""
    ports: set[int] = set()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        ports.add(handler.client_address[1])
        vector("1")(handler)

    faulty.answer = answer
    provider = connect(faulty.url)
    for _ in range(20):
        assert _value(provider.query("up")) == 1
    assert len(ports) == 1


@pytest.mark.parametrize("value", ["0", "2"])
def test_a_server_that_cannot_count_to_one_is_not_online(faulty: Faulty, value: str) -> None:
    """`vector(1)` must be exactly 1."""
    faulty.answer = vector(value)
    assert connect(faulty.url).online() is not None


@pytest.mark.parametrize(
    "address",
    ["", "prometheus:9090", "ftp://prometheus", "http://", "http://host:port", "http://["],
)
def test_an_address_that_is_no_url_is_refused(address: str) -> None:
    """Before anything is sent."""
    with pytest.raises(backends.InvalidEndpoint, match="http or https URL"):
        connect(address)


@pytest.mark.parametrize("header", [("X-A", ("b\r\nX-C: d",)), ("X-A: b\nX-C", ("d",))])
def test_a_header_is_one_line(header: tuple[str, tuple[str, ...]]) -> None:
    """What follows a line break would be a header that nobody asked for."""
    with pytest.raises(backends.InvalidEndpoint, match="one line"):
        connect("http://localhost", headers=(header,))


def test_a_kind_of_backend_that_does_not_exist_is_refused() -> None:
    """It is not taken for a Prometheus; the message lists the kinds there are."""
    with pytest.raises(backends.UnknownBackend, match="'promtheus'; allowed: prometheus"):
        connect("http://localhost", kind="promtheus")


def test_a_reader_on_a_hanging_server_comes_back_in_time_and_then_fails_fast(
    faulty: Faulty,
) -> None:
    """The whole way from checks to results."""
    asked = list[str]()

    def hang(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        _hang(handler, faulty)

    faulty.answer = hang
    limits = Limits(per_query=timedelta(seconds=0.3), budget=timedelta(seconds=1))
    reader = MetricReader(
        lambda endpoint: backends.connect(endpoint, Access(CLOCK, timeout=limits.per_query)),
        CLOCK,
        threshold.judge,
        limits=limits,
    )
    checks = [a_check(endpoint=Endpoint(address=faulty.url), query=f"up{n}") for n in range(4)]
    started = time.monotonic()
    first = measured(reader, checks)
    between = time.monotonic()
    known = len(asked)
    second = measured(reader, checks)
    ended = time.monotonic()
    assert {result.reason for result in first} == {Reason.TIMED_OUT}
    assert {result.reason for result in second} == {Reason.CIRCUIT_OPEN}
    assert between - started < 10
    assert ended - between < 10
    assert len(asked) == known


def _value(measurement: Measurement) -> float:
    assert isinstance(measurement, Sample), measurement
    return measurement.value
