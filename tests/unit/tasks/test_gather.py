"""An observation says what is stored, and nothing about another object of the same name."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from analysis import state as states
from analysis.backends import Endpoint
from analysis.observation import Observation, PastStatus, Workload
from analysis.phases import Phase
from analysis.strategies import STRATEGIES
from clients.documents.confirmed import Confirmed, Lane
from clients.documents.world import (
    Condition,
    ShownStatus,
    WorkloadStatus,
    WorkloadView,
    World,
)
from clients.redis.records import Snapshot
from config.readiness import READY
from config.traffic import TrafficSplit
from tasks import gather
from tasks.gather import Defaults
from tests.unit.analysis import worlds
from tests.unit.tasks.worlds import ADMISSION, NOW, REF

PROMETHEUS: Final = Endpoint(address="http://prometheus:9090")
DEFAULTS: Final = Defaults("istio", PROMETHEUS, timedelta(seconds=10))


def a_view(name: str = "cart-app", **changes: Any) -> WorkloadView:
    """The view of a ready Deployment with two pods."""
    suffix = "-primary" if name.endswith("-primary") else ""
    view = WorkloadView(
        name=name,
        namespace="shop",
        uid=f"uid-of-{name}",
        generation=3,
        controller="u1" if suffix else "",
        replicas=2,
        revision="r1",
        selector_label=("app", f"cart{suffix}"),
        status=WorkloadStatus(3, 2, 2, 2),
    )
    return replace(view, **changes)


WORLD: Final = World(
    canary=worlds.a_manifest(),
    admission=ADMISSION,
    target=a_view(),
    primary=a_view("cart-app-primary"),
)


def observed(
    confirmed: Confirmed | None = None, state: Any = None, version: int = 0, **world: Any
) -> Observation:
    """What is observed of `WORLD` with changes."""
    snapshot = Snapshot(NOW, version, state, confirmed or Confirmed(), replace(WORLD, **world))
    seen = gather.observe(REF, snapshot, DEFAULTS)
    assert seen is not None
    return seen


def test_there_is_nothing_to_observe_of_a_canary_that_is_gone() -> None:
    """No admission, no Canary object."""
    assert gather.observe(REF, Snapshot(NOW, 3, {}, Confirmed(), World()), DEFAULTS) is None


def test_a_healthy_canary_is_observed_whole() -> None:
    """Times are the store's, interval and threshold those in force."""
    state, canary = worlds.progressing(20), worlds.a_canary()
    confirmed = Confirmed(uid="u1", route_seq=5)
    ready = Workload("r1", generation=3, replicas=2, available=2, readiness=READY)
    assert observed(confirmed, states.to_json(state), 9) == Observation(
        now=NOW,
        ref=REF,
        uid="u1",
        generation=1,
        canary=canary,
        strategy=STRATEGIES.chosen(canary),
        interval=timedelta(seconds=30),
        threshold=3,
        version=9,
        state=state,
        confirmed=confirmed,
        target=ready,
        primary=ready,
    )


@pytest.mark.parametrize(
    ("phase", "status", "shown"),
    [
        (Phase.PROGRESSING, None, 0),
        (Phase.PROGRESSING, {"conditions": []}, 0),
        (Phase.PROGRESSING, {"phase": "Progressing"}, 7),
        (Phase.NEW, None, 7),
    ],
)
def test_a_report_that_was_wiped_since_does_not_count_as_made(
    phase: Phase, status: Any, shown: int
) -> None:
    """It is to be written anew; before the first phase there is nothing to be shown."""
    reported = Confirmed(uid="u1", route_seq=5, status_version=7)
    seen = observed(
        reported,
        states.to_json(worlds.a_state(phase=phase)),
        7,
        status=None if status is None else ShownStatus("1", status),
    )
    assert seen.confirmed == replace(reported, status_version=shown)


def test_an_interval_is_never_below_its_floor() -> None:
    """The floor is an operator's setting."""
    fast = observed(canary=worlds.a_manifest(interval="1s"))
    assert fast.interval == timedelta(seconds=10)


def test_a_state_or_confirmation_of_an_earlier_object_is_none() -> None:
    """Deleted and made anew under its name: a fresh start."""
    stored = states.to_json(worlds.progressing(20, uid="earlier"))
    seen = observed(Confirmed(uid="earlier", route_seq=7), stored, 9)
    assert seen.state is None
    assert seen.confirmed == Confirmed()
    assert seen.version == 9


def test_a_refused_manifest_leaves_its_problems() -> None:
    """Never accepted: no canary, and whatever depends on it is unknown."""
    problem = worlds.a_problem("spec.x: no")
    refused = replace(ADMISSION, problems=(problem,))
    assert observed(canary=None, admission=refused) == Observation(
        now=NOW,
        ref=REF,
        uid="u1",
        generation=1,
        canary=None,
        strategy=None,
        interval=timedelta(0),
        problems=(problem,),
    )


