"""Two canaries that want one name: the older has it, the younger is told of it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from clients.kube import resources
from config.refs import CanaryRef
from tests.stage import rollouts
from tests.stage.stage import REF, Stage, a_deployment, initialized
from tests.unit.analysis.worlds import a_manifest

SECOND: Final = CanaryRef(REF.namespace, "cart-two")
FIRST: Final = f"canary {REF}"


def deployed(stage: Stage, name: str) -> None:
    """Applies another Deployment."""
    body = a_deployment()
    labels = {"app": name}
    template = {**body["spec"]["template"], "metadata": {"labels": labels}}
    spec = {**body["spec"], "selector": {"matchLabels": labels}, "template": template}
    metadata = {**body["metadata"], "name": name}
    stage.create(resources.DEPLOYMENTS, {**body, "metadata": metadata, "spec": spec})


def second(stage: Stage, target: str, service: str | None) -> None:
    """Another, younger canary of `target`, under the apex name `service`."""
    stage.wait(timedelta(seconds=5))
    names: dict[str, Any] = {"port": 80, **({"name": service} if service else {})}
    spec = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
        "service": names,
    }
    metadata = {"name": SECOND.name, "namespace": SECOND.namespace}
    stage.create(resources.CANARIES, {**a_manifest(spec=spec), "metadata": metadata})
    stage.settle()


def status(stage: Stage, ref: CanaryRef = SECOND) -> Mapping[str, Any]:
    """The status of a canary."""
    found: Mapping[str, Any] = stage.kube.get(resources.CANARIES, ref.namespace, ref.name)
    return found.get("status") or {}


def condition(stage: Stage, kind: str) -> Mapping[str, Any]:
    """A condition of the second canary; empty when it has none of that type."""
    found = status(stage).get("conditions") or ()
    return next((each for each in found if each["type"] == kind), {})


def owners(stage: Stage, name: str) -> set[str]:
    """The canaries that control the objects of the apex `name`."""
    apex = [(resources.SERVICES, name), (resources.VIRTUAL_SERVICES, name)]
    sides = [
        (kind, f"{name}-{side}")
        for kind in (resources.SERVICES, resources.DESTINATION_RULES)
        for side in ("primary", "canary")
    ]
    live = [stage.kube.get(kind, REF.namespace, each) for kind, each in (*apex, *sides)]
    return {each["metadata"]["ownerReferences"][0]["name"] for each in live}


@pytest.mark.parametrize(
    ("target", "service"),
    [
        ("api", "cart-app"),
        ("api", "cart-app-primary"),
        ("api", "cart-app-canary"),
        ("cart-app", "api"),
        ("cart-app-primary", "api"),
    ],
)
def test_the_second_canary_of_a_name_does_nothing_and_is_told_of_the_first(
    target: str, service: str
) -> None:
    """No object is written for it, nor written twice; the first releases as if it were alone."""
    stage = initialized(a_manifest())
    deployed(stage, "api")
    second(stage, target, service)
    refused = condition(stage, "Accepted")
    assert (refused["status"], FIRST in refused["message"]) == ("False", True)
    assert any(FIRST in text for text in stage.texts())

    stage.door.calls.clear()
    stage.wait(timedelta(minutes=30))
    assert [call for call in stage.door.writes if call.resource != "canaries"] == []
    assert "phase" not in status(stage)
    assert condition(stage, "Waiting")["reason"] == "NotAccepted"
    assert owners(stage, "cart-app") == {"cart"}

    stage.release("cart:2")
    rollouts.finish(stage)
    rollouts.succeeded(stage)


def test_the_second_goes_on_by_itself_when_the_first_is_deleted() -> None:
    """Its objects are made, or taken over, without an edit."""
    stage = initialized(a_manifest())
    deployed(stage, "api")
    second(stage, "api", "cart-app")
    stage.kube.delete(resources.CANARIES, REF.namespace, REF.name)
    stage.wait(timedelta(minutes=2))
    assert status(stage)["phase"] == "Initialized"
    assert condition(stage, "Accepted")["status"] == "True"
    assert owners(stage, "cart-app") == {"cart-two"}


def test_the_second_goes_on_by_itself_when_the_first_takes_another_apex_name() -> None:
    """What the first has left behind is taken over; the first goes on under its new name."""
    stage = initialized(a_manifest())
    deployed(stage, "api")
    second(stage, "api", "cart-app")
    stage.edit_canary(service={"name": "cart"})
    stage.wait(timedelta(minutes=2))
    assert (stage.phase(), status(stage)["phase"]) == ("Initialized", "Initialized")
    assert owners(stage, "cart-app") == {"cart-two"}
    assert owners(stage, "cart") == {"cart"}
    selector = stage.kube.get(resources.SERVICES, REF.namespace, "cart-app-primary")
    assert selector["spec"]["selector"] == {"app": "api-primary"}

    stage.kube.delete(resources.CANARIES, REF.namespace, REF.name)
    stage.wait(timedelta(minutes=1))
    assert owners(stage, "cart-app") == {"cart-two"}


def test_the_second_goes_on_by_itself_when_the_first_takes_another_target() -> None:
    """Its primary is the one that serves already, and stays when the first is deleted."""
    stage = initialized(a_manifest())
    deployed(stage, "api")
    second(stage, "cart-app", "front")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    stage.edit_canary(targetRef=target, service={"name": "api"})
    stage.wait(timedelta(minutes=2))
    assert status(stage)["phase"] == "Initialized"
    primary = stage.deployment("cart-app-primary")
    assert primary["metadata"]["ownerReferences"][0]["name"] == "cart-two"
    stage.kube.delete(resources.CANARIES, REF.namespace, REF.name)
    stage.wait(timedelta(minutes=1))
    assert stage.deployment("cart-app-primary")["metadata"]["uid"] == primary["metadata"]["uid"]


def test_a_canary_edited_to_the_name_of_another_stays_as_it_is_and_can_be_rolled_back() -> None:
    """Design invariant 9: a conflict holds its rollout like any manifest that is not accepted."""
    stage = initialized(a_manifest())
    deployed(stage, "api")
    second(stage, "api", "api")
    stage.wait(timedelta(minutes=1))
    assert status(stage)["phase"] == "Initialized"
    patch = {"spec": {"service": {"name": "cart-app"}}}
    stage.edit(resources.CANARIES, SECOND.name, patch)
    template = {"spec": {"containers": [{"name": "app", "image": "api:2"}]}}
    stage.edit(resources.DEPLOYMENTS, "api", {"spec": {"template": template}})
    stage.wait(timedelta(minutes=10))
    assert condition(stage, "Waiting")["reason"] == "NotAccepted"
    assert owners(stage, "api") == {"cart-two"}
    assert owners(stage, "cart-app") == {"cart"}
    assert stage.image("api-primary") == "cart:1"

    stage.edit(resources.CANARIES, SECOND.name, {"spec": {"service": {"name": "api"}}})
    stage.wait(timedelta(minutes=5))
    assert status(stage)["phase"] == "Succeeded"
    assert stage.image("api-primary") == "api:2"
