"""What event hooks are sent: Flagger's payload, or what Slack understands.

Source: the compatibility reference, webhooks 2 ("Event webhook") and 4 ("Payloads").
"""

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from clients.documents.notice import Notice
from config.api.hooks import AlertSeverity
from notify import event_hooks

AT: Final = datetime(2025, 10, 9, 8, 53, 20, 123_000, tzinfo=UTC)
PAYLOAD: Final[dict[str, Any]] = {
    "name": "shop",
    "namespace": "prod",
    "phase": "Progressing",
    "checksum": "6d9f7c5b48",
}


def a_notice(severity: AlertSeverity = AlertSeverity.INFO) -> Notice:
    """A step that was taken."""
    return Notice(uid="u", at=AT, severity=severity, message="Advance shop.prod canary weight 20")


def test_the_payload_is_flaggers() -> None:
    """Letter by letter; the hook's own metadata beside the three, in sorted order."""
    sent = event_hooks.body(
        "http://log.shop/", {**PAYLOAD, "metadata": {"cluster": "eu-1"}}, a_notice()
    )
    assert json.dumps(sent, separators=(",", ":")) == (
        '{"name":"shop","namespace":"prod","phase":"Progressing","checksum":"6d9f7c5b48",'
        '"metadata":{"cluster":"eu-1","eventMessage":"Advance shop.prod canary weight 20",'
        '"eventType":"Normal","timestamp":"1760000000123"}}'
    )


def test_the_metadata_of_the_hook_cannot_take_the_place_of_what_happened() -> None:
    """Of the three keys those of the event count."""
    own = {"eventMessage": "x", "eventType": "y", "timestamp": "z"}
    sent = event_hooks.body("http://log.shop/", {**PAYLOAD, "metadata": own}, a_notice())
    plain = event_hooks.body("http://log.shop/", PAYLOAD, a_notice())
    assert sent == plain


@pytest.mark.parametrize("severity", [AlertSeverity.WARN, AlertSeverity.ERROR])
def test_whatever_is_no_progress_is_a_warning(severity: AlertSeverity) -> None:
    """As the type of the Kubernetes event."""
    sent = event_hooks.body("http://log.shop/", PAYLOAD, a_notice(severity))
    assert sent["metadata"]["eventType"] == "Warning"


def test_slack_gets_a_body_that_it_takes() -> None:
    """Article 000 posts to an incoming webhook, which refuses Flagger's payload."""
    payload = {**PAYLOAD, "metadata": {"cluster": "eu-1"}}
    url = "https://hooks.slack.com/services/T0/B0/secret"
    assert event_hooks.body(url, payload, a_notice(AlertSeverity.ERROR)) == {
        "username": "flagger",
        "icon_emoji": ":rocket:",
        "attachments": [
            {
                "color": "danger",
                "author_name": "shop.prod",
                "text": "Advance shop.prod canary weight 20",
                "mrkdwn_in": ["text"],
                "fields": [{"title": "cluster", "value": "eu-1", "short": False}],
            }
        ],
    }
