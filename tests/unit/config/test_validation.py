"""The way in: which manifests are refused, and how the refusal reads.

Aspects: each rule by a table of one broken field (broken_manifests.py); all problems at once; field
names as the user wrote them; no secrets in messages. Left out: what the schema refuses at admission
(tests/contract/test_crds.py) and arbitrary JSON (test_any_json.py).
"""

from typing import Any, Final

import pytest

from config.api.alert_provider import AlertProviderSpec
from config.api.metric_template import MetricTemplateSpec
from config.api.model import Model
from config.validation import manifests
from config.validation.problems import InvalidSpec
from tests.unit.config.broken_manifests import (
    KNATIVE,
    REFUSED,
    with_analysis,
    with_hook,
    with_metric,
    with_service,
    with_target,
)
from tests.unit.config.manifests import Raw, a_manifest, an_analysis, canaries, collection


def _problems(raw: Any, **options: bool) -> dict[str, str]:
    """Field to text of each problem of the manifest; empty when it loads."""
    try:
        manifests.load_canary(raw, **options)
    except InvalidSpec as refusal:
        return {problem.field: str(problem) for problem in refusal.problems}
    return {}


@pytest.mark.parametrize(("raw", "field", "allowed"), REFUSED.values(), ids=REFUSED.keys())
def test_a_broken_field_is_named_with_what_is_allowed(raw: Raw, field: str, allowed: str) -> None:
    """One problem, for that field alone, that says what to write instead."""
    found = _problems(raw)

    assert list(found) == [field]
    assert allowed in found[field]


@pytest.mark.parametrize("raw", canaries(), ids=lambda raw: raw["metadata"]["name"])
def test_the_manifests_of_the_collection_are_valid(raw: Raw) -> None:
    """What users have runs."""
    assert _problems(raw) == {}


@pytest.mark.parametrize(
    "raw",
    [
        with_analysis(interval=""),
        with_analysis(threshold=0),
        with_analysis(stepWeight=None, stepWeights=[1, 2, 10, 200]),
        with_analysis(stepWeight=None, stepWeights=[10, 20], maxWeight=500),
        with_analysis(stepWeight=100, maxWeight=None),
        with_service(targetPort=0),
        with_service(match=[{"uri": {}}]),
        with_target(name="a" * 55),
        a_manifest(analysis=None, skipAnalysis=True),
        a_manifest(provider="", metricsServer=""),
        a_manifest(provider="knative", targetRef=KNATIVE, service=None),
        a_manifest(targetRef={"apiVersion": "v1", "kind": "Service", "name": "c"}, service=None),
        a_manifest(
            targetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "a" * 60},
            service={"port": 80, "name": "cart"},
        ),
        {**a_manifest(), "status": {}},
    ],
)
def test_odd_but_meaningful_manifests_are_valid(raw: Raw) -> None:
    """Nothing that works today is refused."""
    assert _problems(raw) == {}


@pytest.mark.parametrize(
    "raw",
    [
        with_analysis(match=[{"headers": {"\x9f": {}}}]),
        with_analysis(match=[{"headers": {"\x7f": {"exact": 1}}}]),
        with_analysis(interval="\x7f"),
        a_manifest(provider="\x9f", targetRef=KNATIVE),
        a_manifest(targetRef={"apiVersion": "v1\n", "kind": "Deployment", "name": "x" * 70}),
    ],
)
def test_a_refusal_can_be_printed_whatever_is_refused(raw: Raw) -> None:
    """Names and values from the manifest stand in events, conditions and terminals."""
    with pytest.raises(InvalidSpec) as refusal:
        manifests.load_canary(raw)

    assert str(refusal.value).isprintable()
    assert all(problem.field.isprintable() for problem in refusal.value.problems)


