"""What this version models but does not carry out: what blocks a canary, and what is only said."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
import yaml

from config import meshes
from config.api.canary import Canary
from config.validation import manifests, support
from tasks.registries import BUILT_IN
from tests.unit.config.manifests import FOLDER, Raw, a_canary, an_analysis, canaries

MATCH = [{"headers": {"x": {"exact": "1"}}}]
USERS = [{"header": {"name": "x", "value": {"exact": "1"}}}]
REF = {"apiVersion": "v1", "name": "cart"}


def _with(**fields: Any) -> Raw:
    return {"analysis": an_analysis(**fields)}


ITERATIONS: Final[Raw] = {"analysis": {"interval": "1m", "threshold": 5, "iterations": 3}}


def _hook(kind: str) -> Raw:
    return _with(webhooks=[{"name": "h", "type": kind, "url": "http://x/"}])


def _iterating(**fields: Any) -> Raw:
    return _with(stepWeight=None, maxWeight=None, iterations=3, **fields)


BLOCKING: Final[Mapping[str, tuple[Raw, str]]] = {
    "another provider": ({"provider": "gatewayapi:v1"}, "spec.provider"),
    "a Service without a mesh": (
        {"provider": "kubernetes", "targetRef": {**REF, "kind": "Service"}, **ITERATIONS},
        "spec.provider",
    ),
    "an ingress": ({"ingressRef": {**REF, "kind": "Ingress"}}, "spec.ingressRef"),
    "a route": ({"routeRef": {**REF, "kind": "ApisixRoute"}}, "spec.routeRef"),
    "an upstream": ({"upstreamRef": {**REF, "kind": "Upstream"}}, "spec.upstreamRef"),
    "users beside iterations": (
        _iterating(a_b_test=USERS),
        "spec.analysis.a_b_test",
    ),
    "a choice by something else": (
        _with(match=[{"headers": {"x": {"exact": "1"}}, "uri": {"prefix": "/a"}}]),
        "spec.analysis.match[0].uri",
    ),
    "a suffix in a choice": (
        _with(match=[{"headers": {"x": {"suffix": "1"}}}]),
        "spec.analysis.match[0]",
    ),
    "a suffix of users beside weights": (
        _with(a_b_test=[{"header": {"name": "x", "value": {"suffix": "1"}}}]),
        "spec.analysis.a_b_test[0]",
    ),
    "subsets without a mesh": (
        {**_iterating(), "service": {"port": 80, "subsets": True}, "provider": "kubernetes"},
        "spec.service.subsets",
    ),
    "subsets of a Service": (
        {"service": {"port": 80, "subsets": True}, "targetRef": {**REF, "kind": "Service"}},
        "spec.service.subsets",
    ),
    "a suffix with Istio": (
        {"service": {"port": 80, "match": [{"uri": {"suffix": ".html"}}]}},
        "spec.service.match[0]",
    ),
}

REPORTED: Final[Mapping[str, tuple[Raw, str]]] = {
    "copies beside chosen requests": (
        _iterating(mirror=True, match=MATCH),
        "spec.analysis.mirror",
    ),
    "cookies where everybody moves at once": (
        _iterating(sessionAffinity={"cookieName": "c"}),
        "spec.analysis.sessionAffinity",
    ),
    "a timeout per backend": (
        {"service": {"port": 80, "backendTimeout": "3s"}},
        "spec.service.backendTimeout",
    ),
    "gateways of another API": (
        {"service": {"port": 80, "gatewayRefs": [{"name": "edge"}]}},
        "spec.service.gatewayRefs",
    ),
    "static mirrors": (
        {"service": {"port": 80, "mirror": [{"backendRef": {"name": "s", "port": 80}}]}},
        "spec.service.mirror",
    ),
    "a mesh name": ({"service": {"port": 80, "meshName": "m"}}, "spec.service.meshName"),
    "mesh backends": ({"service": {"port": 80, "backends": ["b"]}}, "spec.service.backends"),
}


@pytest.mark.parametrize(("spec", "field"), BLOCKING.values(), ids=BLOCKING.keys())
def test_what_would_change_traffic_or_gates_blocks(spec: Raw, field: str) -> None:
    """A canary is not run as something it does not say."""
    found = support.not_carried_out(a_canary(**spec), "istio", BUILT_IN.carried_out)

    assert [(each.field, each.blocking) for each in found] == [(field, True)]
    assert re.search(r"is not carried out (by this version|with [^;]+); ", found[0].message)


REFUSALS: Final[Mapping[str, Raw]] = {
    "mirror: true: is not carried out with provider kubernetes; "
    "carried out: no mirroring or provider istio": {
        **_iterating(mirror=True),
        "provider": "kubernetes",
    },
    "mirror: true: is not carried out with spec.service.appProtocol tcp; "
    "carried out: no mirroring": {
        **_with(mirror=True),
        "service": {"port": 80, "appProtocol": "tcp"},
    },
    "a_b_test: a list: is not carried out with iterations without match; "
    "carried out: weights for everybody": _iterating(a_b_test=USERS),
    'match[0].method: "exact GET": is not carried out by this version; '
    "carried out: headers, queryParams, sourceLabels": _iterating(
        match=[{**MATCH[0], "method": {"exact": "GET"}}]
    ),
}


@pytest.mark.parametrize(("message", "spec"), REFUSALS.items())
def test_a_refusal_names_field_value_what_forbids_it_and_what_is_allowed(
    message: str, spec: Raw
) -> None:
    """Its author reads nothing else."""
    found = support.not_carried_out(a_canary(**spec), "istio", BUILT_IN.carried_out)
    assert [each.message for each in found if each.blocking] == [f"spec.analysis.{message}"]


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        *((each, {"prefix": "/a"}) for each in ("uri", "scheme", "method", "authority")),
        ("withoutHeaders", {"x-bot": {}}),
        ("port", 80),
        ("gateways", ["mesh"]),
        ("ignoreUriCase", True),
        ("sourceNamespace", "front"),
    ],
)
def test_whatever_else_a_choice_says_blocks(condition: str, value: Any) -> None:
    """CRD reference 6.4: Flagger's schema drops these, and more requests are chosen than meant."""
    spec = _with(match=[{**MATCH[0], condition: value}])
    found = support.not_carried_out(a_canary(**spec), "istio", BUILT_IN.carried_out)

    field = f"spec.analysis.match[0].{condition}"
    assert [(each.field, each.blocking) for each in found] == [(field, True)]


