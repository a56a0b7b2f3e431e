"""The metric reader over backends that are values of the test; real ones are in tests/contract.

Aspects: order, parallelism, sharing, time limits, isolation of servers, the breaker, the probe.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analysis import backends
from analysis.backends import Access, Endpoint, InvalidEndpoint, MetricBackend
from analysis.backends.backend import SecretKey, Series
from analysis.findings import Absent, CheckResult, Measurement, Sample
from analysis.judges import threshold
from analysis.metrics import grouping, queries
from analysis.metrics.checks import Check, CheckKind, Subject
from analysis.metrics.reader import Limits, MetricReader
from analysis.verdicts import Reason, Verdict
from clients import instruments
from clients.clock import ManualClock, SystemClock
from tests import patience
from tests.fakes.notes import Notes
from tests.readings import measured
from tests.unit.analysis.metrics.builders import a_check

DOWN = Absent(Verdict.ERROR, Reason.UNREACHABLE, "connection refused")
REFUSED = Absent(Verdict.ERROR, Reason.QUERY_REFUSED, "parse error")


class Backend:
    """A backend that answers with a function of the query, and counts."""

    def __init__(self, answer: Callable[[str], Measurement]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    def query(self, query: str) -> Measurement:
        """What the function says."""
        with self._lock:
            self.asked.append(query)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return self.answer(query)
        finally:
            with self._lock:
                self._at_once -= 1

    def online(self) -> Absent | None:
        """None if the function has a number for `vector(1)`."""
        measurement = self.answer("vector(1)")
        return measurement if isinstance(measurement, Absent) else None


def a_reader(
    *backends: Backend, clock: ManualClock | None = None, limits: Limits | None = None
) -> MetricReader:
    """A reader whose servers `http://0`, `http://1`, … are `backends`."""

    def connect(endpoint: Endpoint) -> MetricBackend:
        return backends[int(endpoint.address.removeprefix("http://"))]

    return MetricReader(connect, clock or SystemClock(), threshold.judge, limits=limits or Limits())


def at(address: str) -> Endpoint:
    """A Prometheus at an address."""
    return Endpoint(address=address)


def ask(reader: MetricReader, *queries: str, server: str = "http://0") -> tuple[CheckResult, ...]:
    """The results of unbounded checks with these queries."""
    return measured(reader, [a_check(metric=q, query=q, endpoint=at(server)) for q in queries])


def test_results_come_in_the_order_of_the_checks() -> None:
    """Whatever order the answers come in."""
    waits = {"slow": threading.Event()}

    def answer(query: str) -> Measurement:
        if query == "slow":
            waits["slow"].wait(patience.SECONDS)
        else:
            waits["slow"].set()
        return Sample(len(query))

    results = ask(a_reader(Backend(answer)), "slow", "quickest", "fast")
    assert [(result.metric, result.value) for result in results] == [
        ("slow", 4),
        ("quickest", 8),
        ("fast", 4),
    ]


def test_the_checks_of_a_tick_are_measured_side_by_side() -> None:
    """Each query waits for the other: one after the other they would never end."""
    meeting = threading.Barrier(3, timeout=patience.SECONDS)

    def answer(query: str) -> Measurement:
        meeting.wait()
        return Sample(1)

    results = ask(a_reader(Backend(answer)), "a", "b", "c")
    assert [result.verdict for result in results] == [Verdict.PASSED] * 3


def test_equal_queries_to_one_server_are_sent_once() -> None:
    """Two entries with one text cost one query; the same text to another server is another."""
    one, other = Backend(lambda _: Sample(1)), Backend(lambda _: Sample(2))
    reader = a_reader(one, other)
    results = measured(
        reader,
        [
            a_check(query="up", metric="a", endpoint=at("http://0")),
            a_check(query="up", metric="b", endpoint=at("http://0")),
            a_check(query="up", metric="c", endpoint=at("http://1")),
        ],
    )
    assert (one.asked, other.asked) == (["up"], ["up"])
    assert [(r.metric, r.value) for r in results] == [("a", 1), ("b", 1), ("c", 2)]


def test_a_check_with_a_problem_is_judged_without_being_sent() -> None:
    """A query that did not render never reaches a server."""
    backend = Backend(lambda _: Sample(1))
    problem = Absent(Verdict.ERROR, Reason.QUERY_NOT_RENDERED, "query render error: line 1")
    (result,) = measured(a_reader(backend), [a_check(problem=problem, endpoint=at("http://0"))])
    assert (result.verdict, backend.asked) == (Verdict.ERROR, [])
    assert result.message == "Prometheus query failed for errors: query render error: line 1"


def test_no_checks_have_no_results() -> None:
    """An analysis without metrics asks nobody."""
    assert measured(a_reader(), []) == ()


def test_many_queries_are_all_answered() -> None:
    """Also more than may be under way at once."""
    results = ask(a_reader(Backend(lambda q: Sample(float(q)))), *map(str, range(100)))
    assert [result.value for result in results] == list(range(100))


def test_what_has_not_begun_when_the_time_is_up_never_does() -> None:
    """Late work would load a server that is in trouble already."""
    over = threading.Event()

    def hang(query: str) -> Measurement:
        over.wait(30)
        return Sample(1)

    backend = Backend(hang)
    limits = Limits(per_server=2, budget=timedelta(seconds=1))
    results = ask(a_reader(backend, limits=limits), *"abcdef")
    over.set()
    assert {result.reason for result in results} == {Reason.TIMED_OUT}
    assert len(backend.asked) == 2


def test_a_server_that_hangs_costs_its_own_checks_only_and_bounded_time() -> None:
    """Others are answered; the hanging ones are errors when the budget is spent."""
    over = threading.Event()

    def hang(query: str) -> Measurement:
        over.wait(30)
        return Sample(1)

    limits = Limits(per_query=timedelta(seconds=0.5), budget=timedelta(seconds=1))
    reader = a_reader(Backend(hang), Backend(lambda _: Sample(7)), limits=limits)
    clock = SystemClock()
    started = clock.monotonic()
    stuck, fine = measured(
        reader, [a_check(endpoint=at("http://0")), a_check(endpoint=at("http://1"))]
    )
    took = clock.monotonic() - started
    over.set()
    assert (stuck.verdict, stuck.reason) == (Verdict.ERROR, Reason.TIMED_OUT)
    assert stuck.message == "Prometheus query failed for errors: no answer within 1s"
    assert fine.value == 7
    assert took < 15


def test_no_more_queries_than_allowed_are_under_way_at_one_server() -> None:
    """Over all threads that share the reader."""
    release = threading.Event()

    def answer(query: str) -> Measurement:
        release.wait(0.05)
        return Sample(1)

    backend = Backend(answer)
    reader = a_reader(backend, limits=Limits(per_server=2))
    threads = [
        threading.Thread(target=ask, args=(reader, f"{n}a", f"{n}b", f"{n}c")) for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(backend.asked) == 12
    assert backend.most_at_once == 2


def test_a_server_that_is_down_is_left_alone_after_three_failures() -> None:
    """Checks fail at once with the reason, and the server is asked again after a while."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    answers: list[Measurement] = [DOWN]
    backend = Backend(lambda _: answers[-1])
    reader = a_reader(backend, clock=clock)
    for _ in range(3):
        assert ask(reader, "up")[0].reason is Reason.UNREACHABLE
    (refused,) = ask(reader, "up")
    assert (refused.reason, len(backend.asked)) == (Reason.CIRCUIT_OPEN, 3)
    assert refused.verdict is Verdict.ERROR
    assert "connection refused" in refused.message
    answers.append(Sample(1))
    clock.advance(timedelta(seconds=10))
    assert ask(reader, "up")[0].value == 1


