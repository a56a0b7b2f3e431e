"""Istio objects field by field, for all of `spec.service`, and what is read back from them.

Left to other files: objects found (test_istio_drift), round trips (test_round_trip).
"""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from clients.kube.protocol import Object
from config.api import fields
from config.traffic import (
    ALL_TO_PRIMARY,
    Mirror,
    TrafficSplit,
)
from routing import istio, registry
from routing.router import Live, ServiceRole, UnreadableRoute, UnroutableCanary
from tests.unit.routing.canaries import (
    FLUX,
    OWNER,
    a_canary,
    mesh_objects,
    rendered_route,
    virtual_service,
)

ISTIO = registry.ROUTERS.named("istio")


def spec_of(split: TrafficSplit = ALL_TO_PRIMARY, /, **service: Any) -> dict[str, Any]:
    """The spec of a fresh VirtualService at `split`."""
    return dict(rendered_route(a_canary(**service), split)["spec"])


def rule_of(**service: Any) -> dict[str, Any]:
    """The only HTTP rule of a fresh VirtualService, without its route."""
    (rule,) = spec_of(**service)["http"]
    return {key: value for key, value in rule.items() if key != "route"}


DOCUMENTED: dict[str, Any] = {
    "hosts": ["shop.example.com"],
    "gateways": ["istio-system/public-gateway", "mesh"],
    "match": [{"uri": {"prefix": "/"}}],
    "timeout": "30s",
    "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "5xx"},
    "portDiscovery": True,
}


@pytest.mark.parametrize("share", [0, 20, 100])
def test_the_virtual_service_is_the_documented_one(share: int) -> None:
    """The reference's example, initialised, in the middle and at the end: only weights differ."""
    expected = yaml.safe_load(f"""
        apiVersion: networking.istio.io/v1beta1
        kind: VirtualService
        metadata:
          name: shop
          namespace: prod
          annotations:
            kustomize.toolkit.fluxcd.io/reconcile: disabled
            helm.toolkit.fluxcd.io/driftDetection: disabled
          ownerReferences:
          - {{apiVersion: flagger.app/v1beta1, kind: Canary, name: shop, uid: 5e0d0f1a,
              controller: true, blockOwnerDeletion: true}}
        spec:
          hosts: [shop.example.com, shop]
          gateways: [istio-system/public-gateway, mesh]
          http:
          - match: [{{uri: {{prefix: /}}}}]
            timeout: 30s
            retries: {{attempts: 3, perTryTimeout: 1s, retryOn: "5xx"}}
            route:
            - destination: {{host: shop-primary, port: {{number: 80}}}}
              weight: {100 - share}
            - destination: {{host: shop-canary, port: {{number: 80}}}}
              weight: {share}
    """)
    assert expected == rendered_route(a_canary(**DOCUMENTED), TrafficSplit.of(share))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["shop"]),
        (["a.example.com"], ["a.example.com", "shop"]),
        (["shop", "b"], ["shop", "b"]),
        (["*"], ["*"]),
    ],
)
def test_the_apex_name_is_a_host_unless_covered(given: list[str], expected: list[str]) -> None:
    """It is appended unless the list has it or `*`."""
    assert expected == spec_of(hosts=given)["hosts"]


def test_only_an_empty_gateway_list_means_mesh() -> None:
    """Giving any gateway removes the implicit `mesh`."""
    assert spec_of()["gateways"] == ["mesh"]
    assert spec_of(gateways=["public"])["gateways"] == ["public"]


def test_a_delegate_has_neither_hosts_nor_gateways() -> None:
    """With `delegation` hosts are empty and gateways absent."""
    spec = spec_of(delegation=True)
    assert spec["hosts"] == []
    assert "gateways" not in spec


@pytest.mark.parametrize("field", ["hosts", "gateways"])
def test_a_delegate_with_hosts_or_gateways_is_refused(field: str) -> None:
    """The message is Flagger's."""
    with pytest.raises(UnroutableCanary) as refused:
        spec_of(delegation=True, **{field: ["x"]})
    expected = "VirtualService shop.prod cannot have hosts and gateways when delegation enabled"
    assert expected == str(refused.value)


