"""One host with two subsets, as in the articles: whole rollouts, and targets that cannot have them.

Left to other files: what the objects look like (tests/unit/routing/test_istio_subsets).
"""

from datetime import timedelta
from typing import Any, Final

import pytest

from clients.kube import resources
from config.traffic import ALL_TO_PRIMARY, TrafficSplit
from tests.stage import measuring, rollouts
from tests.stage.rollouts import BEGINNING, ENDING
from tests.stage.stage import REF, Stage, a_deployment
from tests.unit.analysis.worlds import a_manifest

SUBSETS: Final = a_manifest(spec={"service": {"port": 80, "subsets": True}})


def a_tier() -> dict[str, Any]:
    """The target, with a second label by which its pods are selected."""
    body = a_deployment()
    spec = body["spec"]
    labels = {"app": "cart-app", "tier": "front"}
    spec["selector"]["matchLabels"] = labels
    spec["template"]["metadata"]["labels"] = labels
    return body


def staged(deployment: dict[str, Any]) -> Stage:
    """A stage with this target and its canary."""
    stage = Stage()
    stage.create(resources.DEPLOYMENTS, deployment)
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**SUBSETS, "metadata": metadata})
    return stage


def released() -> Stage:
    """A stage on which a release was just made."""
    stage = staged(a_tier())
    stage.run(lambda on: on.phase() == "Initialized", within=timedelta(minutes=1))
    stage.release("cart:2")
    return stage


def hosts(stage: Stage) -> set[tuple[str, str]]:
    """Host and subset of each destination of the live route."""
    live = stage.kube.get(resources.VIRTUAL_SERVICES, "shop", "cart-app")
    entries = [entry for rule in live["spec"]["http"] for entry in rule["route"]]
    return {(each["destination"]["host"], each["destination"]["subset"]) for each in entries}


def test_a_rollout_moves_weights_between_subsets() -> None:
    """The steps are those of every rollout; the apex Service selects the pods of both sides."""
    stage = released()
    seen = rollouts.followed(stage)
    rollouts.finish(stage)

    rungs = [TrafficSplit.of(weight) for weight in (20, 40, 60)]
    assert seen == [ALL_TO_PRIMARY, *rungs, ALL_TO_PRIMARY]
    assert rollouts.told(stage) == [*BEGINNING, *rollouts.advance(20, 40, 60), *ENDING]
    assert hosts(stage) == {("cart-app", "primary"), ("cart-app", "canary")}
    service = stage.kube.get(resources.SERVICES, "shop", "cart-app")
    assert service["spec"]["selector"] == {"tier": "front"}
    names = {
        each["metadata"]["name"] for each in stage.kube.list(resources.DESTINATION_RULES).items
    }
    assert names == {"cart-app"}
    rollouts.succeeded(stage)


def test_a_bad_release_is_taken_back_from_its_subset() -> None:
    """Three failed checks, and nobody is led to it any more."""
    stage = released()
    stage.meters.source = measuring.failing
    assert rollouts.followed(stage) == [ALL_TO_PRIMARY, TrafficSplit.of(20), ALL_TO_PRIMARY]
    rollouts.rolled_back(rollouts.finish(stage))


def test_an_edited_rule_is_put_right_at_once() -> None:
    """Without its subsets the route would lead nowhere."""
    stage = released()
    stage.run(lambda on: on.split == TrafficSplit.of(20), within=rollouts.LONG)
    edit = {"spec": {"subsets": None}}
    stage.kube.patch(resources.DESTINATION_RULES, "shop", "cart-app", edit)
    stage.wait(timedelta(seconds=3))

    live = stage.kube.get(resources.DESTINATION_RULES, "shop", "cart-app")
    assert [each["name"] for each in live["spec"]["subsets"]] == ["primary", "canary"]
    assert stage.split == TrafficSplit.of(20)


def test_a_target_that_one_service_cannot_select_with_its_primary_is_refused() -> None:
    """Before anything is made of it: field, and what is needed."""
    stage = staged(a_deployment())
    with pytest.raises(AssertionError):
        stage.run(lambda on: on.phase() == "Initialized", within=timedelta(minutes=1))
    accepted = stage.condition("Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "NoSelectorLabel")
    assert accepted["message"] == (
        "spec.service.subsets: true: deployment cart-app.shop needs a second label in "
        "spec.selector.matchLabels, by which one Service selects the pods of primary and canary"
    )
    assert not stage.kube.list(resources.VIRTUAL_SERVICES).items


def test_subsets_switched_off_in_mid_rollout_call_it_off_first() -> None:
    """The route would lead to other hosts: nobody is left at a weight that nobody has tried."""
    stage = rollouts.at_weight(released(), 40)
    stage.edit_canary(service={"subsets": False})
    stage.run(lambda on: on.phase() == "Failed", within=rollouts.LONG)
    stage.wait(timedelta(seconds=10))
    assert stage.split == ALL_TO_PRIMARY
    assert stage.image("cart-app-primary") == "cart:1"
    live = stage.kube.get(resources.VIRTUAL_SERVICES, "shop", "cart-app")
    legs = live["spec"]["http"][0]["route"]
    assert [each["destination"]["host"] for each in legs] == ["cart-app-primary", "cart-app-canary"]
    assert [each["weight"] for each in legs] == [100, 0]
