"""Manifests that are not accepted as they stand: nothing starts, steps up or is promoted.

What runs goes on serving, measuring and rolling back under the last good manifest; once the
manifest is mended the rollout goes on by itself. Design invariant 9.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from clients.kube import resources
from config.traffic import TrafficSplit
from tests.stage import measuring, rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage, a_deployment, initialized
from tests.unit.analysis.worlds import a_manifest

PLAN: Final = [0, 20, 40, 60, 0]
HELD: Final = (
    "cart.shop is not accepted: nothing starts, steps up or is promoted until its manifest is "
    "corrected: "
)
GATE: Final = {"name": "gate", "type": "confirm-promotion", "url": "nowhere"}

EDITS: Final[dict[str, tuple[dict[str, Any], list[str]]]] = {
    "provider": ({"provider": "linkerd"}, ["spec.provider", "linkerd", "istio"]),
    "two strategies": (
        {"analysis": {"iterations": 5}},
        ["spec.analysis", "iterations", "stepWeight"],
    ),
    "duration": ({"analysis": {"interval": "5minutes"}}, ["spec.analysis.interval", "5minutes"]),
    "kind": ({"targetRef": {"kind": "StatefulSet"}}, ["spec.targetRef.kind", "StatefulSet"]),
    "fraction": ({"analysis": {"stepWeight": 2.5}}, ["spec.analysis.stepWeight", "2.5"]),
    "gate": ({"analysis": {"webhooks": [GATE]}}, ["webhooks[0].url", "http://"]),
}


def repeated(stage: Stage, beginning: str) -> list[int]:
    """How often each event was told whose message begins like this."""
    told = stage.kube.list(resources.EVENTS).items
    return [event["count"] for event in told if event["message"].startswith(beginning)]


def mend(stage: Stage, before: Mapping[str, Any], edit: Mapping[str, Any]) -> None:
    """Takes an edit back."""
    stage.edit_canary(**{key: _undone(before, key, edit[key]) for key in edit})


def _undone(before: Mapping[str, Any], key: str, edited: Any) -> Any:
    if not isinstance(edited, dict):
        return before.get(key)
    return {field: (before.get(key) or {}).get(field) for field in edited}


def spec(stage: Stage) -> Mapping[str, Any]:
    """The spec of the Canary as it is."""
    found: Mapping[str, Any] = stage.kube.get(resources.CANARIES, "shop", "cart")["spec"]
    return found


@pytest.mark.parametrize(("edit", "named"), EDITS.values(), ids=EDITS)
def test_a_rollout_stays_where_it_is_until_its_manifest_is_mended(
    edit: dict[str, Any], named: list[str]
) -> None:
    """Traffic stays, nothing is promoted, the way out is told; mended, it ends as planned."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.kube.admit_anything()
    before = spec(stage)
    stage.edit_canary(**edit)
    stage.settle()
    refused = stage.condition("Accepted")
    warned = [text for text in rollouts.told(stage) if text.startswith("spec.")]
    assert refused["status"] == "False"
    assert len(warned) == 1
    assert all(part in refused["message"] and part in warned[0] for part in named)

    since = stage.clock.now()
    stage.wait(timedelta(minutes=20))
    assert stage.weights == PLAN[:2]
    assert stage.image("cart-app-primary") == "cart:1"
    assert (stage.phase(), stage.status["failedChecks"]) == ("Progressing", 0)
    waiting = stage.condition("Waiting")
    assert (waiting["status"], waiting["reason"]) == ("True", "NotAccepted")
    assert all(part in waiting["message"] for part in [*named, "apply the manifest before it"])
    assert waiting["lastTransitionTime"] <= (since + timedelta(seconds=31)).isoformat()
    (count,) = repeated(stage, HELD)
    assert count == 4

    mend(stage, before, edit)
    stage.settle()
    assert stage.condition("Accepted")["status"] == "True"
    assert stage.condition("Waiting")["status"] == "False"
    rollouts.finish(stage)
    assert stage.weights == PLAN
    rollouts.succeeded(stage)


