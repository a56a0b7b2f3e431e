"""`revertOnDeletion`: a canary that goes gives its target its pods and its traffic back."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from clients import errors
from clients.kube import resources
from clients.kube.resources import Resource
from config.traffic import ALL_TO_PRIMARY
from tests.fakes.faults import Fault
from tests.scenarios import test_subsets as subsets
from tests.scenarios.test_autoscalers import of_hpa, the_hpa
from tests.stage import rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage, a_deployment, initialized
from tests.unit.analysis.worlds import a_manifest
from tests.unit.workloads.autoscalers import KEDA_REF, PAUSED, a_scaled_object

FINALIZER: Final = "finalizer.flagger.app"
APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
ORIGINAL: Final = "flagger.kubernetes.io/original-configuration"
ENDED: Final = ["Terminating canary cart.shop", "Terminated canary cart.shop"]
ROUTE: Final = {
    "hosts": ["cart-app"],
    "gateways": ["mesh"],
    "http": [{"route": [{"destination": {"host": "cart-app"}}], "timeout": "3s"}],
}


def a_service(**annotations: str) -> dict[str, Any]:
    """A user's own apex Service."""
    return {
        "metadata": {"name": "cart-app", "namespace": REF.namespace, "annotations": annotations},
        "spec": {"selector": {"app": "cart-app"}, "ports": [{"name": "http", "port": 80}]},
    }


def a_route(annotations: dict[str, str] | None = None) -> dict[str, Any]:
    """A user's own VirtualService."""
    metadata = {"name": "cart-app", "namespace": REF.namespace, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": ROUTE}


def reverting(**spec: Any) -> dict[str, Any]:
    """The manifest of a canary that undoes what it did."""
    return a_manifest(spec={"revertOnDeletion": True, **spec})


def taken_over(stage: Stage | None = None) -> Stage:
    """A stage whose canary has taken over a Service and a VirtualService of a user's."""
    stage = stage or Stage()
    stage.create(resources.SERVICES, a_service())
    stage.create(resources.VIRTUAL_SERVICES, a_route())
    stage = initialized(reverting(), stage)
    stage.wait(timedelta(seconds=10))
    return stage


def delete(stage: Stage) -> Stage:
    """Deletes the canary."""
    stage.kube.delete(resources.CANARIES, REF.namespace, REF.name)
    return stage


def there(stage: Stage, resource: Resource, name: str) -> Any:
    """An object, None when there is none."""
    try:
        return stage.kube.get(resource, REF.namespace, name)
    except errors.NotFound:
        return None


def gone(stage: Stage) -> bool:
    """Whether the canary is gone."""
    return there(stage, resources.CANARIES, REF.name) is None


def given_back(stage: Stage) -> None:
    """Asserts that the target has its pods, its Service and its route again."""
    assert rollouts.replicas(stage) == 2
    service = there(stage, resources.SERVICES, "cart-app")
    assert service["spec"]["selector"] == {"app": "cart-app"}
    assert there(stage, resources.VIRTUAL_SERVICES, "cart-app")["spec"] == ROUTE


def test_the_finalizer_is_there_before_anything_of_a_user_s_is_changed() -> None:
    """Whoever deletes the canary in the middle of its initialization gets everything back."""
    stage = Stage()
    stage.create(resources.SERVICES, a_service())
    stage.losing.add("status")
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.DEPLOYMENTS, a_deployment())
    stage.create(resources.CANARIES, {**reverting(), "metadata": metadata})
    stage.wait(timedelta(minutes=2))
    service = there(stage, resources.SERVICES, "cart-app")
    assert service["spec"]["selector"] == {"app": "cart-app"}
    assert rollouts.replicas(stage) == 2

    stage.losing.clear()
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    canary = there(stage, resources.CANARIES, REF.name)
    assert canary["metadata"]["finalizers"] == [FINALIZER]


def test_what_was_taken_over_is_given_back() -> None:
    """Pods first, then the Service and the route, then the canary may go (lifecycle 19.2)."""
    stage = taken_over()
    delete(stage)
    stage.settle()
    assert rollouts.replicas(stage) == 2
    assert there(stage, resources.SERVICES, "cart-app")["spec"]["selector"] == {
        "app": "cart-app-primary"
    }
    assert stage.phase() == "Terminating"

    stage.run(gone, within=timedelta(seconds=30))
    given_back(stage)
    assert stage.texts()[-2:] == ENDED
    stage.settle()
    assert stage.store.read(REF).state is None