def test_queries_that_are_refused_do_not_open_the_circuit() -> None:
    """One user's wrong query does not cost another user the server."""
    backend = Backend(lambda query: REFUSED if query == "wrong" else Sample(1))
    reader = a_reader(backend)
    for _ in range(10):
        assert ask(reader, "wrong")[0].reason is Reason.QUERY_REFUSED
    assert ask(reader, "right")[0].value == 1


def test_a_defect_of_a_backend_is_an_error_of_its_checks() -> None:
    """Its canary is judged all the same, and its neighbours are."""

    def answer(query: str) -> Measurement:
        if query == "odd":
            raise OverflowError("int too large to convert to float")
        return Sample(1)

    odd, fine = ask(a_reader(Backend(answer)), "odd", "fine")
    assert (odd.verdict, odd.reason) == (Verdict.ERROR, Reason.UNREADABLE_ANSWER)
    assert odd.message.endswith("defect of the backend, see the log: OverflowError")
    assert fine.value == 1


def test_what_a_backend_says_is_kept_up_to_a_thousand_characters() -> None:
    """It goes into state, timeline, events and status."""
    told = Absent(Verdict.ERROR, Reason.QUERY_REFUSED, "no" * 10**6)
    (result,) = ask(a_reader(Backend(lambda _: told)), "up")
    assert result.message.endswith("nono…")
    assert 1000 < len(result.message) < 1100


