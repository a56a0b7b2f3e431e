"""Copies of a target that is itself a Service, from the reference's rules for that kind."""

from typing import Any, Final

import pytest

from config import copies
from config.api.canary import Canary
from config.traffic import RouteStage
from routing import copies as codec
from routing import services
from routing.router import ServiceRole, UnroutableCanary
from tests.unit.routing.canaries import OWNER, a_canary

TARGET: Final = {"apiVersion": "v1", "kind": "Service", "name": "shop"}
CANARY, PRIMARY = ServiceRole.CANARY, ServiceRole.PRIMARY


def the_canary(**service: Any) -> Canary:
    """The canary of Service `shop`; `service.name` is ignored there."""
    return a_canary(spec={"targetRef": TARGET}, name="front", **service)


def a_service(version: str = "1", name: str = "shop", **spec: Any) -> dict[str, Any]:
    """A live Service of type NodePort."""
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "prod", "labels": {"team": "web"}},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "shop", "v": version},
            "ports": ports,
            "clusterIP": "10.0.0.1",
            "clusterIPs": ["10.0.0.1"],
            "healthCheckNodePort": 31000,
            "ipFamilies": ["IPv4"],
            **spec,
        },
    }


def rendered(
    role: str, source: dict[str, Any], present: Any = None, *known: str, **service: Any
) -> Any:
    """The copy in `role`."""
    canary = the_canary(**service)
    managed = next(
        each for each in services.managed(canary, RouteStage.EXPOSED) if each.role == role
    )
    return codec.render(managed, canary, source, {role: present}, known)


def test_only_the_copies_are_managed_under_the_target_s_name() -> None:
    """No apex handling, and `service.name` is ignored."""
    for stage in RouteStage:
        names = [each.name for each in services.managed(the_canary(), stage)]
        assert names == ["shop-canary", "shop-primary"]


def test_a_copy_is_the_documented_one() -> None:
    """Labels, annotations and spec of the target; owner; traffic distribution of the manifest."""
    source = a_service()
    source["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "own": "1",
    }
    assert rendered(PRIMARY, source, trafficDistribution="PreferClose") == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "shop-primary",
            "namespace": "prod",
            "ownerReferences": [OWNER],
            "labels": {"team": "web"},
            "annotations": {"own": "1"},
        },
        "spec": {
            "type": "NodePort",
            "selector": {"app": "shop", "v": "1"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
            "ipFamilies": ["IPv4"],
            "trafficDistribution": "PreferClose",
        },
    }


def test_addresses_and_node_ports_are_nobody_else_s() -> None:
    """D-86: what a copy was given it keeps; a headless target has headless copies."""
    source, present = a_service("2"), a_service("1", "shop-canary")
    present["spec"] |= {"clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9"]}
    present["spec"]["ports"] = [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30999}]
    spec = rendered(CANARY, source, present)["spec"]
    assert spec["selector"]["v"] == "2"
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("10.0.0.9", ["10.0.0.9"])
    assert spec["ports"][0]["nodePort"] == 30999
    headless = a_service(clusterIP="None", clusterIPs=["None"])
    assert rendered(CANARY, headless)["spec"]["clusterIP"] == "None"


def test_a_primary_s_copy_changes_with_the_promotion_of_just_that_revision() -> None:
    """Created once; what was not analysed is not copied (D-9)."""
    source, present = a_service("2"), a_service("1", "shop-primary")
    assert rendered(PRIMARY, source, present, "another") == present
    promoted = rendered(PRIMARY, source, present, copies.revision(source["spec"]))
    assert promoted["spec"]["selector"]["v"] == "2"
    assert promoted["metadata"] == present["metadata"]


def test_a_primary_s_copy_that_is_gone_is_made_anew_from_a_known_revision_only() -> None:
    """D-6, D-7: what the target holds by now was never analysed."""
    source = a_service("2")
    with pytest.raises(UnroutableCanary, match="shop-primary is gone and cannot be made anew"):
        rendered(PRIMARY, source, None, "another")
    known = ("another", copies.revision(source["spec"]))
    assert rendered(PRIMARY, source, None, *known)["spec"]["selector"]["v"] == "2"


def test_a_copy_has_the_revision_of_its_source() -> None:
    """Whatever the server allocates to either, and however the traffic is distributed."""
    source = a_service()
    copy = rendered(PRIMARY, source, trafficDistribution="PreferClose")
    given = {**copy["spec"], "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"]}
    given["ports"] = [{**given["ports"][0], "nodePort": 32000}]
    assert copies.revision(given) == copies.revision(source["spec"])
    assert copies.revision(a_service("2")["spec"]) != copies.revision(source["spec"])


def test_a_copy_in_step_is_left_alone() -> None:
    """D-86: nothing is written where nothing differs."""
    source = a_service()
    live = {**rendered(CANARY, source), "metadata": {"name": "shop-canary"}}
    live["spec"] = {**live["spec"], "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"]}
    assert rendered(CANARY, source, live) == live