def test_a_target_with_an_autoscaler_gets_as_many_pods_as_have_served() -> None:
    """Those that its autoscaler begins with would take the load of many at once."""
    stage = Stage()
    stage.create(resources.HORIZONTAL_POD_AUTOSCALERS, the_hpa(maxReplicas=10))
    stage = initialized(of_hpa(revertOnDeletion=True), stage)
    stage.edit(resources.DEPLOYMENTS, "cart-app-primary", {"spec": {"replicas": 8}})
    stage.wait(timedelta(seconds=10))
    delete(stage)
    stage.run(gone, within=timedelta(minutes=1))
    assert rollouts.replicas(stage) == 8


@pytest.mark.parametrize("weight", [0, 20, 60])
def test_a_deletion_in_mid_rollout_ends_it_at_once(weight: int) -> None:
    """No check and no step any more; the target keeps its pods and gets all the traffic."""
    stage = taken_over()
    stage.release("cart:2")
    if weight:
        rollouts.at_weight(stage, weight)
    stage.settle()
    asked = len(stage.meters.asked)
    delete(stage)
    stage.run(gone, within=timedelta(minutes=1))
    given_back(stage)
    assert len(stage.meters.asked) == asked
    assert stage.texts()[-2:] == ENDED


def emptied(stage: Stage) -> None:
    """Redis is lost."""
    stage.forget_everything()


def restarted(stage: Stage) -> None:
    """Another leader begins."""
    stage.beat.restart()


def both(stage: Stage) -> None:
    """All of it."""
    emptied(stage)
    restarted(stage)


@pytest.mark.parametrize("lose", [emptied, restarted, both], ids=lambda each: each.__name__)
@pytest.mark.parametrize("weight", [0, 40])
def test_a_canary_deleted_while_nobody_looked_gives_everything_back(
    lose: Callable[[Stage], None], weight: int
) -> None:
    """Also when all that was remembered is lost: the manifest says what is to be undone."""
    stage = taken_over()
    if weight:
        stage.release("cart:2")
        rollouts.at_weight(stage, weight)
        stage.settle()
    delete(stage)
    lose(stage)
    stage.run(gone, within=timedelta(minutes=1))
    given_back(stage)


@pytest.mark.parametrize(
    "lost",
    [
        [(resources.DEPLOYMENTS, "cart-app")],
        [(resources.SERVICES, "cart-app")],
        [(resources.VIRTUAL_SERVICES, "cart-app")],
        [(resources.DEPLOYMENTS, "cart-app-primary")],
        [
            (resources.DEPLOYMENTS, "cart-app"),
            (resources.SERVICES, "cart-app"),
            (resources.VIRTUAL_SERVICES, "cart-app"),
            (resources.DEPLOYMENTS, "cart-app-primary"),
        ],
    ],
    ids=["target", "Service", "route", "primary", "all"],
)
def test_what_is_gone_holds_up_no_deletion(lost: list[tuple[Resource, str]]) -> None:
    """A namespace that ends takes its objects in any order, and creates none (D-24)."""
    stage = taken_over()
    for resource, name in lost:
        stage.kube.delete(resource, REF.namespace, name)
    ending = errors.Permanent("namespace shop is being terminated", status=403, reason="Forbidden")
    stage.door.faults.add(Fault(ending, verb="create", times=10**6))
    delete(stage)
    stage.run(gone, within=timedelta(minutes=2))


def test_a_target_that_does_not_become_ready_keeps_the_canary_and_its_users() -> None:
    """It is told in Flagger's words; mended, everything goes on."""
    stage = taken_over()
    stage.release("cart:2", broken=True)
    stage.settle()
    delete(stage)
    stage.wait(timedelta(minutes=20))
    assert not gone(stage)
    waits = "canary not ready during finalizing: canary deployment cart-app.shop not ready: "
    assert any(text.startswith(waits) for text in stage.texts())
    service = there(stage, resources.SERVICES, "cart-app")
    assert service["spec"]["selector"] == {"app": "cart-app-primary"}

    stage.release("cart:3")
    stage.run(gone, within=timedelta(minutes=1))
    given_back(stage)


def test_a_finalizer_that_is_not_wanted_any_more_goes() -> None:
    """Also when nobody looked while the manifest was edited (D-25)."""
    stage = taken_over()
    stage.edit_canary(revertOnDeletion=False)
    both(stage)
    stage.wait(timedelta(seconds=30))
    canary = there(stage, resources.CANARIES, REF.name)
    assert not canary["metadata"].get("finalizers")
    delete(stage)
    stage.settle()
    assert gone(stage)