def test_a_rollout_that_is_held_is_measured_and_rolled_back() -> None:
    """Rolling back works under a manifest that is not accepted."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.edit_canary(analysis={"webhooks": [GATE]})
    stage.wait(timedelta(minutes=5))
    assert stage.split == TrafficSplit(60, 40)
    stage.meters.source = measuring.failing
    rollouts.finish(stage)
    rollouts.rolled_back(stage)
    assert stage.weights == [0, 20, 40, 0]


@pytest.mark.parametrize("edit", [each[0] for each in EDITS.values()], ids=EDITS)
def test_no_rollout_starts_until_the_manifest_is_mended(edit: dict[str, Any]) -> None:
    """A gate that is not carried out is not passed by a release that comes after it."""
    stage = initialized(a_manifest())
    stage.kube.admit_anything()
    before = spec(stage)
    stage.edit_canary(**edit)
    stage.wait(timedelta(minutes=1))
    stage.release("cart:2")
    stage.wait(timedelta(minutes=20))
    assert (stage.phase(), stage.weights) == ("Initialized", [0])
    assert stage.image("cart-app-primary") == "cart:1"
    assert stage.condition("Waiting")["reason"] == "NotAccepted"

    mend(stage, before, edit)
    rollouts.finish(stage)
    assert stage.weights == PLAN
    rollouts.succeeded(stage)


def test_a_newer_revision_under_such_a_manifest_loses_its_traffic_and_gets_none() -> None:
    """Pods that nobody has analysed are not left with the weight of those before them."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.edit_canary(provider="linkerd")
    stage.wait(timedelta(minutes=1))
    stage.release("cart:3")
    stage.wait(timedelta(hours=1))
    assert stage.weights == [0, 20, 40, 0]
    stage.edit_canary(provider="istio")
    rollouts.finish(stage)
    assert stage.weights == [0, 20, 40, *PLAN]
    rollouts.succeeded(stage, "cart:3")


def test_a_release_that_skips_its_analysis_is_not_promoted_either() -> None:
    """The shortest way to the primary is held as well."""
    stage = initialized(a_manifest(spec={"skipAnalysis": True}))
    stage.release("cart:2")
    stage.run(lambda on: on.phase() == "Progressing", within=LONG)
    stage.edit_canary(analysis={"webhooks": [GATE]})
    stage.wait(timedelta(hours=1))
    assert (stage.phase(), stage.image("cart-app-primary")) == ("Progressing", "cart:1")
    stage.edit_canary(analysis={"webhooks": None})
    rollouts.finish(stage)
    rollouts.succeeded(stage)


def test_users_are_not_led_to_a_first_primary_before_the_manifest_is_mended() -> None:
    """An initialization stops before traffic moves."""
    stage = Stage(ready_after=timedelta(minutes=1))
    stage.create(resources.DEPLOYMENTS, a_deployment())
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**a_manifest(), "metadata": metadata})
    stage.run(lambda on: on.phase() == "Initializing", within=LONG)
    stage.edit_canary(provider="linkerd")
    stage.wait(timedelta(minutes=30))
    assert (stage.phase(), stage.split) == ("Initializing", None)
    stage.edit_canary(provider="istio")
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)


def test_a_canary_that_never_was_valid_does_nothing_until_it_is() -> None:
    """A condition and a Warning that is told again; a fix heals it (D-90)."""
    stage = Stage()
    stage.kube.admit_anything()
    stage.create(resources.DEPLOYMENTS, a_deployment())
    body = a_manifest(interval="soon")
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**body, "metadata": metadata})
    stage.wait(timedelta(minutes=21))
    assert stage.condition("Accepted")["status"] == "False"
    problem, held = stage.texts()
    assert "spec.analysis.interval" in problem
    assert held == HELD + problem
    assert repeated(stage, HELD) == [5]
    assert stage.split is None

    stage.edit_canary(analysis={"interval": "30s"})
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    assert stage.condition("Accepted")["status"] == "True"
    assert stage.condition("Waiting")["status"] == "False"
