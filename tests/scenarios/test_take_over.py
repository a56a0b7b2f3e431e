"""Coalmine where Flagger was: at rest nothing changes, a rollout under way goes on from there."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import pytest

from clients.kube import resources
from tests.stage import flagger, measuring, rollouts
from tests.stage.flagger import Moment
from tests.stage.stage import Stage
from tests.unit.analysis.worlds import a_manifest

CANARY: Final = a_manifest(
    spec={
        "service": {
            "name": "cart",
            "port": 80,
            "targetPort": 8080,
            "hosts": ["cart.example.com"],
            "gateways": ["istio-system/public", "mesh"],
            "timeout": "15s",
            "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "5xx"},
        }
    }
)


def under_way(
    phase: str, weight: int = 0, *, primary: str = "cart:1", failed_checks: int = 0
) -> Moment:
    """A moment in the rollout of `cart:2`."""
    status = {"failedChecks": failed_checks}
    return Moment(phase, weight, target="cart:2", primary=primary, replicas=2, status=status)


#: Moments of a rollout, and the weights that the canary has from there on.
MIDWAY: Final = {
    "scaled up": (under_way("Progressing"), [0, 20, 40, 60, 0]),
    "at 40": (under_way("Progressing", 40), [40, 60, 0]),
    "at 40, a check failed": (under_way("Progressing", 40, failed_checks=1), [40, 60, 0]),
    "at its maximum": (under_way("Progressing", 60), [60, 0]),
    "promoting": (under_way("Promoting", 60, primary="cart:2"), [60, 0]),
    "finalising": (under_way("Finalising", 0, primary="cart:2"), [0]),
}


def written(stage: Stage) -> Mapping[tuple[str, str], str]:
    """The resourceVersion of everything but Canaries, their events and what the kubelet writes."""
    found = {
        (kind, each["metadata"]["name"]): each
        for kind, resource in flagger.KINDS.items()
        for each in stage.kube.list(resource).items
    }
    return {
        key: str(each["metadata"].get("generation", each["metadata"]["resourceVersion"]))
        for key, each in found.items()
    }


@pytest.mark.parametrize("phase", ["Initialized", "Succeeded", "Failed"])
def test_at_rest_nothing_is_written_but_our_own_conditions(phase: str) -> None:
    """Not an object of Flagger's is touched, nothing is told; the next release runs."""
    target = "cart:2" if phase == "Failed" else "cart:1"
    stage = flagger.left(CANARY, Moment(phase, target=target))
    before, status = written(stage), stage.status
    stage.wait(timedelta(minutes=20))
    assert written(stage) == before
    assert stage.texts() == []
    kept = ("phase", "canaryWeight", "failedChecks", "trackedConfigs")
    assert {key: stage.status[key] for key in kept} == {key: status[key] for key in kept}

    stage.release("cart:3")
    rollouts.finish(stage)
    rollouts.succeeded(stage, "cart:3")
    assert stage.weights == [0, 20, 40, 60, 0]


@pytest.mark.parametrize(("moment", "weights"), MIDWAY.values(), ids=MIDWAY.keys())
def test_a_rollout_under_way_goes_on_from_where_it_is(moment: Moment, weights: list[int]) -> None:
    """No weight that Flagger would not have had; the canary is promoted in the end."""
    stage = flagger.left(CANARY, moment)
    rollouts.finish(stage)
    rollouts.succeeded(stage)
    assert stage.weights == weights
    assert stage.image("cart-app-primary") == "cart:2"


def test_failed_checks_of_flagger_count() -> None:
    """Two of three are spent: the next failed check rolls back."""
    stage = flagger.left(CANARY, under_way("Progressing", 40, failed_checks=2))
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    assert stage.phase() == "Failed"
    assert stage.weights == [40, 0]


def test_flagger_could_go_on_where_coalmine_stops() -> None:
    """The way back: the status has what Flagger's has, and no object is unknown to it."""
    stage = flagger.left(CANARY, Moment("Initialized"))
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)
    stage.wait(timedelta(seconds=1))
    status = stage.status
    assert (status["phase"], status["canaryWeight"], status["failedChecks"]) == (
        "Progressing",
        40,
        0,
    )
    assert status["lastAppliedSpec"] != status["lastPromotedSpec"]
    assert stage.kube.get(resources.VIRTUAL_SERVICES, "shop", "cart")["spec"]["http"][0][
        "route"
    ] == [
        {"destination": {"host": "cart-primary"}, "weight": 60},
        {"destination": {"host": "cart-canary"}, "weight": 40},
    ]
    assert {name for kind, name in written(stage) if kind != "DestinationRule"} == {
        *("cart", "cart-canary", "cart-primary"),
        *("cart-app", "cart-app-primary", "cart-config", "cart-config-primary"),
    }