@pytest.mark.parametrize(("spec", "field"), REPORTED.values(), ids=REPORTED.keys())
def test_what_changes_no_rollout_is_reported(spec: Raw, field: str) -> None:
    """The rollout goes on, and the user knows what is left out."""
    found = support.not_carried_out(a_canary(**spec), "istio", BUILT_IN.carried_out)

    assert [(each.field, each.blocking) for each in found] == [(field, False)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("corsPolicy", {"allowOrigins": [{"exact": "x"}]}),
        ("delegation", True),
        ("gateways", ["edge"]),
        ("headers", {"request": {"add": {"x": "y"}}}),
        ("hosts", ["shop.example.com"]),
        ("match", [{"uri": {"prefix": "/"}}]),
        ("retries", {"attempts": 3}),
        ("rewrite", {"uri": "/"}),
        ("timeout", "15s"),
        ("trafficPolicy", {"tls": {"mode": "ISTIO_MUTUAL"}}),
    ],
)
def test_what_only_a_route_can_say_is_reported_where_there_is_none(field: str, value: Any) -> None:
    """Each router says itself what it heeds; without a mesh there are Services alone."""
    canary = a_canary(**_iterating(), service={"port": 80, field: value}, provider="kubernetes")
    found = support.not_carried_out(canary, "istio", BUILT_IN.carried_out)

    assert [(each.field, each.blocking) for each in found] == [(f"spec.service.{field}", False)]
    assert found[0].message.endswith("has no effect with provider kubernetes")
    assert (
        support.not_carried_out(
            canary.model_copy(
                update={"spec": canary.spec.model_copy(update={"provider": "istio"})}
            ),
            "istio",
            BUILT_IN.carried_out,
        )
        == ()
    )


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"provider": "smi:istio"},
        {"targetRef": {**REF, "kind": "DaemonSet"}},
        {"targetRef": {**REF, "kind": "Service"}},
        {"autoscalerRef": {**REF, "kind": "HorizontalPodAutoscaler"}},
        {"autoscalerRef": {**REF, "kind": "ScaledObject"}},
        {"suspend": True, "progressDeadlineSeconds": 60, "metricsServer": "http://prom:9090"},
        _with(stepWeight=None, maxWeight=None, stepWeights=[1, 50]),
        _with(stepWeightPromotion=20, thresholdMode="consecutive", canaryReadyThreshold=50),
        _with(metrics=[{"name": "request-duration"}, {"name": "own", "query": "up"}]),
        _with(metrics=[{"name": "request-duration", "onNoData": "hold", "onError": "pass"}]),
        *map(_hook, ["confirm-rollout", "confirm-traffic-increase", "confirm-promotion"]),
        *map(_hook, ["pre-rollout", "rollout", "", "rollback", "post-rollout", "event"]),
        {**_iterating(a_b_test=USERS), "skipAnalysis": True, "revertOnDeletion": True},
        _iterating(),
        _iterating(mirror=True, mirrorWeight=40),
        _iterating(match=MATCH),
        _with(match=MATCH, mirror=True),
        _with(a_b_test=USERS, sessionAffinity={"cookieName": "c", "primaryCookieName": "p"}),
    ],
)
def test_what_is_carried_out_is_not_reported(spec: Raw) -> None:
    """The job of this version: weights on Istio, checked by Prometheus and webhooks."""
    assert support.not_carried_out(a_canary(**spec), "istio", BUILT_IN.carried_out) == ()


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (_iterating(match=MATCH), "match"),
        (_with(match=MATCH), "match"),
        (_with(mirror=True), "mirror"),
        (_with(a_b_test=USERS), "a_b_test"),
        (_with(sessionAffinity={"cookieName": "c"}), "sessionAffinity"),
    ],
)
def test_what_connections_cannot_say_blocks(spec: Raw, field: str) -> None:
    """D-18, D-88: nothing is known of a request where connections are divided."""
    canary = a_canary(**spec, service={"port": 80, "appProtocol": "TCP"})
    found = support.not_carried_out(canary, "istio", BUILT_IN.carried_out)

    assert [(each.field, each.blocking) for each in found] == [(f"spec.analysis.{field}", True)]


