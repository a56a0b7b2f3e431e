"""The sandbox's query API and a real Prometheus, held to one contract over the same samples.

Covered: selectors, windows, counter functions with resets, gaps and missing data, aggregation,
vector matching, classic histograms, Flagger's built-in Istio queries and their grouped forms,
errors, metadata, number formats. Left out: native histograms, staleness markers (backfilled data
has none), the functions the sandbox refuses by name, and `atan2` of vectors, which kept the metric
name by mistake in the Prometheus versions of the time.

Two kinds of tests: values computed by hand, asked of each server; and many queries at many
instants, compared between the two (skipped where there is no Prometheus).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests

from sandbox.prometheus import PrometheusServer
from sandbox.promql import Labels, SeriesStore
from tests.contract import promql_data, promql_queries
from tests.contract.promql_data import BASE, END
from tests.contract.promql_queries import duration, success_rate
from tests.services import presence
from tests.services import prometheus as prometheus_service

TOLERANCE: Final = 1e-9


# --- the servers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Api:
    """One server's query API."""

    url: str

    def get(self, path: str, **parameters: Any) -> tuple[int, dict[str, Any]]:
        """Status and body of a GET of /api/v1/`path`."""
        reply = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=20)
        body: dict[str, Any] = reply.json()
        return reply.status_code, body

    def query(self, text: str, at: float = END) -> dict[str, Any]:
        """The `data` of an instant query that must succeed."""
        status, body = self.get("query", query=text, time=f"{at:.3f}")
        assert (status, body["status"]) == (200, "success"), body
        data: dict[str, Any] = body["data"]
        return data

    def number(self, text: str, at: float = END) -> float | None:
        """The value of a query with one result or none."""
        result = self.query(text, at)["result"]
        assert len(result) <= 1, result
        return float(result[0]["value"][1]) if result else None


@pytest.fixture(scope="module")
def sandbox_api() -> Iterator[Api]:
    """The sandbox's server over the data."""
    store = SeriesStore()
    for labels, samples in promql_data.series():
        for time, value in samples:
            store.append(Labels.of(labels), time, value)
    server = PrometheusServer(store, now=lambda: float(END)).start()
    yield Api(server.url)
    server.stop()