@pytest.mark.parametrize(
    ("service", "with_port"),
    [
        ({}, False),
        ({"portDiscovery": True}, False),
        ({"portDiscovery": True, "gateways": ["mesh", "public"]}, False),
        ({"portDiscovery": True, "gateways": ["public", "mesh"]}, True),
        ({"portDiscovery": True, "delegation": True}, True),
        ({"gateways": ["public"]}, False),
        ({"delegation": True}, False),
    ],
)
def test_destinations_name_a_port_only_with_discovery_behind_a_gateway(
    service: dict[str, Any], with_port: bool
) -> None:
    """Port discovery and (the first gateway is not `mesh`, or delegation)."""
    port = {"port": {"number": 80}} if with_port else {}
    expected = [
        {"destination": {"host": "shop-primary", **port}, "weight": 100},
        {"destination": {"host": "shop-canary", **port}, "weight": 0},
    ]
    assert expected == spec_of(**service)["http"][0]["route"]


RULE_FIELDS: dict[str, Any] = {
    "match": [
        {
            "name": "m",
            "uri": {"prefix": "/api"},
            "scheme": {"exact": "https"},
            "method": {"regex": "GET|PUT"},
            "authority": {"exact": "shop"},
            "headers": {"x-user": {"exact": "a"}},
            "withoutHeaders": {"x-bot": {}},
            "queryParams": {"debug": {"exact": "1"}},
            "port": 80,
            "sourceLabels": {"app": "web"},
            "sourceNamespace": "front",
            "gateways": ["mesh"],
            "ignoreUriCase": True,
        },
        {"uri": {"exact": "/"}},
    ],
    "timeout": "15s",
    "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": "gateway-error"},
    "corsPolicy": {
        "allowOrigin": ["example.com"],
        "allowOrigins": [{"regex": ".*"}],
        "allowMethods": ["GET"],
        "allowHeaders": ["x-a"],
        "exposeHeaders": ["x-b"],
        "maxAge": "24h",
        "allowCredentials": False,
    },
    "headers": {
        "request": {"add": {"x-a": "1"}, "set": {"x-b": "2"}, "remove": ["x-c"]},
        "response": {"set": {"x-d": "3"}},
    },
}


@pytest.mark.parametrize("field", RULE_FIELDS)
def test_a_rule_field_is_passed_through_as_given(field: str) -> None:
    """Each field of the base rule is `spec.service`'s, to the letter."""
    assert {field: RULE_FIELDS[field]} == rule_of(**{field: RULE_FIELDS[field]})


def test_a_rewrite_is_uri_and_authority() -> None:
    """`type` belongs to the Gateway API; alone it would make an empty, invalid rewrite."""
    full = {"uri": "/", "authority": "a", "type": "ReplacePrefixMatch"}
    assert rule_of(rewrite=full) == {"rewrite": {"uri": "/", "authority": "a"}}
    assert rule_of(rewrite={"type": "ReplacePrefixMatch"}) == {}


def test_fields_of_other_providers_have_no_effect() -> None:
    """`backendTimeout`, `mirror` and `gatewayRefs` do not reach the VirtualService."""
    mirror = [{"backendRef": {"name": "x", "port": 80}}]
    refs = [{"name": "gateway"}]
    assert spec_of() == spec_of(backendTimeout="1s", mirror=mirror, gatewayRefs=refs)


def test_tcp_rules_divide_connections() -> None:
    """The reference's example: of a match only the port, no HTTP fields at all."""
    spec = spec_of(
        TrafficSplit.of(20),
        appProtocol="TCP",
        match=[{"port": 9000, "uri": {"prefix": "/"}}],
        timeout="1s",
        retries={"attempts": 1},
        headers={"request": {"set": {"a": "b"}}},
    )
    expected = yaml.safe_load("""
        tcp:
        - match: [{port: 9000}]
          route:
          - {destination: {host: shop-primary}, weight: 80}
          - {destination: {host: shop-canary}, weight: 20}
    """)
    assert {"hosts": ["shop"], "gateways": ["mesh"], **expected} == spec


def test_tcp_rules_without_match_have_none() -> None:
    """An empty match list would match nothing."""
    assert "match" not in spec_of(appProtocol="tcp")["tcp"][0]


@pytest.mark.parametrize(
    ("percent", "percentage"), [(None, {}), (10, {"mirrorPercentage": {"value": 10}})]
)
def test_a_mirror_leads_to_the_canary_without_a_port(
    percent: int | None, percentage: dict[str, Any]
) -> None:
    """`mirrorPercentage` appears only where the intent names a share."""
    canary = a_canary(gateways=["g"], portDiscovery=True)
    (rule,) = rendered_route(canary, TrafficSplit(100, 0, mirror=Mirror(percent)))["spec"]["http"]
    assert rule["mirror"] == {"host": "shop-canary"}
    assert percentage == {key: rule[key] for key in ("mirrorPercentage",) if key in rule}


