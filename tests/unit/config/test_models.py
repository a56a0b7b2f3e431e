"""The models: values as given, wire names both ways, strict leaves, immutability."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from config.api.analysis import Analysis
from config.api.canary import Canary
from config.api.hooks import Webhook, WebhookType
from config.api.metrics import MetricCheck
from config.api.model import Model
from config.api.service import Service
from config.api.status import CanaryStatus, StatusPhase
from config.validation import manifests
from tests.unit.config.manifests import Raw, a_canary, a_manifest, an_analysis, canaries


@pytest.mark.parametrize("raw", canaries(), ids=lambda raw: raw["metadata"]["name"])
def test_a_canary_is_written_as_it_was_read(raw: Raw) -> None:
    """No field of a user's manifest is lost, renamed or changed by the models."""
    loaded = manifests.load_canary(raw)

    written = loaded.wire()
    if "canaryAnalysis" in raw["spec"]:
        assert written["spec"].pop("analysis") == raw["spec"]["canaryAnalysis"]
    assert written == raw


def test_python_names_build_what_wire_names_describe() -> None:
    """Code writes snake_case and means the same."""
    analysis = Analysis(interval="1m", threshold=3, step_weights=(1, 10), a_b_test=())
    hook = Webhook(name="load", url="http://probe.shop/", disable_tls=True)

    assert analysis.wire() == {
        "interval": "1m",
        "threshold": 3,
        "stepWeights": [1, 10],
        "a_b_test": [],
    }
    assert hook.wire() == {"name": "load", "url": "http://probe.shop/", "disableTLS": True}


def test_a_null_counts_as_absent() -> None:
    """The API server reads `key: null` like a missing key; so do the models."""
    service = Service.model_validate({"port": 80, "headless": None, "hosts": None, "name": None})

    assert not service.headless
    assert service.hosts == ()
    assert not service.given("headless")


def test_an_empty_choice_counts_as_unset() -> None:
    """Flagger admits "" for type, severity and phase."""
    hook = Webhook.model_validate({"name": "a", "url": "http://x/", "type": ""})
    assert hook.type is WebhookType.ROLLOUT
    assert CanaryStatus.model_validate({"phase": ""}).phase is None
    assert CanaryStatus.model_validate({"phase": "Progressing"}).phase is StatusPhase.PROGRESSING


def test_unknown_fields_are_ignored() -> None:
    """As the API server prunes them; a newer manifest does not break an older version."""
    assert Service.model_validate({"port": 80, "later": {"x": 1}}).wire() == {"port": 80}


@pytest.mark.parametrize(
    ("model", "raw"),
    [
        (Service, {"port": "80"}),
        (Service, {"port": 80.5}),
        (Service, {"port": True}),
        (Service, {"port": 2**63}),
        (Service, {"port": 80, "headless": "yes"}),
        (Service, {"port": 80, "headless": 1}),
        (Service, {"port": 80, "hosts": "shop.example"}),
        (Service, {"port": 80, "hosts": {"a": 1}}),
        (Service, {"port": 80, "targetPort": True}),
        (Service, {"port": 80, "targetPort": 1.5}),
        (Service, {"port": 80, "name": 5}),
        (Service, {"port": 80, "retries": {"attempts": 2**31}}),
        (MetricCheck, {"name": "x", "threshold": "99"}),
        (MetricCheck, {"name": "x", "threshold": float("nan")}),
        (MetricCheck, {"name": "x", "threshold": 10**400}),
        (MetricCheck, {"name": "x", "templateVariables": {"a": 1}}),
        (CanaryStatus, {"lastTransitionTime": 5}),
        (CanaryStatus, {"lastTransitionTime": "2026-01-02T03:04:05"}),
        (CanaryStatus, {"lastTransitionTime": "yesterday"}),
        (Webhook, {"name": "a", "url": "http://x/", "type": "later"}),
    ],
)
def test_leaves_are_strict(model: type[Model], raw: dict[str, Any]) -> None:
    """A value of another type is an error, never converted."""
    with pytest.raises(ValidationError):
        model.model_validate(raw)


def test_a_whole_float_is_a_whole_number() -> None:
    """JSON does not tell 20.0 from 20."""
    assert Analysis.model_validate({"stepWeight": 20.0}).step_weight == 20


def test_bounds_keep_their_fraction() -> None:
    """Only thresholds are fractional numbers."""
    check = MetricCheck.model_validate({"name": "x", "thresholdRange": {"max": 0.5}})

    assert check.threshold_range is not None
    assert check.threshold_range.max == 0.5
    assert check.threshold_range.min is None


def test_models_cannot_be_changed() -> None:
    """A canary is a value; changes make another one."""
    canary = a_canary()
    with pytest.raises(ValidationError):
        canary.spec = canary.spec  # type: ignore[misc]

    other = canary.spec.analysis.model_copy(update={"threshold": 9})
    assert other.threshold == 9
    assert canary.spec.analysis.threshold == 4


def test_the_alias_is_read_as_the_analysis() -> None:
    """`canaryAnalysis` alone is the analysis; beside `analysis` it is ignored, whatever it is."""
    old = a_manifest(canaryAnalysis=an_analysis(threshold=9))
    del old["spec"]["analysis"]
    both = a_manifest(canaryAnalysis={"threshold": "nonsense"})

    assert manifests.load_canary(old).spec.analysis.threshold == 9
    assert manifests.load_canary(both).spec.analysis.threshold == 4


def test_a_canary_names_itself() -> None:
    """The reference is namespace and name of the canary, not of its target."""
    raw = a_manifest()
    raw["metadata"] |= {"name": "cart-rollout"}
    canary = Canary.model_validate(raw)

    assert str(canary.ref) == "shop/cart-rollout"


def _models(model: type[BaseModel] = Model) -> list[type[BaseModel]]:
    found = model.__subclasses__()
    return [*found, *(deeper for each in found for deeper in _models(each))]


@pytest.mark.parametrize("model", _models(), ids=lambda model: model.__name__)
def test_every_field_is_described(model: type[BaseModel]) -> None:
    """`kubectl explain` has a sentence for every field."""
    for name, field in model.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_webhook_types_are_those_of_flagger() -> None:
    """Manifests name exactly these."""
    assert {kind.value for kind in WebhookType} == {
        "confirm-rollout",
        "pre-rollout",
        "rollout",
        "confirm-promotion",
        "post-rollout",
        "event",
        "rollback",
        "confirm-traffic-increase",
    }
