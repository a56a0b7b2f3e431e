"""Defaults, floors and caps of the reference, "Derived values"."""

from datetime import timedelta
from typing import Any

import pytest

from config import derived, durations, meshes
from config.api.analysis import ThresholdMode
from config.api.canary import Canary
from config.api.hooks import Webhook, WebhookType
from config.api.metrics import MetricCheck, MissingValuePolicy
from config.refs import ObjectRef
from tests.unit.config.manifests import a_canary, a_manifest, an_analysis


def _with(**analysis: Any) -> Canary:
    return a_canary(analysis=an_analysis(**analysis))


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 60), ("1s", 10), ("10s", 10), ("1m30s", 90), ("1h", 3600)]
)
def test_the_interval_has_a_default_and_a_floor(text: str, seconds: int) -> None:
    """Empty is a minute, less than ten seconds is ten."""
    assert derived.interval(_with(interval=text)) == timedelta(seconds=seconds)


def test_an_unreadable_interval_is_an_error_not_a_minute() -> None:
    """D-93: `5minutes` never silently becomes 60 s."""
    raw = a_manifest(analysis=an_analysis(interval="5minutes"))

    with pytest.raises(durations.DurationError):
        derived.interval(Canary.model_validate(raw))


def test_simulations_may_lower_the_floor() -> None:
    """The floor protects clusters; an argument changes it."""
    assert derived.interval(_with(interval="1s"), floor=timedelta(0)) == timedelta(seconds=1)


@pytest.mark.parametrize(("given", "counts_as"), [(-3, 1), (0, 1), (1, 1), (7, 7)])
def test_the_threshold_is_at_least_one(given: int, counts_as: int) -> None:
    """A threshold of 0 does not roll back a rollout that never failed."""
    assert derived.threshold(_with(threshold=given)) == counts_as


@pytest.mark.parametrize(
    ("fields", "weight"),
    [
        ({}, 60),
        ({"maxWeight": None}, 100),
        ({"maxWeight": 0}, 100),
        ({"stepWeight": None, "stepWeights": [2, 5, 20, 50], "maxWeight": None}, 50),
        ({"stepWeight": None, "stepWeights": [2, 5, 20, 50], "maxWeight": 10}, 50),
        ({"stepWeight": None, "stepWeights": [1, 2, 10, 200]}, 100),
    ],
)
def test_the_maximum_is_the_last_step_or_max_weight(fields: dict[str, Any], weight: int) -> None:
    """With a list `maxWeight` is ignored; without either the maximum is 100."""
    assert derived.max_weight(_with(**fields)) == weight


@pytest.mark.parametrize(
    ("weights", "steps"), [([1, 2, 10, 200], (1, 2, 10, 100)), ([50, 100, 200], (50, 100))]
)
def test_a_list_ends_at_100_once(weights: list[int], steps: tuple[int, ...]) -> None:
    """Entries above 100 count as 100, and no step is taken twice."""
    assert derived.step_weights(_with(stepWeight=None, stepWeights=weights)) == steps


@pytest.mark.parametrize(
    ("fields", "strategy"),
    [
        ({}, "canary"),
        ({"match": [{"headers": {"x": {"exact": "1"}}}]}, "canary"),
        ({"stepWeight": None, "iterations": 3}, "blue-green"),
        (
            {"stepWeight": None, "iterations": 3, "match": [{"headers": {"x": {"exact": "1"}}}]},
            "ab-testing",
        ),
    ],
)
def test_the_strategy_follows_iterations_and_match(fields: dict[str, Any], strategy: str) -> None:
    """Iterations leave weights; match makes an A/B test of them."""
    assert derived.strategy_kind(_with(**fields)).value == strategy


def test_readiness_defaults_to_everything_and_honours_zero() -> None:
    """100 percent unless given; 0 is a value."""
    assert a_canary().spec.analysis.primary_ready_threshold == 100
    assert a_canary().spec.analysis.canary_ready_threshold == 100
    assert _with(primaryReadyThreshold=0).spec.analysis.primary_ready_threshold == 0
    assert _with(canaryReadyThreshold=50).spec.analysis.canary_ready_threshold == 50


def test_the_progress_deadline_is_ten_minutes_unless_given() -> None:
    """In seconds, as in the manifest."""
    assert derived.progress_deadline(a_canary()) == timedelta(seconds=600)
    given = a_canary(progressDeadlineSeconds=120)
    assert derived.progress_deadline(given) == timedelta(seconds=120)


def test_a_metric_window_is_a_minute_for_templates_too() -> None:
    """D-69: no check, also none with a template, has an empty window."""
    templated = MetricCheck.model_validate({"name": "x", "templateRef": {"name": "t"}})
    given = MetricCheck(name="x", interval="5m")

    assert derived.metric_window(templated) == "1m"
    assert derived.metric_window(given) == "5m"


def test_missing_values_fail_unless_told_otherwise() -> None:
    """Flagger's behaviour is the default; each metric can choose another."""
    check = MetricCheck.model_validate({"name": "x", "onNoData": "hold", "onError": "pass"})

    assert MetricCheck(name="x").on_no_data is MissingValuePolicy.FAIL
    assert MetricCheck(name="x").on_error is MissingValuePolicy.FAIL
    assert check.on_no_data is MissingValuePolicy.HOLD
    assert check.on_error is MissingValuePolicy.PASS


def test_failed_checks_accumulate_unless_told_otherwise() -> None:
    """Cumulative as in Flagger; consecutive on request."""
    assert a_canary().spec.analysis.threshold_mode is ThresholdMode.CUMULATIVE
    consecutive = _with(thresholdMode="consecutive")
    assert consecutive.spec.analysis.threshold_mode is ThresholdMode.CONSECUTIVE


def test_a_webhook_is_a_rollout_hook_of_ten_seconds() -> None:
    """The defaults of type and timeout."""
    hook = Webhook(name="load", url="http://probe.shop/")

    assert hook.type is WebhookType.ROLLOUT
    assert derived.webhook_timeout(hook) == timedelta(seconds=10)
    assert derived.webhook_timeout(hook.model_copy(update={"timeout": "2m"})) == timedelta(
        minutes=2
    )


def test_the_canary_chooses_before_the_controller() -> None:
    """Its provider wins over the default."""
    own = a_canary(provider="gatewayapi:v1")

    assert derived.provider(own, "istio") == "gatewayapi:v1"
    assert derived.provider(a_canary(), "smi:istio") == "istio"


@pytest.mark.parametrize(
    "name",
    ["", "Istio", "gatewayapi", "appmesh:v1beta1", "smi:v1alpha1:", "smi:v1alpha9", "istio "],
)
def test_an_unknown_provider_is_never_istio(name: str) -> None:
    """D-94: no fallback; the error lists what is known."""
    with pytest.raises(meshes.UnknownMesh, match="gatewayapi:v1beta1"):
        meshes.canonical(name)


def test_the_namespace_of_a_template_is_the_canarys_unless_given() -> None:
    """An empty namespace means the same as none."""
    here = MetricCheck.model_validate({"name": "x", "templateRef": {"name": "t", "namespace": ""}})
    there = MetricCheck.model_validate(
        {"name": "x", "templateRef": {"name": "t", "namespace": "m"}}
    )

    assert derived.template(a_canary(), here) == ObjectRef("shop", "t")
    assert derived.template(a_canary(), there) == ObjectRef("m", "t")
    assert derived.template(a_canary(), MetricCheck(name="x")) is None