def test_what_a_route_cannot_say_is_refused() -> None:
    """Left out, a mirror would be waited for in vain."""
    with pytest.raises(UnroutableCanary) as refused:
        rendered_route(a_canary(appProtocol="tcp"), TrafficSplit(100, 0, mirror=Mirror()))
    assert str(refused.value) == "VirtualService shop.prod cannot carry mirror, but: weights"


def test_a_canary_that_mirrors_is_not_mirrored_until_asked() -> None:
    """The mirror comes from the split, not from the manifest."""
    canary = a_canary(analysis={"mirror": True, "mirrorWeight": 10})
    (rule,) = rendered_route(canary, ALL_TO_PRIMARY)["spec"]["http"]
    assert {"route"} == set(rule)


POLICY: dict[str, Any] = {
    "loadBalancer": {
        "consistentHash": {
            "httpCookie": {"name": "c", "path": "/", "ttl": "1h"},
            "minimumRingSize": 64,
        },
        "localityLbSetting": {
            "enabled": True,
            "distribute": [{"from": "a/*", "to": {"a/*": 80, "b/*": 20}}],
            "failover": [{"from": "a", "to": "b"}],
            "failoverPriority": ["topology.istio.io/network"],
        },
        "warmupDurationSecs": "30s",
    },
    "connectionPool": {
        "tcp": {"maxConnections": 100, "connectTimeout": "30ms"},
        "http": {
            "h2UpgradePolicy": "UPGRADE",
            "http1MaxPendingRequests": 1,
            "http2MaxRequests": 2,
            "maxRequestsPerConnection": 3,
            "maxRetries": 4,
            "idleTimeout": "5s",
        },
    },
    "outlierDetection": {
        "consecutiveErrors": 1,
        "consecutiveGatewayErrors": 2,
        "consecutive5xxErrors": 3,
        "splitExternalLocalOriginErrors": True,
        "consecutiveLocalOriginFailures": 4,
        "interval": "10s",
        "baseEjectionTime": "30s",
        "maxEjectionPercent": 50,
        "minHealthPercent": 0,
    },
    "tls": {
        "mode": "MUTUAL",
        "clientCertificate": "/c.pem",
        "privateKey": "/k.pem",
        "caCertificates": "/ca.pem",
        "subjectAltNames": ["x"],
        "sni": "shop",
    },
}
POLICIES: list[dict[str, Any]] = [
    {**POLICY, "portLevelSettings": [{"port": {"number": 80}, **POLICY}]},
    {"loadBalancer": {"simple": "LEAST_REQUEST"}},
    {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}},
    {"loadBalancer": {"consistentHash": {"useSourceIp": True}}},
    {"loadBalancer": {"consistentHash": {"httpQueryParameterName": "user"}}},
]


@pytest.mark.parametrize(
    ("role", "name"),
    [(istio.CANARY_RULE, "shop-canary"), (istio.PRIMARY_RULE, "shop-primary")],
)
@pytest.mark.parametrize("policy", [None, POLICY, {"loadBalancer": {"simple": "LEAST_REQUEST"}}])
def test_a_destination_rule_is_host_and_policy(
    role: str, name: str, policy: dict[str, Any] | None
) -> None:
    """The whole object: owned, without labels and annotations, the policy as given or absent."""
    canary = a_canary(**({} if policy is None else {"trafficPolicy": policy}))
    expected = {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "DestinationRule",
        "metadata": {"name": name, "namespace": "prod", "ownerReferences": [OWNER]},
        "spec": {"host": name, **({} if policy is None else {"trafficPolicy": policy})},
    }
    assert expected == mesh_objects(canary, ALL_TO_PRIMARY, {})[role]


def paths(value: Any, path: str) -> Iterator[str]:
    """The path of each field in a policy, as docs/compatibility/fields.md has it."""
    if isinstance(value, list):
        yield from (each for item in value for each in paths(item, f"{path}[]"))
    elif isinstance(value, dict) and not path.endswith("distribute[].to"):
        for name, child in value.items():
            yield f"{path}.{name}"
            yield from paths(child, f"{path}.{name}")


def test_a_policy_is_written_whole() -> None:
    """CRD reference 5.6: every field that there is, also those that Flagger's schema drops."""
    for policy in POLICIES:
        rule = mesh_objects(a_canary(trafficPolicy=policy), ALL_TO_PRIMARY, {})
        assert rule[istio.CANARY_RULE]["spec"]["trafficPolicy"] == policy
    place = "spec.service.trafficPolicy"
    written = {each for policy in POLICIES for each in paths(policy, place)}
    there_are = {each.path for each in fields.fields() if each.path.startswith(f"{place}.")}
    assert there_are <= written


