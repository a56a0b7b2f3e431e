"""The table of built-in queries, against the compatibility reference, metrics, section 2."""

import promql_parser
import pytest

from analysis.metrics import queries
from analysis.metrics.queries import WorkloadName

PODINFO = WorkloadName("test", "podinfo")
BASE = (
    'reporter="destination",destination_workload_namespace="test",destination_workload=~"podinfo"'
)


def test_the_success_rate_of_istio_is_the_percentage_of_answers_that_are_not_5xx() -> None:
    """Shape RATIO over istio_requests_total, measured at the destination."""
    assert queries.single("istio", "request-success-rate", PODINFO, "1m") == (
        f'sum(rate(istio_requests_total{{{BASE},response_code!~"5.*"}}[1m]))'
        f" / sum(rate(istio_requests_total{{{BASE}}}[1m])) * 100"
    )


def test_the_duration_of_istio_is_the_99th_percentile_in_milliseconds() -> None:
    """Shape P99 over the histogram in milliseconds."""
    assert queries.single("istio", "request-duration", PODINFO, "30s") == (
        "histogram_quantile(0.99, sum by (le) "
        f"(rate(istio_request_duration_milliseconds_bucket{{{BASE}}}[30s])))"
    )


PODS = 'kubernetes_namespace="test",kubernetes_pod_name=~"podinfo-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"'


def test_without_a_mesh_the_application_s_own_histogram_is_read() -> None:
    """The observer HTTP: pods of the target by name, seconds as milliseconds."""
    assert queries.single("kubernetes", "request-success-rate", PODINFO, "1m") == (
        f'sum(rate(http_request_duration_seconds_count{{{PODS},status!~"5.*"}}[1m]))'
        f" / sum(rate(http_request_duration_seconds_count{{{PODS}}}[1m])) * 100"
    )
    assert queries.single("kubernetes", "request-duration", PODINFO, "30s") == (
        "histogram_quantile(0.99, sum by (le) "
        f"(rate(http_request_duration_seconds_bucket{{{PODS}}}[30s]))) * 1000"
    )


def test_pods_of_a_daemon_set_are_not_those_of_its_primary() -> None:
    """Their names have one part more than the workload's; Flagger's expression wants two."""
    query = queries.single(
        "kubernetes", "request-duration", WorkloadName("test", "podinfo", is_daemon=True), "1m"
    )
    assert 'kubernetes_pod_name=~"podinfo-[0-9a-z]{5}"' in query


def test_a_knative_revision_is_measured_by_its_cluster_of_envoy() -> None:
    """The observer Knative: namespace and revision in one label."""
    base = 'envoy_cluster_name=~"test/podinfo-00002"'
    revision = WorkloadName("test", "podinfo-00002")
    assert queries.single("knative", "request-success-rate", revision, "1m") == (
        f'sum(rate(envoy_cluster_upstream_rq{{{base},envoy_response_code!~"5.*"}}[1m]))'
        f" / sum(rate(envoy_cluster_upstream_rq{{{base}}}[1m])) * 100"
    )
    assert queries.single("knative", "request-duration", revision, "1m") == (
        "histogram_quantile(0.99, sum by (le) "
        f"(rate(envoy_cluster_upstream_rq_time_bucket{{{base}}}[1m])))"
    )
    assert not queries.names_workloads("knative")


def test_series_of_pods_are_asked_for_one_by_one() -> None:
    """No label says which workload they are of."""
    assert queries.names_workloads("istio")
    assert not queries.names_workloads("kubernetes")
    with pytest.raises(ValueError, match="no label of workloads"):
        queries.grouped("kubernetes", "request-duration", [PODINFO], "1m")


@pytest.mark.parametrize("metric", ["request-success-rate", "request-duration"])
@pytest.mark.parametrize("name", ["podinfo", "pod.info", "a-b.c-9"])
def test_every_query_is_promql(metric: str, name: str) -> None:
    """Both forms of each row parse, whatever the workload is called."""
    workload = WorkloadName("test", name)
    promql_parser.parse(queries.single("istio", metric, workload, "1m"))
    promql_parser.parse(queries.single("kubernetes", metric, workload, "1m"))
    promql_parser.parse(queries.single("knative", metric, workload, "1m"))
    promql_parser.parse(queries.grouped("istio", metric, [workload, PODINFO], "1m"))


def test_a_dot_in_a_name_matches_only_a_dot() -> None:
    """`pod.info` is not measured with the requests of `podxinfo`."""
    query = queries.single("istio", "request-success-rate", WorkloadName("test", "pod.info"), "1m")
    assert r'destination_workload=~"pod\\.info"' in query


def test_the_grouped_form_keeps_each_workload_apart() -> None:
    """One query for many workloads, labelled by namespace and name, in a stable order."""
    workloads = [WorkloadName("b", "web"), WorkloadName("a", "web"), WorkloadName("a", "api")]
    query = queries.grouped("istio", "request-duration", workloads, "1m")
    by = "le, destination_workload_namespace, destination_workload"
    assert f"sum by ({by}) " in query
    assert 'destination_workload_namespace=~"a|b",destination_workload=~"api|web"' in query
    assert query == queries.grouped("istio", "request-duration", reversed(workloads), "1m")
    assert queries.labels("istio") == ("destination_workload_namespace", "destination_workload")


@pytest.mark.parametrize("provider", ["linkerd", "Istio", "", "kubernetes:service"])
def test_no_provider_stands_in_for_another(provider: str) -> None:
    """A provider without queries is an error that lists those with, never Istio."""
    with pytest.raises(queries.NoBuiltinQueries, match="allowed: istio"):
        queries.single(provider, "request-success-rate", PODINFO, "1m")


def test_an_unknown_metric_is_refused_by_name() -> None:
    """The message lists the metrics there are."""
    with pytest.raises(queries.NoBuiltinQueries, match="request-duration, request-success-rate"):
        queries.single("istio", "request-sucess-rate", PODINFO, "1m")


def test_a_grouped_query_needs_workloads() -> None:
    """No workloads would match every workload of the mesh."""
    with pytest.raises(ValueError, match="at least one"):
        queries.grouped("istio", "request-duration", [], "1m")
