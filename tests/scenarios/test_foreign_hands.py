"""What others do to the objects of a canary: edits, deletions, claims."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from clients.clock import ManualClock
from clients.kube import resources
from clients.kube.resources import Resource
from config.refs import CanaryRef
from config.settings.settings import Settings
from config.traffic import TrafficSplit
from tests.stage import rollouts
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

PLAN = [0, 20, 40, 60, 0]
ROUTE = resources.VIRTUAL_SERVICES


def set_weights(stage: Stage, *weights: int) -> None:
    """Somebody moves the traffic by hand."""
    rule = stage.kube.get(ROUTE, "shop", "cart-app")["spec"]["http"][0]
    legs = [{**leg, "weight": each} for leg, each in zip(rule["route"], weights, strict=True)]
    stage.edit(ROUTE, "cart-app", {"spec": {"http": [{**rule, "route": legs}]}})


def spec(stage: Stage, resource: Resource, name: str) -> Mapping[str, Any]:
    """The spec of a live object."""
    found: Mapping[str, Any] = stage.kube.get(resource, "shop", name)["spec"]
    return found


# --- the target

RUNS = (
    "deployment cart-app.shop was scaled up between rollouts of cart.shop: "
    "its pods get no traffic until the next"
)


def replicas(stage: Stage) -> int:
    """How many the target is to have."""
    wanted: int = spec(stage, resources.DEPLOYMENTS, "cart-app")["replicas"]
    return wanted


@pytest.mark.parametrize("ended", [False, True])
def test_a_target_that_is_scaled_up_at_rest_is_left_so_and_told(*, ended: bool) -> None:
    """Whoever applies replicas again and again would win (D-81); no traffic goes there."""
    stage = rollouts.finish(rollouts.released(a_manifest())) if ended else initialized(a_manifest())
    stage.wait(timedelta(minutes=1))
    assert RUNS not in stage.texts()
    stage.edit(resources.DEPLOYMENTS, "cart-app", {"spec": {"replicas": 2}})
    stage.wait(timedelta(minutes=12))
    assert (replicas(stage), stage.split) == (2, TrafficSplit(100, 0))
    waits = stage.condition("Waiting")
    assert (waits["status"], waits["reason"]) == ("True", "TargetRuns")
    assert waits["message"] == (
        f"{RUNS} (scale the target to zero; leave replicas out of what applies it)"
    )
    events = stage.kube.list(resources.EVENTS).items
    assert [each["count"] for each in events if each["message"] == RUNS] == [3]

    stage.edit(resources.DEPLOYMENTS, "cart-app", {"spec": {"replicas": 0}})
    stage.settle()
    assert stage.condition("Waiting")["status"] == "False"


def test_a_target_that_runs_at_rest_is_released_and_scaled_to_zero_after_it() -> None:
    """It keeps the pods it has; nothing else is told of them."""
    stage = initialized(a_manifest())
    stage.edit(resources.DEPLOYMENTS, "cart-app", {"spec": {"replicas": 3}})
    stage.wait(timedelta(minutes=1))
    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))
    assert replicas(stage) == 0
    assert stage.condition("Waiting")["status"] == "False"


@pytest.mark.parametrize("delay", ["1s", "60s"])
def test_a_target_on_its_way_to_zero_is_not_told_as_running(delay: str) -> None:
    """However long its pods are kept after a rollout."""
    settings = Settings.from_environ({"COALMINE_SCALE_DOWN_DELAY": delay})
    stage = initialized(a_manifest(), Stage(settings=settings))
    stage.release("cart:2")
    rollouts.finish(stage).wait(timedelta(minutes=10))
    assert replicas(stage) == 0
    assert RUNS not in stage.texts()


# --- the route


def test_weights_edited_at_rest_are_set_back_with_one_write() -> None:
    """Users are not sent to a canary without pods; no tick and no event is needed (D-43)."""
    stage = initialized(a_manifest())
    stage.wait(timedelta(minutes=1))
    calls, version = len(stage.door.calls), stage.shown_version()
    set_weights(stage, 50, 50)
    stage.settle()

    assert stage.split == TrafficSplit(100, 0)
    assert [call[:2] for call in stage.door.calls[calls:]] == [("patch", ROUTE.plural)]
    assert stage.shown_version() == version


@pytest.mark.parametrize("weights", [(100, 0), (0, 100), (50, 50)])
def test_weights_edited_in_mid_rollout_are_set_to_what_the_rollout_wants(
    weights: tuple[int, int],
) -> None:
    """Neither is the analysis restarted, nor the edit taken for a step (D-8, D-43)."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    set_weights(stage, *weights)
    stage.settle()
    assert stage.split == TrafficSplit(60, 40)

    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == [0, 20, 40, weights[1], 40, 60, 0]


