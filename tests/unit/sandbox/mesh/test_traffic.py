"""Traffic through the mesh: conservation, weights, workloads, profiles, routes, telemetry.

The mesh is driven in virtual time and read through PromQL, as its users read it. Left out: TCP
and gRPC, which the model does not have.
"""

import math
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.mesh import Mesh
from sandbox.mesh.apportion import Apportionment
from sandbox.mesh.loop import MAX_CATCH_UP
from sandbox.mesh.world import workload_of
from sandbox.promql import SeriesStore, Vector, evaluate_instant
from tests.unit.sandbox.mesh.worlds import (
    FixedWorld,
    MeshRun,
    a_deployment,
    a_scenario,
    a_service,
    a_split,
    a_virtual_service,
)

SUCCESS_RATE = """
    sum(rate(istio_requests_total{reporter="destination",destination_workload_namespace="test",
        destination_workload=~"podinfo",response_code!~"5.*"}[30s]))
    / sum(rate(istio_requests_total{reporter="destination",destination_workload_namespace="test",
        destination_workload=~"podinfo"}[30s])) * 100
"""

DURATION = """
    histogram_quantile(0.99, sum(rate(istio_request_duration_milliseconds_bucket{
        reporter="destination",destination_workload_namespace="test",
        destination_workload=~"podinfo"}[30s])) by (le))
"""


def split(primary: int, canary: int) -> tuple[dict[str, object]]:
    """The VirtualService of a rollout at these weights."""
    return (a_virtual_service(a_split(primary, canary)),)


# --- conservation and weights ---------------------------------------------------------------------


@given(
    rate=st.floats(0.1, 300),
    weights=st.lists(st.integers(0, 100), min_size=1, max_size=8),
)
def test_every_request_is_counted_once_whatever_the_weights_do(
    rate: float, weights: list[int]
) -> None:
    """Source telemetry adds up to rate x time, within one request, over any weight changes."""
    run = MeshRun(a_scenario(rate), split(100, 0))
    for canary in weights:
        run.world.change(routes=split(100 - canary, canary))
        run.run(3)
    assert abs(run.requests(reporter="source") - rate * 3 * len(weights)) <= 1


@given(rate=st.integers(1, 200), canary=st.integers(0, 100), seconds=st.integers(1, 30))
def test_each_destination_gets_its_weight_within_one_request(
    rate: int, canary: int, seconds: int
) -> None:
    """Shares are exact up to rounding, at any moment, not only on average."""
    run = MeshRun(a_scenario(rate), split(100 - canary, canary))
    run.run(seconds)
    counted = run.requests(reporter="destination", destination_workload="podinfo")
    assert abs(counted - rate * seconds * canary / 100) <= 1


@given(counts=st.lists(st.integers(0, 50)), weights=st.lists(st.integers(0, 1000), min_size=1))
def test_an_apportionment_keeps_the_whole_and_the_shares(
    counts: list[int], weights: list[int]
) -> None:
    """Parts add up to each count, weight 0 gets nothing, and rounding never accumulates."""
    if not any(weights):
        return
    shares = dict(enumerate(weights))
    apportionment: Apportionment[int] = Apportionment()
    divided = [apportionment.divide(count, shares) for count in counts]
    assert [sum(parts.values()) for parts in divided] == counts
    for part, weight in shares.items():
        got = sum(parts[part] for parts in divided)
        exact = sum(counts) * weight / sum(weights)
        assert got == 0 if weight == 0 else abs(got - exact) <= len(weights)


def test_a_canary_at_weight_0_gets_no_request() -> None:
    """Not even a remainder from an earlier weight."""
    run = MeshRun(a_scenario(7), split(67, 33))
    run.run(10)
    run.world.change(routes=split(100, 0))
    before = run.requests(reporter="destination", destination_workload="podinfo")
    run.run(10)
    assert run.requests(reporter="destination", destination_workload="podinfo") == before


