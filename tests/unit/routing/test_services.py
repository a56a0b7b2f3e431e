"""The three Services: their manifests field by field, and what happens to Services found."""

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.traffic import RouteStage
from routing import diff, services
from routing.router import ServiceRole, TargetFacts
from tests.unit.routing import canaries
from tests.unit.routing.canaries import FACTS, FLUX, OWNER, a_canary, a_port, facts_with


def render(
    canary: Any, role: str, target: TargetFacts = FACTS, live: Any = None, **more: Any
) -> dict[str, Any]:
    """The Service in `role`, with all three managed."""
    return canaries.rendered_services(canary, {role: live, **more}, target)[role]


def ports_of(canary: Any, target: TargetFacts = FACTS) -> list[tuple[str, int, Any]]:
    """Name, port and targetPort of each port of the apex Service."""
    spec = render(canary, ServiceRole.APEX, target)["spec"]
    return [(port["name"], port["port"], port["targetPort"]) for port in spec["ports"]]


def live_service(*, owned: bool = True, **fields: Any) -> dict[str, Any]:
    """A live apex Service as this canary would have made it, with other fields where given."""
    metadata = {
        "name": "shop",
        "namespace": "prod",
        "resourceVersion": "3",
        "labels": {"app": "shop"},
        "annotations": dict(FLUX),
        **({"ownerReferences": [OWNER]} if owned else {}),
        **fields.pop("metadata", {}),
    }
    spec = {
        "type": "ClusterIP",
        "clusterIP": "10.0.0.1",
        "selector": {"app": "shop-primary"},
        "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}],
        **fields,
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def changes(live: dict[str, Any], canary: Any = None) -> Any:
    """The patch that would be sent for a live apex Service; None when there is none."""
    desired = render(canary or a_canary(), ServiceRole.APEX, live=live)
    return diff.patch(live, desired) or None


def test_the_canary_service_is_the_documented_one() -> None:
    """The reference's example, field by field."""
    canary = a_canary(
        targetPort=8080,
        appProtocol="http",
        portDiscovery=True,
        canary={"labels": {"tier": "edge"}},
    )
    target = facts_with(a_port(8080), a_port(9797, "metrics", index=1))
    expected = yaml.safe_load("""
        apiVersion: v1
        kind: Service
        metadata:
          name: shop-canary
          namespace: prod
          labels: {app: shop-canary, tier: edge}
          annotations:
            kustomize.toolkit.fluxcd.io/reconcile: disabled
            helm.toolkit.fluxcd.io/driftDetection: disabled
          ownerReferences:
          - {apiVersion: flagger.app/v1beta1, kind: Canary, name: shop, uid: 5e0d0f1a,
             controller: true, blockOwnerDeletion: true}
        spec:
          type: ClusterIP
          selector: {app: shop}
          ports:
          - {name: http, protocol: TCP, port: 80, targetPort: 8080, appProtocol: http}
          - {name: metrics, protocol: TCP, port: 9797, targetPort: 9797}
    """)
    assert expected == render(canary, ServiceRole.CANARY, target)


@pytest.mark.parametrize(
    ("role", "name", "selector", "custom"),
    [
        (ServiceRole.APEX, "shop", "shop-primary", "apex"),
        (ServiceRole.PRIMARY, "shop-primary", "shop-primary", "primary"),
        (ServiceRole.CANARY, "shop-canary", "shop", "canary"),
    ],
)
def test_each_service_has_its_name_selector_and_own_metadata(
    role: str, name: str, selector: str, custom: str
) -> None:
    """Name, selector and the source of custom metadata, per Service."""
    canary = a_canary(**{custom: {"labels": {"a": "b"}, "annotations": {"c": "d"}}})
    service = render(canary, role)
    assert {"app": selector} == service["spec"]["selector"]
    assert name == service["metadata"]["name"]
    assert {"a": "b", "app": name} == service["metadata"]["labels"]
    assert service["metadata"]["annotations"] == {"c": "d", **FLUX}
    assert service["metadata"]["ownerReferences"] == [OWNER]


def test_the_selector_follows_the_label_value_and_not_the_workload_name() -> None:
    """A target labelled otherwise than it is called is selected by its label."""
    target = TargetFacts("app.kubernetes.io/name", "storefront")
    apex = render(a_canary(name="shop"), ServiceRole.APEX, target)
    assert apex["spec"]["selector"] == {"app.kubernetes.io/name": "storefront-primary"}
    assert apex["metadata"]["labels"] == {"app.kubernetes.io/name": "shop"}


def test_service_name_is_the_base_of_all_three_names() -> None:
    """`service.name` goes before the target's name."""
    rendered = canaries.rendered_services(a_canary(name="front"), {})
    names = [service["metadata"]["name"] for service in rendered.values()]
    assert names == ["front-canary", "front-primary", "front"]


def test_headless_and_traffic_distribution_are_set_at_creation() -> None:
    """Both are copied to a new Service."""
    spec = render(a_canary(headless=True, trafficDistribution="PreferClose"), ServiceRole.APEX)[
        "spec"
    ]
    assert spec["clusterIP"] == "None"
    assert spec["trafficDistribution"] == "PreferClose"


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ({}, ("http", 80, 80)),
        ({"targetPort": 0}, ("http", 80, 80)),
        ({"targetPort": 9898}, ("http", 80, 9898)),
        ({"targetPort": "web"}, ("http", 80, "web")),
        ({"portName": "grpc", "port": 9999}, ("grpc", 9999, 9999)),
    ],
)
def test_the_main_port_is_made_of_port_name_and_target_port(
    service: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    """Defaults: the name `http`, and `port` as target when unset or 0."""
    assert [expected] == ports_of(a_canary(**service))


PINNED = (
    a_port(9898, "http", "podinfo", 0),
    a_port(8080, "http-metrics", "podinfo", 1),
    a_port(8888, None, "podinfo", 2),
)


@pytest.mark.parametrize(
    ("service", "first"),
    [
        ({"port": 9898}, ("http", 9898, 9898)),
        ({"port": 80, "targetPort": 9898}, ("http", 80, 9898)),
        ({"port": 80, "targetPort": "http"}, ("http", 80, "http")),
    ],
)
def test_discovered_ports_follow_the_main_port(
    service: dict[str, Any], first: tuple[Any, ...]
) -> None:
    """The reference's pinned example; the port the main one leads to is not repeated."""
    canary = a_canary(portDiscovery=True, **service)
    discovered = [("http-metrics", 8080, 8080), ("tcp-podinfo-2", 8888, 8888)]
    assert [first, *discovered] == ports_of(canary, facts_with(*PINNED))


def test_without_port_discovery_only_the_main_port_is_served() -> None:
    """Container ports do not leak into the Services unasked."""
    assert ports_of(a_canary(), facts_with(*PINNED)) == [("http", 80, 80)]


def test_of_two_discovered_ports_of_one_name_the_last_counts() -> None:
    """As in Flagger."""
    target = facts_with(a_port(1000, "x", "a"), a_port(2000, "x", "b"))
    assert ports_of(a_canary(portDiscovery=True), target) == [("http", 80, 80), ("x", 2000, 2000)]


def test_no_service_port_number_is_given_twice() -> None:
    """D-80: a discovered port never repeats the main port's number or another's."""
    target = facts_with(
        a_port(80, "alt"), a_port(53, "dns", index=1), a_port(53, "dns-udp", index=2)
    )
    canary = a_canary(portDiscovery=True, targetPort=8080)
    assert ports_of(canary, target) == [("http", 80, 8080), ("dns", 53, 53)]


def test_a_discovered_port_that_has_the_main_ports_name_is_named_by_its_place() -> None:
    """Two ports of one name would be refused by the API server."""
    canary = a_canary(portDiscovery=True, port=80)
    target = facts_with(a_port(8080, "http", "shop", 0))
    assert ports_of(canary, target) == [("http", 80, 80), ("tcp-shop-0", 8080, 8080)]


def test_discovered_ports_keep_the_order_of_the_pod_template() -> None:
    """D-80: the order is the same each time, so rendering twice never looks like a change."""
    target = facts_with(*(a_port(9000 - i, f"p{i}", index=i) for i in range(9)))
    names = [name for name, _, _ in ports_of(a_canary(portDiscovery=True), target)]
    assert ["http", *(f"p{i}" for i in range(9))] == names


container_ports = st.lists(
    st.builds(
        a_port,
        st.integers(79, 83),
        st.sampled_from([None, "http", "x", "tcp-a-0"]),
        st.sampled_from(["a", "b", "envoy"]),
        st.integers(0, 2),
    ),
    max_size=6,
)
port_options = st.fixed_dictionaries(
    {"portDiscovery": st.just(True), "port": st.integers(79, 83)},
    optional={
        "targetPort": st.integers(0, 83) | st.sampled_from(["http", "x"]),
        "portName": st.sampled_from(["x", "tcp-a-0"]),
    },
)


@given(container_ports, port_options)
def test_ports_are_unique_by_number_and_by_name(found: list[Any], options: dict[str, Any]) -> None:
    """D-80: whatever the containers declare, the API server has no duplicate to refuse."""
    ports = ports_of(a_canary(**options), facts_with(*found))
    assert len({name for name, _, _ in ports}) == len(ports)
    assert len({number for _, number, _ in ports}) == len(ports)


@given(container_ports, port_options, st.randoms(use_true_random=False))
def test_services_rendered_over_what_was_rendered_do_not_change(
    found: list[Any], options: dict[str, Any], random: Any
) -> None:
    """D-51, D-80: a second application writes nothing, in whatever order the ports come back."""
    canary, target = a_canary(**options), facts_with(*found)
    live = canaries.stored(render(canary, ServiceRole.APEX, target))
    random.shuffle(live["spec"]["ports"])
    assert diff.patch(live, render(canary, ServiceRole.APEX, target, live)) == {}


def test_before_exposure_the_apex_service_is_not_touched() -> None:
    """Users reach the target through it until the primary serves."""
    managed = services.managed(a_canary(), RouteStage.SERVICES)
    assert [each.role for each in managed] == [ServiceRole.CANARY, ServiceRole.PRIMARY]


def test_a_service_as_it_should_be_is_not_written() -> None:
    """D-51: nothing differs, nothing is sent."""
    assert changes(live_service()) is None


def test_ports_in_another_order_are_the_same_ports() -> None:
    """Ports are compared by number, whatever order the API server shows."""
    other = {"name": "m", "protocol": "TCP", "port": 9, "targetPort": 9}
    main = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80}
    live = live_service(ports=[other, main])
    canary, target = a_canary(portDiscovery=True), facts_with(a_port(9, "m"))
    desired = render(canary, ServiceRole.APEX, target, live)
    assert diff.patch(live, desired) == {}


