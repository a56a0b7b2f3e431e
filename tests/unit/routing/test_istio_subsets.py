"""One host with two subsets in place of two hosts: the VirtualService and rule of the articles.

Left to other files: everything that is the same for both forms (test_istio, test_istio_strategies).
"""

from dataclasses import replace
from typing import Any, Final

import pytest
import yaml

from clients.documents.outcome import Rejected
from config import requests
from config.traffic import ALL_TO_PRIMARY, Mirror, TrafficSplit
from routing import istio, registry
from routing.router import ServiceRole, TargetFacts, UnroutableCanary
from tests.outcomes import wrote
from tests.unit.routing.canaries import (
    FLUX,
    OWNER,
    TARGET,
    a_canary,
    mesh_objects,
    rendered_services,
    stored,
)
from tests.unit.routing.worlds import World

SHARED: Final = (("tier", "front"),)
FACTS: Final = TargetFacts("app", "shop", shared_labels=SHARED)
VIEW: Final = replace(TARGET, shared_labels=SHARED)
RULE: Final = yaml.safe_load("""
    host: shop
    subsets:
    - {name: primary, labels: {app: shop-primary}}
    - {name: canary, labels: {app: shop}}
""")
LIVE: Final = {istio.SUBSET_RULE: {"metadata": {"name": "shop", "namespace": "prod"}, "spec": RULE}}
BETA: Final = [{"header": {"name": "x-user-group", "value": {"exact": "beta-testers"}}}]


def of_subsets(**more: Any) -> Any:
    """A canary whose sides are subsets."""
    return a_canary(subsets=True, **more)


def rules(canary: Any, split: TrafficSplit) -> Any:
    """The HTTP rules at `split`."""
    objects = mesh_objects(canary, split, LIVE, FACTS)
    return objects[istio.VIRTUAL_SERVICE]["spec"]["http"]


def test_the_virtual_service_of_the_article_is_written() -> None:
    """Beta testers to the canary, everybody else by weight, on one host."""
    canary = of_subsets(analysis={"a_b_test": BETA})
    expected = yaml.safe_load("""
        - match: [{headers: {x-user-group: {exact: beta-testers}}}]
          route:
          - {destination: {host: shop, subset: canary}, weight: 100}
        - route:
          - {destination: {host: shop, subset: primary}, weight: 90}
          - {destination: {host: shop, subset: canary}, weight: 10}
    """)
    split = TrafficSplit(90, 10, pinned=requests.pinned(canary))
    assert rules(canary, split) == expected
    live = {istio.VIRTUAL_SERVICE: {"spec": {"http": expected}}}
    assert registry.ROUTERS.in_force(canary, live) == split
    assert registry.ROUTERS.in_force(a_canary(), live) == split


def test_copies_go_to_the_subset_of_the_canary() -> None:
    """A mirror by host alone would copy to both sides."""
    (rule,) = rules(of_subsets(), TrafficSplit.of(0, mirror=Mirror()))
    assert rule["mirror"] == {"host": "shop", "subset": "canary"}


def test_one_rule_names_the_pods_of_both_sides() -> None:
    """The whole object; the policy of the service holds for both."""
    canary = of_subsets(trafficPolicy={"tls": {"mode": "DISABLE"}})
    router = registry.ROUTERS.named("istio")
    rule, _ = router.resources(canary)
    written = router.render(rule, canary, FACTS, ALL_TO_PRIMARY, {})
    assert written == {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "DestinationRule",
        "metadata": {"name": "shop", "namespace": "prod", "ownerReferences": [OWNER]},
        "spec": {**RULE, "trafficPolicy": {"tls": {"mode": "DISABLE"}}},
    }


def test_a_users_rule_is_taken_over_with_its_other_subsets() -> None:
    """The article's labels `version: v1` and `v2` tell no canary from its primary."""
    users = {
        "host": "shop",
        "subsets": [
            {"name": "primary", "labels": {"version": "v1"}},
            {"name": "legacy", "labels": {"version": "v0"}},
            {"name": "canary", "labels": {"version": "v2"}},
        ],
    }
    present = stored({"metadata": {"name": "shop", "namespace": "prod"}, "spec": users})
    router = registry.ROUTERS.named("istio")
    rule, _ = router.resources(of_subsets())
    written = router.render(rule, of_subsets(), FACTS, ALL_TO_PRIMARY, {rule.role: present})
    assert written["spec"]["subsets"] == [*RULE["subsets"], users["subsets"][1]]
    assert written["metadata"] == present["metadata"]


def test_the_apex_service_selects_the_pods_of_both_sides() -> None:
    """By the labels that both have; the other Services are as ever."""
    rendered = rendered_services(of_subsets(), {}, FACTS)
    assert {role: each["spec"]["selector"] for role, each in rendered.items()} == {
        ServiceRole.APEX: {"tier": "front"},
        ServiceRole.PRIMARY: {"app": "shop-primary"},
        ServiceRole.CANARY: {"app": "shop"},
    }
    assert rendered[ServiceRole.APEX]["metadata"]["annotations"] == FLUX


def test_without_a_label_of_both_sides_nobody_is_led_to_subsets() -> None:
    """One Service could not select them; the refusal says what is needed."""
    router, facts = registry.ROUTERS.named("istio"), TargetFacts("app", "shop")
    rule, _ = router.resources(of_subsets())
    with pytest.raises(UnroutableCanary, match="needs a second label in spec"):
        router.render(rule, of_subsets(), facts, ALL_TO_PRIMARY, {})


def a_world() -> World:
    """A world of subsets."""
    return World(canary=of_subsets())


def test_the_route_leads_to_subsets_that_exist() -> None:
    """Rule and Services first; a step is one patch; without the rule nothing is led to it."""
    world = a_world()
    assert wrote(world.apply(TrafficSplit.of(10), target=VIEW))
    world.observe()
    assert world.in_force() == TrafficSplit.of(10)
    assert wrote(world.apply(TrafficSplit.of(20), target=VIEW))
    assert world.requests() == ["patch virtualservices/shop"]


def test_a_rule_that_cannot_be_written_keeps_the_route_from_leading_to_it() -> None:
    """A subset that does not exist answers 503 to everybody."""
    world = a_world()
    world.create(
        istio.SUBSET_RULE,
        {
            "apiVersion": "networking.istio.io/v1beta1",
            "kind": "DestinationRule",
            "metadata": {"name": "shop", "namespace": "prod"},
            "spec": {"host": "shop"},
        },
    )
    world.observe()
    outcome = world.apply(ALL_TO_PRIMARY, target=TARGET)
    assert isinstance(outcome, Rejected)
    assert world.in_cluster(istio.VIRTUAL_SERVICE) is None
    assert not outcome.in_force
    route, rule = (refusal.message for refusal in outcome.refusals)
    assert route == (
        "reconcileVirtualService failed: VirtualService shop.prod waits for the subsets of its "
        "DestinationRule"
    )
    assert rule == (
        "reconcileDestinationRule failed: shop.prod needs a second label in "
        "spec.selector.matchLabels, by which one Service selects the pods of primary and canary"
    )
    assert wrote(world.apply(ALL_TO_PRIMARY, target=VIEW))
    assert world.in_force() == ALL_TO_PRIMARY