@given(rate=st.floats(0.1, 80), canary=st.integers(0, 100), step=st.sampled_from([2, 5, 10]))
def test_telemetry_does_not_depend_on_how_time_is_stepped(
    rate: float, canary: int, step: int
) -> None:
    """Long steps write the same samples at the same scrape instants as short ones."""
    results = []
    for each in (1, step):
        run = MeshRun(a_scenario(rate, releases={"6.1.0": "failing"}), split(100 - canary, canary))
        run.run(20, each)
        results.append(evaluate_instant('{__name__=~"istio.*"}[1m]', run.now, run.series))
    assert results[0] == results[1]


# --- who answers ----------------------------------------------------------------------------------


def test_without_a_virtual_service_the_apex_service_chooses() -> None:
    """Before the first reconciliation, traffic goes where the apex Service points."""
    run = MeshRun(a_scenario(10), ())
    run.run(10)
    assert run.requests(reporter="destination", destination_workload="podinfo-primary") == 100


def test_without_a_service_nobody_is_called() -> None:
    """A host that does not exist yet has no telemetry."""
    run = MeshRun(a_scenario(10), (), balancers=())
    run.run(10)
    assert len(run.series) == 0


@pytest.mark.parametrize(
    "workloads",
    [
        (a_deployment("podinfo-primary"), a_deployment("podinfo", ready=0)),
        (a_deployment("podinfo-primary"),),
    ],
)
def test_requests_to_a_service_without_ready_pods_fail_at_the_source(workloads: object) -> None:
    """The caller's proxy answers 503; no destination reports anything."""
    run = MeshRun(a_scenario(10), split(50, 50), workloads=workloads)
    run.run(10)
    assert run.requests(reporter="source", response_code="503", response_flags="UH") == 50
    assert run.requests(reporter="destination") == 50
    assert run.requests(reporter="destination", destination_workload="podinfo") == 0


def test_a_service_shares_among_its_workloads_by_ready_pods() -> None:
    """Two Deployments behind one Service get requests as 3 : 1."""
    other = a_deployment("other", ready=1)
    other["spec"]["template"]["metadata"]["labels"] = {"app": "podinfo"}
    workloads = (a_deployment("podinfo", ready=3), other)
    run = MeshRun(
        a_scenario(10), (), balancers=(a_service("podinfo", "podinfo"),), workloads=workloads
    )
    run.run(10)
    assert run.requests(reporter="destination", destination_workload="podinfo") == 75
    assert run.requests(reporter="destination", destination_workload="other") == 25


@pytest.mark.parametrize("hosts", [["*"], ["podinfo.test"], ["podinfo.test.svc.cluster.local"], []])
def test_a_virtual_service_is_found_by_any_form_of_its_host(hosts: list[str]) -> None:
    """Short and full names and `*` mean the host; a delegate without hosts goes by its name."""
    run = MeshRun(a_scenario(10), (a_virtual_service(a_split(0, 100), hosts=hosts),))
    run.run(5)
    assert run.requests(reporter="destination", destination_workload="podinfo") == 50


# --- how it answers -------------------------------------------------------------------------------


def test_a_release_behaves_as_the_profile_of_its_image_tag() -> None:
    """Of 500 requests to the failing release exactly 30 % fail, and the check sees 70 %."""
    run = MeshRun(
        a_scenario(10, releases={"6.2.0": "failing"}),
        split(50, 50),
        workloads=(
            a_deployment("podinfo-primary"),
            a_deployment("podinfo", image="x/podinfo:6.2.0"),
        ),
    )
    run.run(100)
    canary = {"reporter": "destination", "destination_workload": "podinfo"}
    assert run.requests(**canary) == 500
    assert run.requests(**canary, response_code="500") == 150
    primary = {**canary, "destination_workload": "podinfo-primary"}
    assert run.requests(**primary, response_code="500") == 0
    assert run.value(SUCCESS_RATE) == pytest.approx(70, abs=1.0)