def test_changed_ports_keep_their_node_ports_by_name() -> None:
    """The ports are replaced, and what the API server allocated for a same-named port stays."""
    port = {"name": "http", "protocol": "TCP", "port": 8080, "targetPort": 80, "nodePort": 30080}
    body = changes(live_service(type="NodePort", ports=[port]))
    expected = [
        {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80, "nodePort": 30080}
    ]
    assert {"metadata": {"resourceVersion": "3"}, "spec": {"ports": expected}} == body


def test_a_node_port_alone_is_no_difference() -> None:
    """D-80, D-51: what the API server allocated does not cause writes."""
    port = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 80, "nodePort": 30080}
    assert changes(live_service(type="NodePort", ports=[port])) is None


@pytest.mark.parametrize("owned", [True, False])
def test_type_and_headlessness_of_an_existing_service_stay(*, owned: bool) -> None:
    """They are decided at creation only, whoever created it; they cannot all be changed."""
    fields = {"type": "LoadBalancer", "sessionAffinity": "ClientIP", "externalName": "x"}
    assert changes(live_service(owned=owned, **fields), a_canary(headless=True)) is None


def test_the_traffic_distribution_of_our_services_follows_the_manifest() -> None:
    """D-80: in Flagger it counts at creation only. A user's own Service keeps what it has."""
    near = a_canary(trafficDistribution="PreferClose")
    change = changes(live_service(), near)
    assert change["spec"] == {"trafficDistribution": "PreferClose"}
    assert changes(live_service(trafficDistribution="PreferClose"), near) is None
    taken = changes(live_service(trafficDistribution="PreferClose"))
    assert taken["spec"] == {"trafficDistribution": None}
    assert changes(live_service(owned=False), near) is None