@pytest.mark.parametrize("weight", [40, 60])
def test_a_canary_that_is_seen_to_get_less_than_its_step_takes_no_other(weight: int) -> None:
    """R-84: whoever undoes steps faster than they are mended had it promoted without requests.

    What it waits for is told as long as that lasts.
    """
    stage = rollouts.at_weight(rollouts.released(a_manifest()), weight)
    stage.settle()
    stage.losing = {"route"}
    set_weights(stage, 100, 0)
    stage.wait(timedelta(minutes=5))
    assert (stage.phase(), stage.image("cart-app-primary")) == ("Progressing", "cart:1")
    assert stage.state.route.split == TrafficSplit.of(weight)
    assert stage.condition("Waiting")["status"] == "True"
    said = "cart.shop waits for its route to be applied"
    assert stage.condition("Waiting")["message"].startswith(f"{said} (it is asked for again")
    assert stage.texts()[-1].startswith(said)

    stage.losing = set()
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights[-3:] == ([40, 60, 0] if weight == 40 else [0, 60, 0])


def test_a_label_of_another_tool_does_not_touch_the_weights() -> None:
    """It goes, as in Flagger; the weights of the rollout are no part of that (D-8)."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.edit(ROUTE, "cart-app", {"metadata": {"annotations": {"team": "checkout"}}})
    stage.settle()
    assert stage.split == TrafficSplit(60, 40)

    rollouts.finish(stage)
    assert stage.weights == PLAN
    assert "team" not in stage.kube.get(ROUTE, "shop", "cart-app")["metadata"]["annotations"]


@pytest.mark.parametrize("rules", ["all", [5], [{"route": [5]}], [{"route": [{"destination": 5}]}]])
def test_a_route_of_an_impossible_shape_is_told_to_its_canary_until_it_is_mended(
    rules: Any,
) -> None:
    """A lax CRD lets it through; nobody's tick breaks on it, and it is not written over."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    good = stage.kube.get(ROUTE, "shop", "cart-app")["spec"]["http"]
    stage.edit(ROUTE, "cart-app", {"spec": {"http": rules}})
    stage.wait(timedelta(minutes=1))
    told = "VirtualService cart-app.shop update failed: it cannot be read: "
    assert any(text.startswith(told) for text in rollouts.told(stage))
    assert stage.condition("Waiting")["message"].startswith(told)
    assert stage.kube.get(ROUTE, "shop", "cart-app")["spec"]["http"] == rules

    stage.edit(ROUTE, "cart-app", {"spec": {"http": good}})
    rollouts.succeeded(rollouts.finish(stage))


def test_unknown_fields_of_the_route_survive_a_rollout() -> None:
    """What newer Istio versions know and we do not is not lost by a step (D-53)."""
    stage = initialized(a_manifest())
    stage.edit(ROUTE, "cart-app", {"spec": {"exportTo": ["."], "novelty": {"deep": [1, 2.5]}}})
    stage.release("cart:2")
    rollouts.finish(stage)

    assert stage.weights == PLAN
    assert spec(stage, ROUTE, "cart-app")["novelty"] == {"deep": [1, 2.5]}