def test_a_server_that_cannot_be_addressed_is_an_error_of_its_checks() -> None:
    """In the words of the reference, without the password of the URL."""

    def connect(endpoint: Endpoint) -> MetricBackend:
        raise InvalidEndpoint("is no URL")

    reader = MetricReader(connect, SystemClock(), threshold.judge)
    (result,) = measured(reader, [a_check(endpoint=at("x://me:secret@host"))])
    assert result.message == "Error building Prometheus client for x://host is no URL"
    assert (result.verdict, result.reason) == (Verdict.ERROR, Reason.INVALID_ADDRESS)


def test_endpoints_that_differ_in_anything_are_different_servers() -> None:
    """Connections of one user's credentials are never used for another's query."""
    connected: list[Endpoint] = []

    def connect(endpoint: Endpoint) -> MetricBackend:
        connected.append(endpoint)
        return Backend(lambda _: Sample(len(connected)))

    plain = at("http://0")
    endpoints = (
        plain,
        replace(plain, kind="other"),
        replace(plain, headers=(("X-Scope-OrgID", ("shop",)),)),
        replace(plain, options=(("region", "eu-west-1"),)),
        replace(plain, secret=SecretKey("shop", "metrics")),
        replace(plain, verify_tls=False),
    )
    reader = MetricReader(connect, SystemClock(), threshold.judge)
    for _ in range(2):
        measured(reader, [a_check(endpoint=each) for each in endpoints])
    assert len(connected) == len(endpoints)
    assert set(connected) == set(endpoints)


def test_a_kind_that_nobody_registered_is_an_error_of_its_checks() -> None:
    """No kind stands in for another."""
    access = Access(SystemClock())
    reader = MetricReader(
        lambda endpoint: backends.connect(endpoint, access), SystemClock(), threshold.judge
    )
    (result,) = measured(reader, [a_check(endpoint=Endpoint(kind="tsdb", address="http://0"))])
    assert (result.verdict, result.reason) == (Verdict.ERROR, Reason.INVALID_ADDRESS)
    assert "'tsdb'; allowed: prometheus" in result.message


def test_the_probe_names_each_server_that_does_not_answer() -> None:
    """Empty means that all metrics servers are available, also when there are none."""
    reader = a_reader(Backend(lambda _: Sample(1)), Backend(lambda _: DOWN))
    assert reader.probe([]) == ()
    assert reader.probe([at("http://0")]) == ()
    assert reader.probe([at("http://0"), at("http://1"), at("http://1")]) == (
        "prometheus http://1 is not available: connection refused",
    )


def test_a_server_that_is_down_is_not_probed_for_each_canary() -> None:
    """All that wait for it hear the same; after a while one of them asks again."""
    clock, probed = ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), list[str]()
    answers: list[Measurement] = [DOWN]

    def answer(query: str) -> Measurement:
        probed.append(query)
        return answers[-1]

    reader = a_reader(Backend(answer), clock=clock)
    said = [reader.probe([at("http://0")]) for _ in range(20)]
    assert set(said) == {("prometheus http://0 is not available: connection refused",)}
    assert len(probed) == 3
    answers.append(Sample(1))
    clock.advance(timedelta(seconds=10))
    assert reader.probe([at("http://0")]) == ()
    assert ask(reader, "up")[0].value == 1


# -- several canaries at once -------------------------------------------------------------------


class Vectors(Backend):
    """A backend that also gives vectors: of a grouped query, the series that the test sets."""

    def __init__(
        self,
        answer: Callable[[str], Measurement],
        vector: Callable[[str], tuple[Series, ...] | Absent],
    ) -> None:
        super().__init__(answer)
        self._vector = vector
        self.vectors: list[str] = []

    def vector(self, query: str) -> tuple[Series, ...] | Absent:
        """What the function says."""
        self.vectors.append(query)
        return self._vector(query)