def test_metadata_of_our_service_is_set_back_but_for_unmanaged_keys() -> None:
    """A managed key is set back, a listed foreign key stays, an unlisted one goes."""
    live = live_service(
        metadata={
            "labels": {"app": "changed", "team": "a", "stray": "b"},
            "annotations": {**FLUX, "cloud": "neg", "note": "x"},
        }
    )
    canary = a_canary(unmanagedMetadata={"labels": ["team", "absent"], "annotations": ["cloud"]})
    expected = {
        "resourceVersion": "3",
        "labels": {"app": "shop", "stray": None},
        "annotations": {"note": None},
    }
    assert {"metadata": expected} == changes(live, canary)


def test_an_adopted_service_changes_only_ports_selector_and_flux_opt_out() -> None:
    """A Service that is not ours keeps labels, annotations and life of its own."""
    live = live_service(
        owned=False,
        selector={"app": "shop"},
        metadata={"labels": {"team": "a"}, "annotations": {"note": "x"}},
    )
    assert changes(live) == {
        "metadata": {"resourceVersion": "3", "annotations": FLUX},
        "spec": {"selector": {"app": "shop-primary"}},
    }


def test_the_metadata_of_an_adopted_service_alone_causes_no_write() -> None:
    """D-51: the Flux opt-out is added along with a needed write, not for its own sake."""
    live = live_service(owned=False, metadata={"labels": {}, "annotations": {}})
    assert changes(live) is None


def test_a_service_of_another_canary_is_not_ours() -> None:
    """Control is by kind and name of the controller."""
    others = [{**OWNER, "name": "other"}]
    live = live_service(metadata={"ownerReferences": others, "labels": {"x": "y"}})
    assert changes(live) is None


def test_inputs_are_not_modified() -> None:
    """D-46's kind: neither the canary nor the live object is edited in memory."""
    live = live_service(selector={"app": "shop"}, owned=False)
    canary = a_canary(apex={"labels": {"a": "b"}})
    before = (repr(live), repr(canary))
    canaries.stored(render(canary, ServiceRole.APEX, live=live))
    assert before == (repr(live), repr(canary))


def test_a_target_without_a_selector_label_tells_services_nothing() -> None:
    """There is no fact to make up."""
    assert TargetFacts.of(canaries.TARGET) == FACTS
    assert TargetFacts.of(replace(canaries.TARGET, selector_label=None)) is None