def test_named_rules_of_users_survive_a_rollout_and_are_theirs_to_edit() -> None:
    """The route was theirs, is shared with them, and an edit in mid-rollout resets no weight."""
    assets = {
        "name": "assets",
        "match": [{"uri": {"prefix": "/static"}}],
        "route": [{"destination": {"host": "assets"}}],
    }
    old = {"name": "old", "match": [{"uri": {"exact": "/old"}}], "redirect": {"uri": "/"}}
    main = {"name": "main", "route": [{"destination": {"host": "cart-app"}}]}
    stage = Stage()
    users = {
        "apiVersion": ROUTE.api_version,
        "kind": ROUTE.kind,
        "metadata": {"name": "cart-app", "namespace": "shop"},
        "spec": {"hosts": ["cart-app"], "http": [assets, main]},
    }
    stage.create(ROUTE, users)
    initialized(a_manifest(), stage)
    stage.release("cart:2")
    rollouts.at_weight(stage, 20)
    rules = spec(stage, ROUTE, "cart-app")["http"]
    assert (rules[0], len(rules)) == (assets, 2)

    stage.edit(ROUTE, "cart-app", {"spec": {"http": [assets, rules[1], old]}})
    stage.settle()
    assert stage.split == TrafficSplit.of(20)
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == PLAN
    rules = spec(stage, ROUTE, "cart-app")["http"]
    assert (rules[0], rules[2], len(rules)) == (assets, old, 3)


@pytest.mark.parametrize("weight", [0, 40])
def test_a_deleted_route_is_made_anew_with_the_weights_of_the_moment(weight: int) -> None:
    """At rest with everything on the primary, in mid-rollout with the step reached."""
    stage = initialized(a_manifest())
    if weight:
        stage.release("cart:2")
        rollouts.at_weight(stage, weight)
    stage.kube.delete(ROUTE, "shop", "cart-app")
    stage.settle()
    assert stage.split == TrafficSplit.of(weight)

    stage.release("cart:2")
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == PLAN


# --- Services and rules