def test_all_problems_are_reported_at_once() -> None:
    """Types, rules and identity in one answer, sorted, so that one edit heals it."""
    raw = a_manifest(
        provider="istioo",
        targetRef={"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "cart"},
        service={"port": 0},
        analysis={
            "interval": "5min",
            "threshold": "4",
            "stepWeights": [20, 10],
            "webhooks": [{"name": "load", "url": "probe"}],
        },
    )

    found = list(_problems({**raw, "kind": "Rollout"}))
    assert found == [
        "kind",
        "spec.analysis.interval",
        "spec.analysis.stepWeights[1]",
        "spec.analysis.threshold",
        "spec.analysis.webhooks[0].url",
        "spec.provider",
        "spec.service.port",
        "spec.targetRef.kind",
    ]


def test_a_problem_does_not_drag_others_along() -> None:
    """A step that is no number is not also a missing strategy."""
    assert list(_problems(with_analysis(stepWeight="ten"))) == ["spec.analysis.stepWeight"]


def test_problems_below_the_alias_are_named_as_written() -> None:
    """Who wrote `canaryAnalysis` is told about `canaryAnalysis`."""
    raw = a_manifest(canaryAnalysis=an_analysis(interval="5min", stepWeight="ten"))
    del raw["spec"]["analysis"]

    assert list(_problems(raw)) == [
        "spec.canaryAnalysis.interval",
        "spec.canaryAnalysis.stepWeight",
    ]


def test_the_text_of_a_refusal_names_field_value_and_allowed() -> None:
    """The whole sentence, as it appears in condition and event."""
    with pytest.raises(InvalidSpec) as refusal:
        manifests.load_canary(with_analysis(stepWeight=0, interval="5min"))

    assert str(refusal.value) == (
        'spec.analysis.interval: "5min": is not a duration (allowed: a Go duration such as 30s, '
        "1m30s, 500ms or 1.5h); spec.analysis.stepWeight: 0: is out of range (allowed: a whole "
        "number from 1 to 100)"
    )


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example/services/T000/B000/s3cr3t",
        "hooks.example/services/s3cr3t",
        "http://user:s3cr3t@hooks.example:99999/",
        "http://[s3cr3t",
    ],
)
def test_a_refused_url_does_not_show_its_secrets(url: str) -> None:
    """Paths, users and queries of webhook URLs are credentials."""
    assert "s3cr3t" not in str(_problems(with_hook(url=url)))


def test_long_values_are_shortened() -> None:
    """An event holds a kilobyte; a value must not fill it."""
    text = _problems(a_manifest(provider="x" * 5000))["spec.provider"]

    assert "…" in text
    assert len(text) < 500


CROSS: Final = {
    "spec.upstreamRef.namespace": a_manifest(
        upstreamRef={"apiVersion": "v1", "kind": "Upstream", "name": "u", "namespace": "other"}
    ),
    "spec.analysis.metrics[0].templateRef.namespace": with_metric(
        templateRef={"name": "t", "namespace": "other"}
    ),
    "spec.analysis.alerts[0].providerRef.namespace": with_analysis(
        alerts=[{"name": "a", "providerRef": {"name": "p", "namespace": "other"}}]
    ),
}


@pytest.mark.parametrize(("field", "raw"), CROSS.items(), ids=CROSS.keys())
def test_other_namespaces_are_refused_only_where_blocked(field: str, raw: Raw) -> None:
    """The operator decides whether references may leave the namespace."""
    assert _problems(raw) == {}
    blocked = _problems(raw, block_cross_namespace_refs=True)
    assert list(blocked) == [field]
    assert "other, cross-namespace references are blocked" in blocked[field]


def test_an_empty_namespace_is_the_canarys_own() -> None:
    """Naming no namespace, or the own one, crosses nothing."""
    for namespace in ("", "shop"):
        raw = with_metric(templateRef={"name": "t", "namespace": namespace})
        assert _problems(raw, block_cross_namespace_refs=True) == {}


def test_templates_and_providers_of_the_collection_fit_their_schemas() -> None:
    """The other two kinds of the examples; nothing reads them yet."""
    models: dict[str, type[Model]] = {
        "MetricTemplate": MetricTemplateSpec,
        "AlertProvider": AlertProviderSpec,
    }
    others = [raw for _, raw in collection() if raw["kind"] in models]

    assert {raw["metadata"]["name"] for raw in others} == {"checkout-errors", "team-chat"}
    for raw in others:
        assert models[raw["kind"]].model_validate(raw["spec"]).wire() == raw["spec"]