def test_a_deployment_made_anew_is_not_older_than_what_was_written_before() -> None:
    """Its generations count from 1 again; those of the lost one say nothing."""
    fields = Confirmed(
        uid="u1",
        target_generation=9,
        target_uid="uid-of-cart-app",
        primary_generation=4,
        primary_uid="uid-of-cart-app-primary",
    )
    same = observed(fields).confirmed
    assert (same.target_generation, same.primary_generation) == (9, 4)
    anew = observed(fields, target=a_view(uid="another")).confirmed
    assert (anew.target_generation, anew.primary_generation) == (0, 4)
    assert observed(fields, target=None).confirmed.target_generation == 9


def test_what_keeps_writers_from_finishing_is_put_together() -> None:
    """One text per line; empty ones are none."""
    both = Confirmed(uid="u1", troubles={Lane.WORKLOAD: "b", Lane.ROUTE: "a"})
    assert observed(both).confirmed.trouble == "a\nb"
    assert observed(Confirmed(uid="u1")).confirmed.trouble == ""


def unavailable(stamp: str) -> WorkloadStatus:
    """The status of a Deployment without available pods since `stamp`."""
    return WorkloadStatus(
        observed_generation=3,
        replicas=2,
        updated_replicas=2,
        conditions=(
            Condition("Available", "False", "MinimumReplicasUnavailable", stamp),
            Condition("Progressing", "True", "x", stamp),
        ),
    )


@pytest.mark.parametrize(
    ("phase", "primary_since_before"), [(Phase.PROGRESSING, True), (Phase.PROMOTING, False)]
)
def test_the_deadline_counts_from_the_present_revision_of_each_workload(
    phase: Phase, *, primary_since_before: bool
) -> None:
    """A rollout gives its target a new revision, and the primary one when it is promoted."""
    began = NOW - timedelta(seconds=6)
    status = unavailable("2026-03-01T11:51:00Z")
    state = states.to_json(worlds.a_state(phase=phase, since=began))
    seen = observed(
        state=state,
        target=a_view(status=status),
        primary=a_view("cart-app-primary", status=status),
    )
    assert seen.target is not None
    assert seen.primary is not None
    deadline, before = timedelta(seconds=600), NOW - timedelta(minutes=9)
    assert seen.target.patience_ends == began + deadline
    assert seen.primary.patience_ends == (before if primary_since_before else began) + deadline


def test_patience_is_counted_for_those_who_wait_only() -> None:
    """A ready workload has no deadline; an unready one that of the canary."""
    seen = observed(target=a_view(status=unavailable("2026-03-01T11:59:00Z")))
    assert seen.target is not None
    assert seen.primary is not None
    assert not seen.target.readiness.ready
    assert seen.target.patience_ends == NOW - timedelta(minutes=1) + timedelta(seconds=600)
    assert seen.primary.patience_ends is None


def test_each_workload_has_its_own_ready_threshold() -> None:
    """The manifest's primaryReadyThreshold and canaryReadyThreshold."""
    status = WorkloadStatus(3, 2, 2, 1)
    manifest = worlds.a_manifest(primaryReadyThreshold=100, canaryReadyThreshold=50)
    seen = observed(
        canary=manifest,
        target=a_view(status=status),
        primary=a_view("cart-app-primary", status=status),
    )
    assert seen.target is not None
    assert seen.primary is not None
    assert seen.target.readiness.ready
    assert not seen.primary.readiness.ready


def a_route(*weights: int) -> dict[str, Any]:
    """A live VirtualService of the canary."""
    hosts = ("cart-app-primary", "cart-app-canary")
    destinations = [
        {"destination": {"host": host}, "weight": weight}
        for host, weight in zip(hosts, weights, strict=False)
    ]
    return {"metadata": {"name": "cart-app"}, "spec": {"http": [{"route": destinations}]}}


def _route(live: Any) -> Any:
    """The live objects of the routes."""
    return {"routes": {"virtual-service": live}}


def test_the_split_in_force_is_read_from_the_live_route() -> None:
    """None when there is no route, or none that can be read."""
    assert observed(**_route(a_route(70, 30))).in_force == TrafficSplit(70, 30)
    assert observed().in_force is None
    assert observed(**_route(a_route(70, 29))).in_force is None
    assert observed(**_route({"metadata": {}, "spec": {}})).in_force is None


@pytest.mark.parametrize("status", [{}, {"conditions": []}, {"phase": ""}])
def test_a_status_without_a_phase_tells_nothing(status: Any) -> None:
    """Never written, or wiped."""
    assert observed(status=ShownStatus("1", status)).status is None
    assert observed(status=None).status is None


def test_a_status_is_what_a_lost_state_is_rebuilt_from() -> None:
    """Flagger's has no version, and may leave out what is zero."""
    ours = {
        "phase": "Progressing",
        "canaryWeight": 20,
        "failedChecks": 1,
        "iterations": 0,
        "lastAppliedSpec": "n",
        "lastPromotedSpec": "o",
        "conditions": [{"type": "Recorded", "status": "True", "reason": "Version17"}],
    }
    assert observed(status=ShownStatus("1", ours)).status == PastStatus(
        "Progressing", 20, 1, 0, "n", "o", 17
    )
    theirs = {"phase": Phase.SUCCEEDED.value, "canaryWeight": None}
    assert observed(status=ShownStatus("1", theirs)).status == PastStatus(
        "Succeeded", 0, 0, 0, "", "", 0
    )
