"""A canary is edited to another target or name, or its target is made anew with other labels.

Whatever serves goes on serving; revisions of two workloads are never compared.
"""

from datetime import timedelta
from typing import Any

from clients.kube import resources
from config.traffic import ALL_TO_PRIMARY
from tests.stage import rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import Stage, a_deployment, initialized
from tests.unit.analysis.worlds import a_manifest

NAMED = {"service": {"port": 80, "name": "cart"}}


def another_target(name: str = "basket-app", app: str = "basket-app") -> dict[str, Any]:
    """A Deployment whose pods are labelled `app`."""
    body = a_deployment("basket:1")
    body["metadata"]["name"] = name
    body["spec"]["selector"]["matchLabels"]["app"] = app
    body["spec"]["template"]["metadata"]["labels"]["app"] = app
    return body


def selected(stage: Stage, service: str) -> str:
    """The value of the label by which a Service selects."""
    spec = stage.kube.get(resources.SERVICES, "shop", service)["spec"]
    label: str = spec["selector"]["app"]
    return label


def available(stage: Stage, label: str) -> int:
    """The available pods with a label; Deployments of these tests are named like it."""
    found = stage.kube.list(resources.DEPLOYMENTS).items
    return sum(
        (each.get("status") or {}).get("availableReplicas", 0)
        for each in found
        if each["spec"]["selector"]["matchLabels"]["app"] == label
    )


def weights(stage: Stage, name: str) -> list[int]:
    """The weights in a VirtualService."""
    rule = stage.kube.get(resources.VIRTUAL_SERVICES, "shop", name)["spec"]["http"][0]
    return [leg["weight"] for leg in rule["route"]]


class Watched(Stage):
    """A stage that notes at each look whether anybody was led to a Service without pods."""

    def __init__(self) -> None:
        self.outages: list[str] = []
        self.exposed: set[str] = set()
        super().__init__()

    def observe(self) -> None:
        """Looks, and follows the route."""
        super().observe()
        routes = self.kube.list(resources.VIRTUAL_SERVICES).items
        for leg in [leg for each in routes for leg in each["spec"]["http"][0]["route"]]:
            if leg["weight"]:
                label = selected(self, leg["destination"]["host"])
                self.exposed.add(label)
                if not available(self, label):
                    self.outages.append(f"{self.clock.now()} {leg} selects {label}")


def in_mid_rollout() -> Watched:
    """A stage on which the canary has 40 % of the traffic, watched since its release."""
    stage = Watched()
    initialized(a_manifest(spec=NAMED), stage)
    stage.outages.clear()
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)
    return stage


def test_a_replaced_target_gets_a_primary_while_that_of_the_former_serves() -> None:
    """Also when its pods take a minute; the next release is analysed like any other."""
    stage = Watched()
    initialized(a_manifest(spec=NAMED), stage)
    stage.outages.clear()
    stage.kubelet.held.update({"basket-app", "basket-app-primary"})
    stage.create(resources.DEPLOYMENTS, another_target())
    stage.kube.delete(resources.DEPLOYMENTS, "shop", "cart-app")
    stage.edit_canary(targetRef={"name": "basket-app"})
    stage.wait(timedelta(minutes=1))
    assert (selected(stage, "cart"), selected(stage, "cart-primary")) == ("cart-app-primary",) * 2
    assert stage.phase() == "Initializing"

    stage.kubelet.held.clear()
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    primaries = (selected(stage, "cart"), selected(stage, "cart-primary"))
    assert primaries == ("basket-app-primary",) * 2
    assert stage.exposed == {"cart-app-primary", "basket-app-primary"}
    told = "Target of cart.shop is now basket-app.shop, initializing; the primary of Deployment "
    assert any(text.startswith(told) for text in stage.texts())
    assert stage.outages == []

    container = {"name": "app", "image": "basket:2"}
    template = {"spec": {"containers": [container]}}
    stage.edit(resources.DEPLOYMENTS, "basket-app", {"spec": {"template": template}})
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    assert stage.weights[-4:] == [20, 40, 60, 0]
    assert stage.image("basket-app-primary") == "basket:2"


def test_a_target_replaced_in_mid_rollout_calls_it_off_first() -> None:
    """The canary that is left has no traffic any more before its successor is looked at."""
    stage = in_mid_rollout()
    stage.create(resources.DEPLOYMENTS, another_target())
    stage.edit_canary(targetRef={"name": "basket-app"})
    stage.wait(timedelta(seconds=5))
    assert stage.split == ALL_TO_PRIMARY
    stage.run(lambda on: on.phase() == "Initialized", within=LONG)
    assert selected(stage, "cart") == "basket-app-primary"
    assert stage.outages == []
    assert "the rollout of deployment cart-app.shop ends first" in "\n".join(stage.texts())


def test_a_route_renamed_in_mid_rollout_is_left_with_everything_on_the_primary() -> None:
    """Users of the former name are not sent to a canary that nobody looks after."""
    stage = in_mid_rollout()
    stage.edit_canary(service={"name": "basket"})
    stage.wait(timedelta(minutes=1))
    assert weights(stage, "cart") == [100, 0]
    assert weights(stage, "basket") == [100, 0]
    assert stage.phase() == "Failed"
    assert stage.outages == []


def test_a_target_made_anew_with_other_labels_takes_no_pods_from_the_primary() -> None:
    """It is not accepted; the primary keeps the label it was made with, whoever is asked again."""
    stage = Watched()
    initialized(a_manifest(), stage)
    stage.outages.clear()
    stage.kube.delete(resources.DEPLOYMENTS, "shop", "cart-app")
    stage.wait(timedelta(seconds=5))
    stage.create(resources.DEPLOYMENTS, another_target("cart-app", "basket"))
    stage.wait(timedelta(seconds=10))
    stage.edit_canary(analysis={"threshold": 5})
    stage.wait(timedelta(minutes=10))
    primaries = (selected(stage, "cart-app"), selected(stage, "cart-app-primary"))
    assert primaries == ("cart-app-primary",) * 2
    assert stage.outages == []
    assert stage.condition("Accepted")["reason"] == "PrimaryConflict"


def test_a_new_leader_knows_the_route_of_a_canary_that_was_renamed_in_mid_rollout() -> None:
    """It learns from Redis what was in force before, as it does of manifests that are refused."""
    stage = in_mid_rollout()
    stage.edit_canary(service={"name": "basket"})
    stage.beat.restart()
    stage.wait(timedelta(minutes=1))
    assert weights(stage, "cart") == [100, 0]
    assert weights(stage, "basket") == [100, 0]
    assert stage.outages == []
