"""Good releases: every ladder of weights, its events, its wall time and what it costs."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from clients.kube import resources
from tests.stage import measuring, rollouts
from tests.stage.rollouts import BEGINNING, ENDING, INTERVAL, LONG, READINESS
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest

LADDERS: Final[Mapping[str, tuple[dict[str, Any], list[int]]]] = {
    "step 20 up to 60": ({}, [20, 40, 60]),
    "step 20, max 50, overshot": ({"maxWeight": 50}, [20, 40, 60]),
    "step 50, max 100": ({"stepWeight": 50, "maxWeight": 100}, [50, 100]),
    "step 10, max 30": ({"stepWeight": 10, "maxWeight": 30}, [10, 20, 30]),
    "step 40, no max": ({"stepWeight": 40, "maxWeight": None}, [40, 80, 100]),
    "step 100": ({"stepWeight": 100, "maxWeight": None}, [100]),
    "list 1,2,10,80": ({"stepWeights": [1, 2, 10, 80], "maxWeight": None}, [1, 2, 10, 80]),
    "list 1,2,10,200": ({"stepWeights": [1, 2, 10, 200], "maxWeight": None}, [1, 2, 10, 100]),
    "list beside a maximum": ({"stepWeights": [5, 30], "maxWeight": 90}, [5, 30]),
}


def a_ladder(analysis: Mapping[str, Any], **spec: Any) -> dict[str, Any]:
    """A manifest with these analysis fields; None leaves one out."""
    body = a_manifest(spec=spec, **analysis)
    fields = body["spec"]["analysis"]
    body["spec"]["analysis"] = {key: value for key, value in fields.items() if value is not None}
    return body


@pytest.mark.parametrize(("analysis", "weights"), LADDERS.values(), ids=LADDERS.keys())
def test_a_good_release_climbs_its_ladder_rung_by_rung(
    analysis: dict[str, Any], weights: list[int]
) -> None:
    """Routing's weights, the events letter by letter, and the end: lifecycle 10.1, 22.1, 28."""
    stage = rollouts.finish(rollouts.released(a_ladder(analysis)))

    assert stage.weights == [0, *weights, 0]
    assert rollouts.told(stage) == [*BEGINNING, *rollouts.advance(*weights), *ENDING]
    rollouts.succeeded(stage)


@pytest.mark.parametrize(("analysis", "weights"), LADDERS.values(), ids=LADDERS.keys())
@pytest.mark.parametrize("seconds", [10, 600])
def test_a_rollout_takes_only_as_long_as_its_analysis(
    analysis: dict[str, Any], weights: list[int], seconds: int
) -> None:
    """Wall time: at most 1.05 times the intervals of its steps, and pods getting ready twice."""
    stage = initialized(a_ladder({**analysis, "interval": f"{seconds}s"}))
    began = stage.clock.now()
    stage.release("cart:2")
    stage.run(rollouts.ended, within=timedelta(hours=2))

    analysed = timedelta(seconds=seconds) * len(weights)
    assert analysed < stage.clock.now() - began <= 1.05 * analysed + 2 * READINESS


@pytest.mark.parametrize(
    ("analysis", "forth", "back"),
    [
        ({"stepWeight": 10, "maxWeight": 30, "stepWeightPromotion": 50}, [10, 20, 30], []),
        ({"stepWeight": 100, "maxWeight": None, "stepWeightPromotion": 50}, [100], [50]),
        ({"stepWeight": 50, "maxWeight": 100, "stepWeightPromotion": 30}, [50, 100], [70, 40, 10]),
    ],
)
def test_traffic_returns_in_the_steps_of_the_promotion(
    analysis: dict[str, Any], forth: list[int], back: list[int]
) -> None:
    """The timelines of lifecycle 27: back by stepWeightPromotion, one step per interval."""
    stage = initialized(a_ladder(analysis))
    began = stage.clock.now()
    stage.release("cart:2")
    stage.run(rollouts.ended, within=LONG)
    took = stage.clock.now() - began

    rollouts.finish(stage)
    assert stage.weights == [0, *forth, *back, 0]
    returned = [f"Advance cart.shop primary weight {100 - weight}" for weight in [*back, 0]]
    assert rollouts.told(stage)[-len(returned) - 1 : -1] == returned
    rollouts.succeeded(stage)
    assert took <= 1.05 * INTERVAL * (len(forth) + len(back)) + 2 * READINESS


def test_the_status_of_a_rollout_goes_through_the_phases_in_order() -> None:
    """Phases, weights and the condition `Promoted`: lifecycle 2, 4, 20."""
    stage = rollouts.released(a_manifest())
    shown: list[tuple[str, int]] = []

    def noted(on: Stage) -> bool:
        now = (on.phase(), on.status["canaryWeight"])
        shown.extend([now] if not shown or shown[-1] != now else [])
        return rollouts.ended(on)

    stage.run(noted, within=LONG)
    assert shown == [
        ("Progressing", 0),
        ("Progressing", 20),
        ("Progressing", 40),
        ("Progressing", 60),
        ("Promoting", 60),
        ("Succeeded", 0),
    ]
    promoted = stage.condition("Promoted")
    assert (promoted["status"], promoted["reason"]) == ("True", "Succeeded")


def test_the_transition_time_is_when_the_phase_was_entered() -> None:
    """Steps and failed checks are written to the status, and do not move it (D-95)."""
    stage = initialized(a_manifest())
    stage.wait(timedelta(minutes=10))
    began = stage.clock.now()
    stage.release("cart:2")
    for weight in (20, 40, 60):
        rollouts.at_weight(stage, weight)
        assert stage.status["lastTransitionTime"] == f"{began:%Y-%m-%dT%H:%M:%SZ}"


def test_a_second_release_goes_the_same_way_as_the_first() -> None:
    """A finished rollout leaves nothing behind that the next one would stumble over."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    stage.release("cart:3")
    rollouts.finish(stage)

    assert stage.weights == [0, 20, 40, 60, 0, 20, 40, 60, 0]
    rollouts.succeeded(stage, "cart:3")


def test_without_any_metrics_a_release_advances_by_its_intervals() -> None:
    """An analysis without checks passes: lifecycle 9 has nothing to fail."""
    stage = rollouts.finish(rollouts.released(a_manifest(metrics=[])))

    assert stage.weights == [0, 20, 40, 60, 0]
    assert not stage.meters.asked
    rollouts.succeeded(stage)


def test_replicas_and_template_labels_reach_the_primary_with_the_promotion() -> None:
    """What is not part of the revision travels with it, and starts nothing: lifecycle 6.1."""
    stage = initialized(a_manifest())
    stage.edit(resources.DEPLOYMENTS, "cart-app", {"spec": {"revisionHistoryLimit": 4}})
    stage.wait(timedelta(minutes=5))
    assert rollouts.told(stage) == []

    stage.release("cart:2")
    rollouts.finish(stage)
    assert stage.deployment("cart-app-primary")["spec"]["revisionHistoryLimit"] == 4


def test_one_check_is_made_per_step_and_none_at_rest() -> None:
    """Metrics are asked once per interval of a rollout: three rungs, three rounds."""
    stage = rollouts.released(a_manifest())
    rollouts.finish(stage)
    stage.wait(timedelta(hours=1))

    assert len(stage.meters.asked) == 3
    assert stage.meters.source is measuring.healthy