def builtin(name: str, metric: str = "request-success-rate", window: str = "1m") -> Check:
    """A built-in check of the workload `name` in namespace `shop`."""
    row = queries.Builtin("istio", metric, window, queries.WorkloadName("shop", name))
    kind = CheckKind.SUCCESS_RATE
    return a_check(metric=metric, kind=kind, query=row.text, builtin=row, endpoint=at("http://0"))


def series(**values: float) -> tuple[Series, ...]:
    """A series per workload of namespace `shop`."""
    namespace, workload = queries.labels("istio")
    return tuple(
        Series({namespace: "shop", workload: name}, Sample(value)) for name, value in values.items()
    )


def values(
    reader: MetricReader, asked: dict[str, list[Check]]
) -> dict[str, tuple[float | None, ...]]:
    """The values of all waves."""
    waves = reader.measure_each(asked)
    return {key: tuple(r.value for r in results) for wave in waves for key, results in wave.items()}


def test_builtin_checks_of_one_server_row_and_window_are_one_query() -> None:
    """Each canary has its own workload's series; another window is another query."""
    backend = Vectors(lambda _: Sample(99), lambda _: series(a=1, b=2, stranger=3))
    reader = a_reader(backend)
    asked = {name: [builtin(name)] for name in "ab"} | {"c": [builtin("c", window="5m")]}
    assert values(reader, asked) == {"a": (1,), "b": (2,), "c": (99,)}
    (together,) = backend.vectors
    workloads = [queries.WorkloadName("shop", name) for name in "ab"]
    assert together == queries.grouped("istio", "request-success-rate", workloads, "1m")
    assert backend.asked == [builtin("c", window="5m").query]


def test_a_workload_without_a_series_has_no_data() -> None:
    """As its own query would have had none; its neighbours have theirs."""
    reader = a_reader(Vectors(lambda _: Sample(99), lambda _: series(a=1)))
    (wave,) = reader.measure_each({name: [builtin(name)] for name in "ab"})
    assert (wave["a"][0].value, wave["b"][0].verdict) == (1, Verdict.NO_DATA)
    assert wave["b"][0].message == (
        "Halt advancement no values found for istio metric request-success-rate probably "
        "podinfo-app.test is not receiving traffic: running query failed: no values found"
    )


@pytest.mark.parametrize("failure", [REFUSED, DOWN, Absent(Verdict.ERROR, Reason.TIMED_OUT, "")])
def test_when_a_grouped_query_fails_each_is_asked_alone(failure: Absent) -> None:
    """What was too much for the server together need not be so one by one."""
    backend = Vectors(lambda _: Sample(5), lambda _: failure)
    asked = {name: [builtin(name)] for name in "abc"}
    assert values(a_reader(backend), asked) == {"a": (5,), "b": (5,), "c": (5,)}
    assert sorted(backend.asked) == [builtin(name).query for name in "abc"]


def test_a_grouped_query_asks_for_a_bounded_number_of_workloads() -> None:
    """However many canaries there are in a batch."""
    backend = Vectors(lambda _: Sample(5), lambda _: ())
    most = grouping.LARGEST_GROUP
    asked = {f"w{number}": [builtin(f"w{number}")] for number in range(2 * most + 1)}
    assert set(values(a_reader(backend), asked).values()) == {(None,), (5,)}
    assert [query.count("|") for query in backend.vectors] == [2 * (most - 1), 2 * (most - 1)]


def test_a_grouped_query_has_a_bounded_length() -> None:
    """Names of Deployments may have 253 characters, and dots, which are written with escapes."""
    backend = Vectors(lambda _: Sample(5), lambda _: ())
    names = [f"{'a.' * 124}{number:05}" for number in range(200)]
    assert len(values(a_reader(backend), {name: [builtin(name)] for name in names})) == len(names)
    assert all(len(query) < 100_000 for query in backend.vectors)
    assert all(sum(query.count(name[-5:]) for query in backend.vectors) == 2 for name in names)
    assert len(backend.vectors) < len(names) / 10


def test_servers_without_vectors_are_asked_one_by_one() -> None:
    """Grouping is an offer of the backend."""
    backend = Backend(lambda _: Sample(5))
    assert values(a_reader(backend), {name: [builtin(name)] for name in "ab"}) == {
        "a": (5,),
        "b": (5,),
    }
    assert len(backend.asked) == 2