@pytest.mark.parametrize(
    ("spec", "field"), [(_with(mirror=True), "mirror"), (_with(a_b_test=USERS), "a_b_test")]
)
def test_what_services_cannot_say_blocks(spec: Raw, field: str) -> None:
    """Without a mesh nothing copies requests, nor tells one from another."""
    canary = a_canary(**spec, provider="kubernetes")
    found = support.not_carried_out(canary, "istio", BUILT_IN.carried_out)

    blocking = [each.field for each in found if each.blocking]
    assert blocking == [f"spec.analysis.{field}"]


def test_hooks_that_no_rule_asks_block_even_where_the_analysis_is_skipped() -> None:
    """A confirm-rollout gate holds back a rollout without analysis too."""
    canary = a_canary(**_hook("confirm-rollout"), skipAnalysis=True)
    unable = replace(BUILT_IN.carried_out, hooks=frozenset())

    found = support.not_carried_out(canary, "istio", unable)
    assert [(each.field, each.blocking) for each in found] == [
        ("spec.analysis.webhooks[0].type", True)
    ]


def test_the_controllers_default_provider_counts() -> None:
    """A canary that names no provider is judged by the default; an unknown one is an error."""
    found = support.not_carried_out(a_canary(), "nginx", BUILT_IN.carried_out)

    assert [each.field for each in found] == ["spec.provider"]
    assert '"nginx"' in found[0].message
    with pytest.raises(meshes.UnknownMesh):
        support.not_carried_out(a_canary(), "istioo", BUILT_IN.carried_out)


@pytest.mark.parametrize("raw", canaries(), ids=lambda raw: raw["metadata"]["name"])
def test_every_manifest_of_the_collection_is_judged(raw: Raw) -> None:
    """Sorted by field, one entry per field."""
    found = support.not_carried_out(Canary.model_validate(raw), "istio", BUILT_IN.carried_out)

    assert list(found) == sorted(found)
    assert len({each.field for each in found}) == len(found)


@pytest.mark.parametrize(
    "name",
    [
        "blue-green-with-mirrored-traffic",
        "header-users-beside-weights",
        "weight-steps-preceded-by-one-mirror-step-istio",
    ],
)
def test_the_strategies_of_the_collection_are_carried_out_as_they_stand(name: str) -> None:
    """Manifests as users have them: nothing is left out, nothing refused."""
    raw = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    canary = manifests.load_canary(raw)

    assert support.not_carried_out(canary, "istio", BUILT_IN.carried_out) == ()