def test_the_carrier_is_created_after_what_it_leads_to() -> None:
    """DestinationRules first, canary then primary, then the VirtualService."""
    objects = ISTIO.resources(a_canary(name="front"))
    assert [(role, resource.kind, name) for role, resource, name in objects] == [
        ("canary-rule", "DestinationRule", "front-canary"),
        ("primary-rule", "DestinationRule", "front-primary"),
        ("virtual-service", "VirtualService", "front"),
    ]


def test_without_apex_metadata_the_route_has_no_labels() -> None:
    """Only the Flux opt-out is on it."""
    metadata = rendered_route(a_canary(), ALL_TO_PRIMARY)["metadata"]
    assert "labels" not in metadata
    assert metadata["annotations"] == FLUX


def test_apex_metadata_goes_to_the_route_with_the_selector_label() -> None:
    """With `service.apex` the route carries what the apex Service carries, unmanaged keys too."""
    canary = a_canary(
        apex={"labels": {"team": "a"}, "annotations": {"note": "x"}},
        unmanagedMetadata={"annotations": ["cloud"]},
    )
    apex = {"metadata": {"annotations": {"cloud": "neg", "other": "y"}}}
    live: Live = {ServiceRole.APEX: apex}
    route = mesh_objects(canary, ALL_TO_PRIMARY, live)[istio.VIRTUAL_SERVICE]
    assert route["metadata"]["labels"] == {"team": "a", "app": "shop"}
    assert route["metadata"]["annotations"] == {"note": "x", "cloud": "neg", **FLUX}


def parsed(route: Object | None, **service: Any) -> TrafficSplit | None:
    """What is read from a live VirtualService."""
    return registry.ROUTERS.in_force(a_canary(**service), {istio.VIRTUAL_SERVICE: route})


def to(host: str, weight: int | None = None) -> dict[str, Any]:
    """A destination as in a live route."""
    return {"destination": {"host": host}, **({} if weight is None else {"weight": weight})}


def test_no_route_is_no_split() -> None:
    """Absence is a fact, not an error."""
    assert parsed(None) is None


def test_the_last_rule_that_leads_to_the_canary_is_read() -> None:
    """Rules of users and sticky rules stand before the weighted one."""
    rules = [
        {"route": [to("shop-primary", 10), to("shop-canary", 90)]},
        {"route": [to("shop-primary", 70), to("shop-canary", 30)], "mirror": {"host": "x"}},
        {"route": [to("shop-primary", 100)]},
    ]
    assert TrafficSplit(70, 30, mirror=Mirror()) == parsed(virtual_service({"http": rules}))


def test_a_tcp_route_is_never_mirrored() -> None:
    """TCP rules have no mirror; a stray field does not count."""
    rules = [{"route": [to("shop-primary", 70), to("shop-canary", 30)], "mirror": {"host": "x"}}]
    live = virtual_service({"tcp": rules})
    assert TrafficSplit(70, 30) == parsed(live, appProtocol="tcp")


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [{"route": [to("shop")]}],
        [{"route": [to("shop-primary", 100)]}],
        [{"route": [to("shop-primary", 0), to("shop-canary", 0)]}],
        [{"route": [to("shop-primary"), to("shop-canary")]}],
        [{"delegate": {"name": "x"}}],
    ],
)
def test_a_route_without_our_weights_is_unreadable(rules: list[Any]) -> None:
    """The message is Flagger's."""
    with pytest.raises(UnreadableRoute) as unreadable:
        parsed(virtual_service({"hosts": ["shop"], "http": rules}))
    expected = "VirtualService shop.prod does not contain routes for shop-primary and shop-canary"
    assert expected == str(unreadable.value)


@pytest.mark.parametrize(("primary", "canary"), [(50, 60), (-10, 110), (0, 30), ("80", 20)])
def test_weights_that_are_no_split_are_unreadable(primary: Any, canary: Any) -> None:
    """Whatever was written by hand, no split is made up; the message names object and weights."""
    rules = [{"route": [to("shop-primary", primary), to("shop-canary", canary)]}]
    with pytest.raises(UnreadableRoute, match=r"VirtualService shop\.prod cannot be read: "):
        parsed(virtual_service({"http": rules}))