def test_a_canary_with_a_slow_query_comes_later_and_keeps_nobody_waiting() -> None:
    """The others are judged as soon as they can be; equal queries of several canaries are one."""
    release = threading.Event()

    def answer(query: str) -> Measurement:
        if query == "slow":
            release.wait(patience.SECONDS)
        return Sample(len(query))

    backend = Backend(answer)
    quick, slow = (a_check(query=text, endpoint=at("http://0")) for text in ("quick", "slow"))
    waves = a_reader(backend).measure_each({"a": [quick], "b": [quick, slow], "c": [quick]})
    assert set(next(waves)) == {"a", "c"}
    release.set()
    (last,) = waves
    assert [result.value for result in last["b"]] == [5, 4]
    assert sorted(backend.asked) == ["quick", "slow"]


def test_a_canary_without_checks_has_its_results_at_once() -> None:
    """It waits for no server."""
    backend = Backend(lambda _: Sample(1))
    waves = a_reader(backend).measure_each({"a": [], "b": [a_check(endpoint=at("http://0"))]})
    assert next(waves) == {"a": ()}
    assert backend.asked == []
    assert set(next(waves)) == {"b"}


# -- neighbours ----------------------------------------------------------------------------------


def test_queries_that_are_too_heavy_cut_nobody_off_from_a_server_in_good_health() -> None:
    """Three that it gives up on in a row look like an outage, until it is asked how it is."""

    def answer(query: str) -> Measurement:
        too_heavy = Absent(Verdict.ERROR, Reason.SERVER_ERROR, "503: query timed out")
        return too_heavy if query.startswith("heavy") else Sample(1)

    backend = Vectors(answer, lambda _: series(cart=99.0, till=98.0))
    reader = a_reader(backend)
    heavy = ask(reader, "heavy 1", "heavy 2", "heavy 3", "heavy 4")
    assert {result.reason for result in heavy} == {Reason.SERVER_ERROR}
    assert values(reader, {name: [builtin(name)] for name in ("cart", "till")}) == {
        "cart": (99.0,),
        "till": (98.0,),
    }
    assert ask(reader, "light")[0].value == 1


@pytest.mark.parametrize("neighbours", [("cart",), ("cart", "till")], ids=["alone", "grouped"])
def test_slow_queries_of_users_keep_no_builtin_check_waiting(neighbours: tuple[str, ...]) -> None:
    """However many of them are under way at the same server."""
    over, hanging = threading.Event(), threading.Barrier(3, timeout=patience.SECONDS)

    def answer(query: str) -> Measurement:
        if query.startswith("slow"):
            hanging.wait()
            over.wait(10)
        return Sample(99.0)

    backend = Vectors(answer, lambda _: series(cart=99.0, till=99.0))
    limits = Limits(per_server=2, per_query=timedelta(seconds=1), budget=timedelta(seconds=1.5))
    reader = a_reader(backend, limits=limits)
    crowd = threading.Thread(target=ask, args=(reader, "slow 1", "slow 2", "slow 3"))
    crowd.start()
    hanging.wait()
    found = values(reader, {name: [builtin(name)] for name in neighbours})
    over.set()
    crowd.join()
    assert found == dict.fromkeys(neighbours, (99.0,))


def test_a_server_that_is_too_slow_for_large_groups_is_asked_in_smaller_ones() -> None:
    """What it takes too long for leaves no time for the single queries; so it costs one check."""

    def vector(query: str) -> tuple[Series, ...] | Absent:
        names = [name for name in asked if f"{name}|" in query or f'{name}"' in query]
        if len(names) > 10:
            over.wait(1)
            return Absent(Verdict.ERROR, Reason.TIMED_OUT, "the server did not answer in time")
        return series(**dict.fromkeys(names, 99.0))

    def answer(query: str) -> Measurement:
        if query != "vector(1)":
            over.wait(0.5)
        return Sample(99.0)

    asked = {f"cart{number:02}": [builtin(f"cart{number:02}")] for number in range(40)}
    over = threading.Event()
    limits = Limits(per_server=2, per_query=timedelta(seconds=1), budget=timedelta(seconds=1.5))
    backend = Vectors(answer, vector)
    reader = a_reader(backend, limits=limits)
    assert (None,) in values(reader, asked).values()
    assert values(reader, asked) == dict.fromkeys(asked, (99.0,))
    assert len(backend.vectors) == 1 + 4