@pytest.fixture(scope="module")
def prometheus_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A real Prometheus over the data."""
    presence.require("prometheus")
    folder = tmp_path_factory.mktemp("promql")
    with prometheus_service.running(folder, openmetrics=promql_data.openmetrics()) as server:
        yield Api(server.url)


@pytest.fixture(params=["sandbox", "prometheus"])
def api(request: pytest.FixtureRequest) -> Api:
    """Each of the servers in turn."""
    found: Api = request.getfixturevalue(f"{request.param}_api")
    return found


# --- values computed by hand ----------------------------------------------------------------------


def test_the_rate_of_an_even_counter_is_its_slope(api: Api) -> None:
    """A counter growing by 3 a second, sampled through the whole window, has rate 3."""
    query = 'rate(istio_requests_total{destination_workload="late"}[1m])'
    assert api.number(query) == pytest.approx(3.0, rel=TOLERANCE)


def test_an_increase_is_extrapolated_to_the_edges_of_the_window(api: Api) -> None:
    """One minute holds 13 samples of 5 s when it ends on one, and 12 otherwise; both give 180."""
    query = 'increase(istio_requests_total{destination_workload="late"}[1m])'
    assert api.number(query, END) == pytest.approx(180.0, rel=TOLERANCE)
    assert api.number(query, END - 2.5) == pytest.approx(180.0, rel=TOLERANCE)


def test_a_counter_reset_counts_from_zero(api: Api) -> None:
    """Falling from 1 940 to 0 in the window adds what came before the fall: no negative rate."""
    query = 'resets(istio_requests_total{destination_workload="podinfo",reporter="destination",'
    query += 'response_code="200",destination_workload_namespace="test"}[10m])'
    assert api.number(query) == 2.0
    rates = api.query(success_rate("podinfo", "1m"), BASE + 215)["result"]
    assert 0.0 <= float(rates[0]["value"][1]) <= 100.0


def test_one_sample_has_no_rate(api: Api) -> None:
    """A series with one sample in the window is left out of the result."""
    query = 'rate(istio_requests_total{destination_workload="once"}[1m])'
    assert api.number(query, BASE + 410) is None


def test_a_success_rate_without_data_is_empty(api: Api) -> None:
    """No series at all: an empty vector, which Flagger reads as "no values found"."""
    assert api.query(success_rate("missing", "1m"))["result"] == []


def test_a_success_rate_without_traffic_is_not_a_number(api: Api) -> None:
    """A counter that stands still divides 0 by 0: one sample, NaN."""
    value = api.number(success_rate("idle", "1m"))
    assert value is not None
    assert math.isnan(value)


def test_a_workload_that_only_fails_has_nosuccess_rate(api: Api) -> None:
    """Without any series that is not 5xx the numerator is empty, and so is the quotient."""
    assert api.query(success_rate("failing", "1m"))["result"] == []


def test_a_target_does_not_match_its_primary(api: Api) -> None:
    """Regular expressions are anchored: `podinfo` selects no series of `podinfo-primary`."""
    query = (
        'count by (destination_workload) (istio_requests_total{destination_workload=~"podinfo"})'
    )
    found = [sample["metric"]["destination_workload"] for sample in api.query(query)["result"]]
    assert found == ["podinfo"]


def test_a_value_is_as_old_as_five_minutes(api: Api) -> None:
    """The last sample of a series that ended is its value for 5 minutes, inclusive."""
    query = 'istio_requests_total{destination_workload="once"}'
    assert api.number(query, BASE + 402 + 299) == 5.0
    assert api.number(query, BASE + 402 + 301) is None


@pytest.mark.parametrize(
    ("rank", "shape", "expected"),
    [
        (0.5, "plain", 2 + 2 * (50 - 30) / 30),  # rank 50 is 20 into the 30 of the bucket 2 to 4
        (0.05, "plain", 0.5),  # the lowest bucket starts at 0
        (0.99, "plain", 4.0),  # in the +Inf bucket: the bound below it
        (0.5, "no-inf", math.nan),
        (0.5, "only-inf", math.nan),
        (0.5, "empty", math.nan),
        (0.3, "not-monotonic", 1 * 6 / 10),  # 20 observations; rank 6 of the first bucket's 10
        (0.1, "negative", -1.0),  # in the lowest bucket, whose bound is not above 0
        (0.75, "negative", 0.5),
        (-0.1, "plain", -math.inf),
        (1.1, "plain", math.inf),
        (math.nan, "plain", math.nan),
    ],
)
def test_a_quantile_is_interpolated_in_its_bucket(
    api: Api, rank: float, shape: str, expected: float
) -> None:
    """Classic buckets, by the documented rules; the expected values are computed by hand."""
    text = "NaN" if math.isnan(rank) else repr(rank)
    value = api.number(f'histogram_quantile({text}, sizes_bucket{{shape="{shape}"}})')
    assert value == pytest.approx(expected, rel=TOLERANCE, nan_ok=True)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("zero", "0"),
        ("one", "1"),
        ("minus", "-2.5"),
        ("big", "1.5e+21"),
        ("tiny", "1.25e-07"),
        ("third", "0.3333333333333333"),
        ("round", "123456789"),
        ("infinite", "+Inf"),
        ("low", "-Inf"),
        ("nan", "NaN"),
    ],
)
def test_numbers_are_written_as_prometheus_writes_them(api: Api, kind: str, text: str) -> None:
    """Shortest digits that read back the same; exponents only far from 1; named specials."""
    result = api.query(f'gauge{{kind="{kind}"}}')["result"]
    assert result[0]["value"] == [END, text]


def test_an_online_check_answers_one(api: Api) -> None:
    """`vector(1)` is what Flagger asks to see whether the server is there."""
    data = api.query("vector(1)")
    assert data == {"resultType": "vector", "result": [{"metric": {}, "value": [END, "1"]}]}


@pytest.mark.parametrize("workload", ["podinfo", "late", "idle", "once"])
def test_a_grouped_query_has_the_value_of_the_workloads_own(api: Api, workload: str) -> None:
    """One query for all canaries gives each the number its own query gives, to the last digit."""
    pairs = (
        (promql_queries.GROUPED_SUCCESS_RATE, success_rate(workload, "1m")),
        (promql_queries.GROUPED_DURATION, duration(workload, "1m")),
    )
    for grouped, own in pairs:
        for instant in promql_queries.INSTANTS:
            alone = [sample["value"] for sample in api.query(own, instant)["result"]]
            group = {"destination_workload": workload, "destination_workload_namespace": "test"}
            found = api.query(grouped, instant)["result"]
            assert [s["value"] for s in found if s["metric"] == group] == alone


# --- the same answers from both -------------------------------------------------------------------


def _key(metric: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(metric.items()))


def _numbers_of(data: Mapping[str, Any]) -> dict[Any, Any]:
    """A result as {series: {time: value}}, so that order does not matter and numbers are close."""
    result = data["result"]
    match data["resultType"]:
        case "scalar":
            return {(): {result[0]: float(result[1])}}
        case "string":
            return {(): result}
        case "vector":
            return {_key(s["metric"]): {s["value"][0]: float(s["value"][1])} for s in result}
        case _:
            return {_key(s["metric"]): {t: float(v) for t, v in s["values"]} for s in result}


def _assert_same(ours: Mapping[str, Any], real: Mapping[str, Any]) -> None:
    assert ours["resultType"] == real["resultType"]
    left, right = _numbers_of(ours), _numbers_of(real)
    assert left.keys() == right.keys()
    for series, expected in right.items():
        if isinstance(expected, list):
            assert left[series] == expected
        else:
            assert left[series] == pytest.approx(expected, rel=TOLERANCE, abs=1e-12, nan_ok=True)


def _assert_same_answer(
    ours: tuple[int, Mapping[str, Any]], real: tuple[int, Mapping[str, Any]]
) -> None:
    """Equal data, or the same status and kind of error."""
    assert ours[0] == real[0], (ours[1], real[1])
    assert ours[1]["status"] == real[1]["status"]
    if real[1]["status"] == "error":
        assert ours[1]["errorType"] == real[1]["errorType"]
    else:
        _assert_same(ours[1]["data"], real[1]["data"])


@pytest.mark.parametrize("query", promql_queries.ALL_QUERIES)
def test_an_instant_query_answers_as_in_prometheus(
    sandbox_api: Api, prometheus_api: Api, query: str
) -> None:
    """Same series, and values within 1e-9, before, during and after the data."""
    for instant in promql_queries.INSTANTS:
        parameters = {"query": query, "time": f"{instant:.3f}"}
        ours, real = (
            sandbox_api.get("query", **parameters),
            prometheus_api.get("query", **parameters),
        )
        _assert_same_answer(ours, real)


@pytest.mark.parametrize(
    "query",
    [query for query in promql_queries.ALL_QUERIES if query != '"text"'][::4],
)
def test_a_range_query_answers_as_in_prometheus(
    sandbox_api: Api, prometheus_api: Api, query: str
) -> None:
    """Same series, same steps, and values within 1e-9."""
    parameters = {"query": query, "start": BASE + 11.5, "end": END + 20, "step": "23s"}
    ours = sandbox_api.get("query_range", **parameters)
    real = prometheus_api.get("query_range", **parameters)
    _assert_same_answer(ours, real)


@pytest.mark.parametrize("query", promql_queries.SORTED)
def test_sorting_gives_the_same_order(sandbox_api: Api, prometheus_api: Api, query: str) -> None:
    """`sort` orders by value, NaN last."""
    ours, real = sandbox_api.query(query)["result"], prometheus_api.query(query)["result"]
    assert [sample["metric"] for sample in ours] == [sample["metric"] for sample in real]


@pytest.mark.parametrize("query", promql_queries.REFUSED)
def test_a_query_is_refused_as_in_prometheus(
    sandbox_api: Api, prometheus_api: Api, query: str
) -> None:
    """Same HTTP status and error type for queries without an answer."""
    ours, real = (
        server.get("query", query=query, time=END) for server in (sandbox_api, prometheus_api)
    )
    assert (ours[0], ours[1].get("errorType")) == (real[0], real[1].get("errorType")), (ours, real)


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("labels", {}),
        ("labels", {"match[]": "capacity"}),
        ("labels", {"match[]": ["capacity", "info"]}),
        ("label/room/values", {}),
        ("label/__name__/values", {}),
        ("label/nothing/values", {}),
        ("label/room/values", {"match[]": 'temperature{floor="1"}'}),
        ("series", {"match[]": "capacity"}),
        ("series", {"match[]": ["info", 'temperature{room=~"h.*"}']}),
    ],
)
def test_metadata_is_as_in_prometheus(
    sandbox_api: Api, prometheus_api: Api, path: str, parameters: Mapping[str, Any]
) -> None:
    """Names, values and series of the data are the same sets."""
    span = {"start": BASE, "end": END}
    ours = sandbox_api.get(path, **parameters, **span)[1]["data"]
    real = prometheus_api.get(path, **parameters, **span)[1]["data"]
    assert sorted(ours, key=str) == sorted(real, key=str)


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("query", {"query": "1", "time": "yesterday"}),
        ("query_range", {"query": "1", "start": "0", "end": "10", "step": "0"}),
        ("query_range", {"query": "1", "start": "10", "end": "0", "step": "1"}),
        ("query_range", {"query": "1", "start": "0", "end": "20000", "step": "1"}),
        ("query_range", {"query": "1", "start": "0", "end": "10", "step": "often"}),
        ("query_range", {"query": "1", "start": "0", "end": "10"}),
        ("query_range", {"query": '"text"', "start": "0", "end": "10", "step": "1"}),
        ("query_range", {"query": "temperature[1m]", "start": "0", "end": "10", "step": "1"}),
        ("series", {}),
        ("series", {"match[]": "1 + 1"}),
        ("series", {"match[]": "{"}),
    ],
)
def test_a_bad_parameter_is_refused_as_in_prometheus(
    sandbox_api: Api, prometheus_api: Api, path: str, parameters: Mapping[str, str]
) -> None:
    """Same HTTP status and error type."""
    (ours, our_body), (real, real_body) = (
        server.get(path, **parameters) for server in (sandbox_api, prometheus_api)
    )
    assert (ours, our_body["errorType"]) == (real, real_body["errorType"])