def test_an_annotation_outranks_the_image_tag() -> None:
    """The pod template can name its profile itself."""
    annotated = a_deployment("podinfo", annotations={"sandbox.coalmine.dev/profile": "failing"})
    run = MeshRun(
        a_scenario(10, releases={"6.1.0": "slow"}),
        split(0, 100),
        workloads=(annotated,),
    )
    run.run(100)
    assert run.requests(reporter="destination", response_code="500") == 300


def test_an_unknown_profile_is_reported_and_silences_only_its_host() -> None:
    """The problem names the annotation, its value and what is allowed; mending it resumes."""
    odd = a_deployment("podinfo", annotations={"sandbox.coalmine.dev/profile": "odd"})
    run = MeshRun(a_scenario(10), split(0, 100), workloads=(odd,))
    run.run(5)
    (problem,) = run.mesh.problems
    for word in ("sandbox.coalmine.dev/profile", "'odd'", "failing, healthy, slow, spike"):
        assert word in problem
    assert len(run.series) == 0
    run.world.change(workloads=(a_deployment("podinfo"),))
    run.run(5)
    assert run.mesh.problems == ()
    assert run.requests(reporter="destination") == 50


def test_a_spike_starts_after_seconds_of_traffic_and_anew_for_a_new_deployment() -> None:
    """20 s healthy, then half fail; scaled down and up again, 20 s healthy once more."""
    workloads = (a_deployment("podinfo", image="podinfo:6.2.0"),)
    run = MeshRun(a_scenario(10, releases={"6.2.0": "spike"}), split(0, 100), workloads=workloads)
    failed = {"reporter": "destination", "response_code": "500"}
    run.run(20)
    assert run.requests(**failed) == 0
    run.run(20)
    assert run.requests(**failed) == 100
    run.world.change(workloads=(a_deployment("podinfo", image="podinfo:6.2.0", ready=0),))
    run.run(2)
    run.world.change(workloads=workloads)
    run.run(20)
    assert run.requests(**failed) == 100


@pytest.mark.parametrize(
    ("profile", "below", "above"), [("healthy", 50, 100), ("slow", 1000, 2500)]
)
def test_the_measured_percentile_lies_in_the_bucket_of_the_profiles(
    profile: str, below: float, above: float
) -> None:
    """p99 of 90 ms and 2 000 ms, as the built-in duration check measures them."""
    run = MeshRun(a_scenario(50, releases={"6.1.0": profile}), split(50, 50))
    run.run(40)
    measured = run.value(DURATION)
    assert measured is not None
    assert below < measured <= above


@pytest.mark.parametrize(
    ("image", "release"),
    [
        ("podinfo:6.1.0", "6.1.0"),
        ("registry.example:5000/x/podinfo:6.1.0", "6.1.0"),
        ("registry.example:5000/x/podinfo", "latest"),
        ("podinfo:6.1.0@sha256:0123", "6.1.0"),
    ],
)
def test_a_release_is_the_tag_of_the_image(image: str, release: str) -> None:
    """Ports and digests are not tags."""
    assert workload_of(a_deployment("podinfo", image=image)).release == release


def test_a_sidecar_does_not_name_the_release() -> None:
    """The proxy's image says nothing about the application's version."""
    deployment = a_deployment("podinfo", image="podinfo:6.1.0")
    containers = deployment["spec"]["template"]["spec"]["containers"]
    containers.insert(0, {"name": "istio-proxy", "image": "proxyv2:1.29"})
    assert workload_of(deployment).release == "6.1.0"


# --- routes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"), [({"x-user": "insider"}, "podinfo"), ({}, "podinfo-primary")]
)
def test_the_first_matching_rule_routes_the_request(header: dict[str, str], expected: str) -> None:
    """A/B layout: requests with the header to the canary, the rest to the primary."""
    insiders = a_split(0, 100, match=[{"headers": {"x-user": {"regex": "in.*"}}}])
    routes = (a_virtual_service(insiders, a_split(100, 0)),)
    run = MeshRun(a_scenario(10, headers=header), routes)
    run.run(10)
    assert run.requests(reporter="destination", destination_workload=expected) == 100