def test_a_finalizer_wanted_later_comes_and_others_stay() -> None:
    """Turned on at rest; finalizers of others are none of our business."""
    stage = initialized(a_manifest())
    stage.edit(resources.CANARIES, REF.name, {"metadata": {"finalizers": ["other.example/x"]}})
    stage.edit_canary(revertOnDeletion=True)
    stage.wait(timedelta(seconds=30))
    canary = there(stage, resources.CANARIES, REF.name)
    assert canary["metadata"]["finalizers"] == ["other.example/x", FINALIZER]
    calls = len(stage.door.calls)
    stage.wait(timedelta(hours=1))
    assert stage.door.calls[calls:] == []

    delete(stage)
    stage.wait(timedelta(minutes=1))
    canary = there(stage, resources.CANARIES, REF.name)
    assert canary["metadata"]["finalizers"] == ["other.example/x"]
    calls = len(stage.door.writes)
    stage.wait(timedelta(minutes=30))
    assert stage.door.writes[calls:] == []


def test_a_deleted_canary_is_not_worked_against() -> None:
    """A release, an edited route: the end owns the canary alone (D-3)."""
    stage = taken_over()
    stage.kubelet.held.add("cart-app")
    delete(stage)
    stage.settle()
    stage.release("cart:2")
    stage.edit(resources.SERVICES, "cart-app", {"spec": {"selector": {"app": "mine"}}})
    stage.wait(timedelta(minutes=5))
    assert stage.image("cart-app-primary") == "cart:1"
    assert there(stage, resources.SERVICES, "cart-app")["spec"]["selector"] == {"app": "mine"}

    stage.kubelet.held.clear()
    stage.run(gone, within=timedelta(minutes=1))
    assert there(stage, resources.SERVICES, "cart-app")["spec"]["selector"] == {"app": "mine"}


def test_what_kubectl_remembers_counts_before_anything_else() -> None:
    """The selector, and the whole spec of a route, as they were applied (routing, Finalize)."""
    applied = {"selector": {"app": "cart-app", "tier": "web"}, "ports": [{"port": 9}]}
    stage = Stage()
    stage.create(resources.SERVICES, a_service(**{APPLIED: json.dumps({"spec": applied})}))
    note = {APPLIED: json.dumps({"spec": {**ROUTE, "exportTo": ["."]}})}
    stage.create(resources.VIRTUAL_SERVICES, a_route(note))
    stage = initialized(reverting(), stage)
    ports = there(stage, resources.SERVICES, "cart-app")["spec"]["ports"]
    delete(stage)
    stage.run(gone, within=timedelta(minutes=1))
    service = there(stage, resources.SERVICES, "cart-app")
    assert service["spec"]["selector"] == {"app": "cart-app", "tier": "web"}
    assert service["spec"]["ports"] == ports
    route = there(stage, resources.VIRTUAL_SERVICES, "cart-app")
    assert route["spec"] == {**ROUTE, "exportTo": ["."]}


def test_a_route_that_nobody_remembers_stays_as_it_is() -> None:
    """Neither note is there: nothing is made up (lifecycle 19.2, 6)."""
    stage = taken_over()
    notes = {"metadata": {"annotations": {ORIGINAL: None}}}
    stage.edit(resources.VIRTUAL_SERVICES, "cart-app", notes)
    stage.wait(timedelta(minutes=1))
    before = there(stage, resources.VIRTUAL_SERVICES, "cart-app")["spec"]
    delete(stage)
    stage.run(gone, within=timedelta(minutes=1))
    assert there(stage, resources.VIRTUAL_SERVICES, "cart-app")["spec"] == before