def own(canary: str, query: str, namespace: str = "shop", server: str = "http://0") -> Check:
    """A check that a user wrote, of a canary."""
    subject = Subject(canary=canary, namespace=namespace, target=canary, provider="istio")
    return a_check(query=query, metric=query, subject=subject, endpoint=at(server))


@pytest.mark.parametrize(
    "crowd",
    [
        {"greedy": [own("greedy", f"slow {number}") for number in range(50)]},
        {f"c{number}": [own(f"c{number}", f"slow {number}", "crowd")] for number in range(50)},
    ],
    ids=["of one canary", "of one namespace"],
)
@pytest.mark.parametrize("together", [True, False], ids=["in one job", "in another job"])
def test_queries_that_hang_leave_places_to_other_canaries(
    crowd: dict[str, list[Check]], *, together: bool
) -> None:
    """However many there are: theirs alone are late."""
    over, hanging = threading.Event(), threading.Semaphore(0)

    def answer(query: str) -> Measurement:
        if query.startswith("slow"):
            hanging.release()
            over.wait(10)
        return Sample(1)

    limits = Limits(per_server=8, per_query=timedelta(seconds=1.5), budget=timedelta(seconds=2))
    reader = a_reader(Backend(answer), limits=limits)
    modest = {f"m{n}": [own(f"m{n}", f"quick {n}", f"team-{n}")] for n in range(20)}
    others = threading.Thread(target=values, args=(reader, crowd))
    if not together:
        others.start()
        for _ in range(5):
            assert hanging.acquire(timeout=patience.SECONDS)
    found = values(reader, {**crowd, **modest} if together else modest)
    over.set()
    if not together:
        others.join()
    assert {name: found[name] for name in modest} == dict.fromkeys(modest, (1,))
    assert {value for name in crowd for value in found.get(name, ())} <= {None}


def test_canaries_of_a_server_that_hangs_delay_nobody_elses() -> None:
    """A hundred in one batch: the server goes on when those of the other have their results."""
    over = threading.Event()

    def hang(query: str) -> Measurement:
        over.wait(30)
        return Sample(1)

    limits = Limits(per_query=timedelta(seconds=30), budget=timedelta(seconds=30))
    reader = a_reader(Backend(hang), Backend(lambda _: Sample(7)), limits=limits)
    asked = {
        f"{server}-{number}": [own(f"c{number}", f"q{number}", server=f"http://{server}")]
        for number in range(100)
        for server in (0, 1)
    }
    fine, came = {f"1-{number}" for number in range(100)}, dict[str, float | None]()
    for wave in reader.measure_each(asked):
        came.update({key: result.value for key, (result,) in wave.items()})
        assert over.is_set() or came.keys() <= fine
        if came.keys() == fine:
            over.set()
    assert came == dict.fromkeys(fine, 7) | dict.fromkeys(asked.keys() - fine, 1)


def test_a_query_that_was_never_begun_says_that_too_many_wait() -> None:
    """Another cause than a server that does not answer, and another remedy."""
    over = threading.Event()

    def hang(query: str) -> Measurement:
        over.wait(10)
        return Sample(1)

    limits = Limits(per_server=2, budget=timedelta(seconds=1))
    results = ask(a_reader(Backend(hang), limits=limits), *"abcd")
    over.set()
    causes = [result.message.rpartition(": ")[2] for result in results]
    assert sorted(causes) == [
        *["no answer within 1s"] * 2,
        *["too many queries are waiting for this server"] * 2,
    ]


def test_queries_are_told_by_kind_of_backend_and_outcome() -> None:
    """Also those that are not sent, since the server is down: a circuit that is open is seen."""
    backend, notes = Backend(lambda _: DOWN), Notes()
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    reader = MetricReader(lambda _: backend, clock, threshold.judge, tell=notes)
    for _ in range(4):
        measured(reader, [a_check()])
    clock.advance(timedelta(minutes=1))
    backend.answer = lambda _: Sample(1.0)
    measured(reader, [a_check()])

    assert notes.counts[instruments.QUERIES] == {
        ("prometheus", "ServerUnreachable"): 3,
        ("prometheus", "CircuitOpen"): 1,
        ("prometheus", "answered"): 1,
    }
