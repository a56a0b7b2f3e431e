"""Warnings about valid manifests; each row is something users have been seen to write."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from config.validation import hints, manifests
from tests.unit.config.manifests import Raw, a_canary, a_manifest, an_analysis, collection

BOUNDS = {"thresholdRange": {"min": 99}}


def _metric(**fields: Any) -> Raw:
    return a_manifest(analysis=an_analysis(metrics=[{"name": "errors", **BOUNDS, **fields}]))


def _analysis(**fields: Any) -> Raw:
    return a_manifest(analysis=an_analysis(**fields))


#: What is suspicious -> (manifest, field named, part of what is probably meant).
SUSPICIOUS: Final[Mapping[str, tuple[Raw, str, str]]] = {
    "the deprecated key": (
        a_manifest(canaryAnalysis=an_analysis()),
        "spec.canaryAnalysis",
        "spec.analysis",
    ),
    "Istio by its SMI name": (a_manifest(provider="smi:istio"), "spec.provider", "istio"),
    "the primary as target": (
        a_manifest(targetRef={"apiVersion": "v1", "kind": "Deployment", "name": "podinfo-primary"}),
        "spec.targetRef.name",
        "probably podinfo)",
    ),
    "a name for a Service target": (
        a_manifest(
            targetRef={"apiVersion": "v1", "kind": "Service", "name": "cart"},
            service={"port": 80, "name": "basket"},
        ),
        "spec.service.name",
        "no value",
    ),
    "a target too long for a label": (
        a_manifest(
            targetRef={"apiVersion": "v1", "kind": "Deployment", "name": "a" * 56},
            service={"port": 80, "name": "cart"},
        ),
        "spec.targetRef.name",
        "at most 55 characters",
    ),
    "a timeout that is none": (
        a_manifest(service={"port": 80, "timeout": "half a minute"}),
        "spec.service.timeout",
        "1m30s",
    ),
    "callers chosen at a gateway": (
        a_manifest(
            service={"port": 80, "gateways": ["public"]},
            analysis=an_analysis(match=[{"sourceLabels": {"app": "front"}}]),
        ),
        "spec.analysis.match[0].sourceLabels",
        "mesh among spec.service.gateways",
    ),
    "an interval below the floor": (_analysis(interval="5s"), "spec.analysis.interval", "10s"),
    "a threshold of 0": (_analysis(threshold=0), "spec.analysis.threshold", "1 or more"),
    "a maximum beside a list": (
        _analysis(stepWeight=None, stepWeights=[5, 50]),
        "spec.analysis.maxWeight",
        "no value beside stepWeights",
    ),
    "a step above 100": (
        _analysis(stepWeight=None, maxWeight=None, stepWeights=[5, 200]),
        "spec.analysis.stepWeights[1]",
        "at most 100",
    ),
    "a scalar threshold": (
        _metric(threshold=99, query="up"),
        "spec.analysis.metrics[0].threshold",
        "thresholdRange",
    ),
    "a check without bounds": (
        _metric(thresholdRange=None, query="up"),
        "spec.analysis.metrics[0]",
        "thresholdRange",
    ),
    "a builtin name for an own query": (
        _metric(name="request-duration", query="up"),
        "spec.analysis.metrics[0].name",
        "another name",
    ),
    "a workload that does not exist": (
        _metric(query='sum(rate(istio_requests_total{destination_workload="cart-canary"}[1m]))'),
        "spec.analysis.metrics[0].query",
        "(allowed: cart)",
    ),
}


@pytest.mark.parametrize(("raw", "field", "meant"), SUSPICIOUS.values(), ids=SUSPICIOUS.keys())
def test_a_suspicious_field_is_named_with_what_is_meant(raw: Raw, field: str, meant: str) -> None:
    """The canary runs; one warning says what to look at."""
    warnings = hints.warnings(manifests.load_canary(raw))

    assert [warning.field for warning in warnings] == [field]
    assert meant in str(warnings[0])


@pytest.mark.parametrize(
    ("own", "default", "told"),
    [
        (None, "smi:istio", "the controller's default, is read as an alias (allowed: istio)"),
        ("smi:istio", "istio", "is read as an alias (allowed: istio)"),
        ("istio", "smi:istio", None),
        (None, "kubernetes", None),
    ],
)
def test_an_alias_of_a_provider_is_named_whoever_wrote_it(
    own: str | None, default: str, told: str | None
) -> None:
    """The author of the canary, or the operator for all that name none."""
    canary = manifests.load_canary(a_manifest(**({"provider": own} if own else {})))
    warnings = hints.warnings(canary, default_provider=default)

    expected = [f'spec.provider: "smi:istio": {told}'] if told else []
    assert [str(warning) for warning in warnings] == expected


def test_an_ordinary_canary_has_no_warnings() -> None:
    """Warnings mean something only when there are few."""
    odd = {"canary-without-analysis", "older-analysis-key"}
    odd |= {"header-users-beside-weights"}  # an ignored maximum
    warned = {
        name
        for name, raw in collection()
        if raw["kind"] == "Canary" and hints.warnings(manifests.load_canary(raw))
    }

    assert hints.warnings(a_canary()) == ()
    assert {name.removesuffix("-0") for name in warned} <= odd