def test_the_autoscaler_of_a_target_is_resumed_with_it() -> None:
    """Paused at rest, it would take the target's pods away (lifecycle 19.2, 2)."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart-app"}
    scaled = {**a_scaled_object()["spec"], "scaleTargetRef": target}
    stage = Stage()
    metadata = {"name": "cart-so", "namespace": REF.namespace}
    stage.create(resources.SCALED_OBJECTS, {"metadata": metadata, "spec": scaled})
    stage = initialized(reverting(autoscalerRef={**KEDA_REF, "name": "cart-so"}), stage)
    stage.wait(timedelta(seconds=10))
    source = there(stage, resources.SCALED_OBJECTS, "cart-so")
    assert source["metadata"]["annotations"][PAUSED] == "0"
    delete(stage)
    stage.run(gone, within=timedelta(minutes=1))
    source = there(stage, resources.SCALED_OBJECTS, "cart-so")
    assert PAUSED not in (source["metadata"].get("annotations") or {})
    assert rollouts.replicas(stage) > 0


def test_a_suspended_canary_ends_as_any_other() -> None:
    """Lifecycle 15: deletion is handled all the same."""
    stage = taken_over()
    stage.edit_canary(suspend=True)
    stage.settle()
    delete(stage)
    stage.run(gone, within=timedelta(minutes=1))
    given_back(stage)


def test_a_canary_whose_manifest_nobody_ever_understood_gives_everything_back() -> None:
    """It was edited into one that is refused, and everything about the one before is forgotten."""
    stage = taken_over()
    stage.edit_canary(analysis={"webhooks": [{"name": "no", "type": "rollout", "url": "nowhere"}]})
    stage.wait(timedelta(seconds=5))
    stage.bag.messages.clear()
    stage.forget_everything()
    stage.beat = stage.beat.successor()
    stage.wait(timedelta(seconds=20))
    assert stage.condition("Accepted")["status"] == "False"
    delete(stage)
    stage.run(gone, within=timedelta(minutes=2))
    given_back(stage)


def test_without_revert_on_deletion_nothing_is_undone() -> None:
    """The target stays at zero, what was taken over stays as it is (lifecycle 19.1)."""
    stage = Stage()
    stage.create(resources.SERVICES, a_service())
    stage = initialized(a_manifest(), stage)
    stage.wait(timedelta(seconds=10))
    delete(stage)
    stage.wait(timedelta(minutes=1))
    assert gone(stage)
    assert rollouts.replicas(stage) == 0


def test_a_canary_that_is_applied_again_begins_as_at_first() -> None:
    """As docs/troubleshooting.md has it: the target is scaled, then the Canary is applied."""
    stage = initialized(a_manifest())
    stage.wait(timedelta(seconds=10))
    delete(stage)
    stage.wait(timedelta(minutes=1))
    assert there(stage, resources.DEPLOYMENTS, "cart-app-primary") is None
    stage.edit(resources.DEPLOYMENTS, "cart-app", {"spec": {"replicas": 3}})
    canary = {**a_manifest(), "metadata": {"name": REF.name, "namespace": REF.namespace}}
    stage.create(resources.CANARIES, canary)
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    stage.wait(timedelta(seconds=10))
    assert (rollouts.replicas(stage), rollouts.replicas(stage, "cart-app-primary")) == (0, 3)
    assert stage.split == ALL_TO_PRIMARY


CANARY_RULES: Final[dict[str, dict[str, Any]]] = {
    "weights": {},
    "A/B": {
        "iterations": 9,
        "maxWeight": None,
        "stepWeight": None,
        "match": [{"headers": {"x-canary": {"exact": "insider"}}}],
    },
    "mirror": {"mirror": True, "mirrorWeight": 50},
    "affinity": {"sessionAffinity": {"cookieName": "new", "primaryCookieName": "old"}},
}


@pytest.mark.parametrize("analysis", CANARY_RULES.values(), ids=CANARY_RULES.keys())
def test_before_a_canary_goes_its_own_route_leads_where_pods_stay(
    analysis: dict[str, Any],
) -> None:
    """Primary, Services and route are collected in any order; requests must not notice which."""
    stage = initialized(reverting())
    stage.edit_canary(analysis=analysis)
    stage.settle()
    stage.release("cart:2")
    stage.run(lambda on: on.split is not None and on.split.reaches_canary, within=LONG)
    stage.settle()
    route, apex = last_seen(stage)
    destinations = [each for rule in route["http"] for each in rule["route"]]
    assert destinations
    assert all(each == {"destination": {"host": "cart-app"}} for each in destinations)
    assert not any("mirror" in rule for rule in route["http"])
    assert apex["selector"] == {"app": "cart-app"}


def test_before_a_canary_goes_its_subsets_are_left_too() -> None:
    """A DestinationRule that is collected first would take them away."""
    stage = subsets.released()
    stage.edit_canary(revertOnDeletion=True)
    rollouts.at_weight(stage, 20)
    route, apex = last_seen(stage)
    assert [rule["route"] for rule in route["http"]] == [[{"destination": {"host": "cart-app"}}]]
    assert apex["selector"] == {"tier": "front"}


def last_seen(stage: Stage) -> tuple[Any, Any]:
    """Route and apex Service, as they are when the canary is deleted and its finalizer goes."""
    seen: list[Any] = []

    def look() -> None:
        ours = resources.VIRTUAL_SERVICES, resources.SERVICES
        seen.extend(there(stage, each, "cart-app")["spec"] for each in ours)

    patch = Fault(look, "patch", "canaries", name=REF.name, times=99)
    stage.door.faults.add(patch)
    delete(stage)
    stage.run(gone, within=timedelta(minutes=1))
    route, apex = seen[-2:]
    return route, apex
