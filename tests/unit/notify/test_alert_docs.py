"""What docs/alerts.md shows is what is accepted and sent."""

import json
import re
from typing import Any, Final

import yaml

from config.api.alert_provider import AlertProviderType
from config.settings.settings import FLAGS
from config.validation import alert_providers, manifests
from notify.channels import alertmanager
from notify.channels.alertmanager import Alarm
from tests import fences
from tests.unit.config.manifests import a_manifest, an_analysis
from tests.unit.notify.test_channels import a_message, posted

PAGE: Final = (fences.ROOT / "docs" / "alerts.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return [each.text for each in fences.of("docs/alerts.md") if each.language == language]


def test_the_manifests_are_accepted() -> None:
    """Both the provider and the canary that names it."""
    provided, alerted = blocks("yaml")
    provider, secret = yaml.safe_load_all(provided)
    spec = alert_providers.load_provider(provider)
    assert spec.secret_ref is not None
    assert spec.secret_ref.name == secret["metadata"]["name"]
    assert "address" in secret["stringData"]
    analysis: dict[str, Any] = yaml.safe_load(alerted)["analysis"]
    (alert,) = manifests.load_canary(
        a_manifest(analysis=an_analysis(**analysis))
    ).spec.analysis.alerts
    assert alert.provider_ref.name == provider["metadata"]["name"]


def test_the_options_and_types_exist() -> None:
    """Each option that the page names, and each type of receiver."""
    known = {flag.option for flag in FLAGS}
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) <= known
    types = re.search(r"type: slack +# (.*)", PAGE)
    assert types is not None
    assert {"slack", *types[1].split(", ")} == {each.value for each in AlertProviderType}


def test_the_payload_of_a_webhook_has_these_keys() -> None:
    """And no others."""
    (shown,) = map(json.loads, blocks("json"))
    assert list(shown) == list(posted(AlertProviderType.WEBHOOK, a_message()))


def test_the_alerts_of_an_alertmanager_are_these() -> None:
    """Names and severities."""
    rows = re.findall(r"\| `(Canary\w+)` \| `(\w+)` \|", PAGE)
    assert dict(rows) == {alarm.value: alertmanager.LEVELS[alarm] for alarm in Alarm}