@pytest.mark.parametrize("name", ["cart-app", "cart-app-primary", "cart-app-canary"])
def test_an_edited_service_is_mended_without_a_tick(name: str) -> None:
    """A selector changed by hand would send requests elsewhere."""
    stage = initialized(a_manifest())
    stage.wait(timedelta(minutes=1))
    before = spec(stage, resources.SERVICES, name)["selector"]
    version = stage.shown_version()
    stage.edit(resources.SERVICES, name, {"spec": {"selector": {"app": "nobody"}}})
    stage.settle()

    assert spec(stage, resources.SERVICES, name)["selector"] == before
    assert stage.shown_version() == version


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        (resources.SERVICES, "cart-app"),
        (resources.SERVICES, "cart-app-primary"),
        (resources.SERVICES, "cart-app-canary"),
        (resources.DESTINATION_RULES, "cart-app-primary"),
        (resources.DESTINATION_RULES, "cart-app-canary"),
    ],
)
def test_a_deleted_object_is_made_anew_at_once(resource: Resource, name: str) -> None:
    """In mid-rollout as at rest, with the weights untouched."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    before = spec(stage, resource, name)
    stage.kube.delete(resource, "shop", name)
    stage.settle()

    assert spec(stage, resource, name) == before
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == PLAN


# --- the canary itself


def second(stage: Stage, name: str = "cart-two") -> CanaryRef:
    """Another, younger canary on the same target."""
    assert isinstance(stage.clock, ManualClock)
    stage.wait(timedelta(seconds=5))
    metadata = {"name": name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**a_manifest(), "metadata": metadata})
    stage.settle()
    return CanaryRef(REF.namespace, name)


def test_a_second_canary_of_a_target_is_refused_with_the_name_of_the_first() -> None:
    """A condition and a Warning on the second, nothing done for it; the first goes on (D-91)."""
    stage = initialized(a_manifest())
    other = second(stage)
    refused = stage.kube.get(resources.CANARIES, other.namespace, other.name)["status"]
    (condition,) = [each for each in refused["conditions"] if each["type"] == "Accepted"]
    assert condition["status"] == "False"
    assert "cart" in condition["message"]
    assert "spec.targetRef" in condition["message"]
    assert len([text for text in rollouts.told(stage) if text.startswith("spec.targetRef")]) == 1

    stage.release("cart:2")
    rollouts.finish(stage)
    assert stage.weights == PLAN
    rollouts.succeeded(stage)
    assert stage.store.read(other).state["phase"] == ""  # type: ignore[index]


def test_a_second_canary_takes_over_when_the_first_is_deleted() -> None:
    """The target is free again: its next canary is initialized (D-91)."""
    stage = initialized(a_manifest())
    other = second(stage)
    stage.kube.delete(resources.CANARIES, "shop", "cart")
    stage.wait(timedelta(minutes=2))

    status = stage.kube.get(resources.CANARIES, other.namespace, other.name)["status"]
    assert status["phase"] == "Initialized"
    assert stage.image("cart-app-primary") == "cart:1"


@pytest.mark.parametrize("weight", [0, 40])
def test_a_canary_that_is_being_deleted_is_left_alone(weight: int) -> None:
    """While a finalizer of others works, nothing is written, routed or started (D-3)."""
    stage = initialized(a_manifest())
    stage.edit(resources.CANARIES, "cart", {"metadata": {"finalizers": ["other.example/wait"]}})
    if weight:
        stage.release("cart:2")
        rollouts.at_weight(stage, weight)
    stage.settle()
    stage.kube.delete(resources.CANARIES, "shop", "cart")
    stage.settle()
    before = len(stage.door.writes)

    stage.release("cart:3")
    set_weights(stage, 30, 70)
    stage.kube.delete(resources.SERVICES, "shop", "cart-app-canary")
    stage.wait(timedelta(minutes=30))

    assert stage.door.writes[before:] == []
    assert stage.split == TrafficSplit(30, 70)


def test_a_canary_deleted_and_made_anew_starts_afresh() -> None:
    """Nothing of the first object is believed of the second, not even its numbers (D-27)."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.kube.delete(resources.CANARIES, "shop", "cart")
    stage.wait(timedelta(seconds=10))
    assert stage.store.agenda() == {}
    assert stage.store.read(REF).state is None

    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**a_manifest(), "metadata": metadata})
    stage.run(lambda on: on.phase() == "Initialized", within=rollouts.LONG)
    assert stage.image("cart-app-primary") == "cart:2"

    stage.release("cart:3")
    rollouts.succeeded(rollouts.finish(stage), "cart:3")


def test_a_canary_replaced_between_two_looks_starts_afresh() -> None:
    """Deleted and made anew before anybody noticed: another object, another rollout (D-27)."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.kube.delete(resources.CANARIES, "shop", "cart")
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**a_manifest(), "metadata": metadata})
    stage.run(lambda on: on.phase() == "Initialized", within=rollouts.LONG)

    assert stage.state.uid == stage.kube.get(resources.CANARIES, "shop", "cart")["metadata"]["uid"]
    assert stage.split == TrafficSplit(100, 0)


@pytest.mark.parametrize(
    ("resource", "name"), [(ROUTE, "cart-app"), (resources.SERVICES, "cart-app-primary")]
)
def test_drift_that_nobody_was_told_of_is_mended_by_the_next_resync(
    resource: Resource, name: str
) -> None:
    """The message to routing is lost, as with a worker that dies: the next look repeats it."""
    stage = initialized(a_manifest())
    stage.wait(timedelta(minutes=1))
    before = spec(stage, resource, name)
    stage.kube.delete(resource, "shop", name)
    stage.observe()
    stage.bag.messages.clear()
    stage.wait(timedelta(minutes=6))

    assert spec(stage, resource, name) == before