def test_a_request_no_rule_matches_is_not_found() -> None:
    """The caller's proxy answers 404, flagged as without route."""
    routes = (a_virtual_service(a_split(100, 0, match=[{"uri": {"prefix": "/api"}}])),)
    run = MeshRun(a_scenario(10), routes)
    run.run(10)
    assert run.requests(reporter="source", response_code="404", response_flags="NR") == 100


def test_an_unknown_match_condition_is_a_problem_not_a_guess() -> None:
    """The message names the condition; no request is sent."""
    routes = (a_virtual_service(a_split(100, 0, match=[{"phase": {"exact": "full"}}])),)
    run = MeshRun(a_scenario(10), routes)
    run.run(3)
    assert "'phase'" in run.mesh.problems[0]


def test_mirrored_requests_are_reported_by_their_destination_only() -> None:
    """A tenth is copied to the canary; callers see their own requests, all at the primary."""
    rule = a_split(100, 0, mirror={"host": "podinfo-canary"}, mirrorPercentage={"value": 10})
    run = MeshRun(a_scenario(10), (a_virtual_service(rule),))
    run.run(100)
    assert run.requests(reporter="destination", destination_workload="podinfo") == 100
    assert run.requests(reporter="source", destination_workload="podinfo") == 0
    assert run.requests(reporter="source") == 1000


# --- telemetry and time ---------------------------------------------------------------------------


def test_a_histogram_is_cumulative_and_complete() -> None:
    """Buckets never fall with their bound; `+Inf`, `_count` and the request counter agree."""
    run = MeshRun(a_scenario(50, releases={"6.1.0": "slow"}), split(100, 0))
    run.run(20)
    chosen = '{reporter="destination",response_code="200"}'
    name = "istio_request_duration_milliseconds"
    found = evaluate_instant(f"{name}_bucket{chosen}", run.now, run.series)
    assert isinstance(found, Vector)
    buckets = sorted((float(s.labels.get("le")), s.value) for s in found.samples)
    assert len(buckets) == 20
    assert all(before[1] <= after[1] for before, after in pairwise(buckets))
    assert [count for bound, count in buckets if bound == math.inf] == [1000]
    assert run.value(f"{name}_count{chosen}") == 1000
    assert run.value(f"istio_requests_total{chosen}") == 1000
    mean = run.value(f"{name}_sum{chosen} / {name}_count{chosen}")
    assert mean is not None
    assert 250 < mean < 600


def test_a_long_pause_is_left_without_traffic() -> None:
    """After a suspended night only the catch-up time is filled in."""
    run = MeshRun(a_scenario(1), split(100, 0), scrape_interval=timedelta(seconds=10))
    run.run(36000, step=36000)
    assert run.requests(reporter="source") == MAX_CATCH_UP.total_seconds()


def test_a_scrape_interval_of_nothing_is_refused() -> None:
    """An interval below a millisecond would never advance."""
    with pytest.raises(ValueError, match="at least 1 ms"):
        Mesh(a_scenario(), FixedWorld(()), SeriesStore(), timedelta(0))


def test_the_loop_scrapes_until_it_is_stopped() -> None:
    """In real time: samples appear while it runs, and none after `stop`."""
    series = SeriesStore()
    mesh = Mesh(a_scenario(1000), FixedWorld(split(50, 50)), series, timedelta(milliseconds=10))
    mesh.start(time.time)
    deadline = time.monotonic() + 10
    while len(series) == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    mesh.stop()
    before = evaluate_instant("sum(istio_requests_total)", time.time(), series)
    time.sleep(0.05)
    assert before == evaluate_instant("sum(istio_requests_total)", time.time(), series)
    assert isinstance(before, Vector)
    assert before.samples
