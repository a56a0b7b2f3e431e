"""The formats of alerts, table by table of the compatibility reference, webhooks 4, "Payloads"."""

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from config.api.alert_provider import AlertProviderType
from config.api.hooks import AlertSeverity
from config.refs import CanaryRef
from notify.channels import FORMATS, gchat, msteams, slack
from notify.message import Answer, Message, Sender

URL: Final = "https://chat.example/services/T0/B0"
AT: Final = datetime(2025, 10, 9, 8, 53, 20, 123_000, tzinfo=UTC)
SLACKS: Final = (AlertProviderType.SLACK, AlertProviderType.DISCORD, AlertProviderType.ROCKET)
WORDED: Final = sorted(FORMATS)
CLUSTER: Final = ("Cluster", "eu-1")
TARGET: Final = ("Target", "Deployment/shop.prod")


def a_message(severity: AlertSeverity = AlertSeverity.INFO, **changes: Any) -> Message:
    """The message of the reference."""
    fields: dict[str, Any] = {
        "canary": CanaryRef("prod", "shop"),
        "severity": severity,
        "text": "New revision detected, progressing canary analysis.",
        "at": AT,
        "id": "6d9f7c5b48",
        "phase": "Progressing",
        **changes,
    }
    return Message(**fields)


def a_sender(**changes: Any) -> Sender:
    """A channel `releases`."""
    return Sender(**{"address": URL, "channel": "releases", **changes})


def posted(kind: AlertProviderType, message: Message, sender: Sender | None = None) -> Any:
    """The body that is posted."""
    return FORMATS[kind].post(message, sender or a_sender()).body


def test_slack_gets_flaggers_message() -> None:
    """Letter by letter; no text outside of the attachment."""
    message = a_message(fields=(CLUSTER, TARGET))
    assert json.dumps(posted(AlertProviderType.SLACK, message), separators=(",", ":")) == (
        '{"channel":"releases","username":"flagger","icon_url":"","icon_emoji":":rocket:",'
        '"attachments":[{"color":"good","author_name":"shop.prod",'
        '"text":"New revision detected, progressing canary analysis.","mrkdwn_in":["text"],'
        '"fields":[{"title":"Cluster","value":"eu-1","short":false},'
        '{"title":"Target","value":"Deployment/shop.prod","short":false}]}]}'
    )


@pytest.mark.parametrize("kind", SLACKS)
def test_no_fields_are_an_empty_list(kind: AlertProviderType) -> None:
    """Never null: receivers of Slack's format iterate over it."""
    assert posted(kind, a_message())["attachments"][0]["fields"] == []


@pytest.mark.parametrize(
    ("kind", "usual", "error"),
    [
        (AlertProviderType.SLACK, "good", "danger"),
        (AlertProviderType.DISCORD, "good", "danger"),
        (AlertProviderType.ROCKET, "#0076D7", "#FF0000"),
        (AlertProviderType.MSTEAMS, "0076D7", "FF0000"),
    ],
)
def test_errors_alone_have_a_colour_of_their_own(
    kind: AlertProviderType, usual: str, error: str
) -> None:
    """Warnings and infos look the same everywhere."""

    def colour(severity: AlertSeverity) -> str:
        body = posted(kind, a_message(severity))
        return str(body.get("themeColor") or body["attachments"][0]["color"])

    assert [colour(severity) for severity in AlertSeverity] == [usual, usual, error]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (URL, f"{URL}/slack"),
        (f"{URL}/", f"{URL}/slack"),
        (f"{URL}/slack", f"{URL}/slack"),
        (f"{URL}?wait=true", f"{URL}/slack?wait=true"),
    ],
)
def test_discord_is_asked_at_its_path_for_slacks_format(given: str, asked: str) -> None:
    """Appended to the path, unless it is there."""
    post = FORMATS[AlertProviderType.DISCORD].post(a_message(), a_sender(address=given))
    assert post.url == asked


def test_teams_gets_a_message_card() -> None:
    """The legacy one."""
    assert msteams.body(a_message(fields=(CLUSTER,))) == {
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": "0076D7",
        "summary": "shop.prod",
        "sections": [
            {
                "activityTitle": "New revision detected, progressing canary analysis.",
                "activitySubtitle": "shop.prod",
                "facts": [{"name": "Cluster", "value": "eu-1"}],
            }
        ],
    }


def test_google_chat_gets_a_card_with_a_section_for_each_field() -> None:
    """The legacy one, grey whatever the severity."""
    message = a_message(AlertSeverity.ERROR, text="MESSAGE", fields=(CLUSTER,))
    assert gchat.body(message) == {
        "cards": [
            {
                "header": {
                    "title": "Flagger",
                    "subtitle": "shop.prod",
                    "imageUrl": "https://flagger.app/favicon.png",
                },
                "sections": [
                    _section("<font color=#848484><strong>MESSAGE</strong></font>"),
                    _section("Cluster<br><font color=#848484><strong>eu-1</strong></font>"),
                ],
            }
        ]
    }


def _section(text: str) -> dict[str, Any]:
    return {"widgets": [{"textParagraph": {"text": text}}]}


def test_a_webhook_gets_everything() -> None:
    """docs/alerts.md, "Generic webhook"."""
    message = a_message(AlertSeverity.WARN, fields=(TARGET,), link="https://grafana.example/shop")
    assert posted(AlertProviderType.WEBHOOK, message) == {
        "id": "6d9f7c5b48",
        "name": "shop",
        "namespace": "prod",
        "severity": "warn",
        "message": "New revision detected, progressing canary analysis.",
        "phase": "Progressing",
        "timestamp": "1760000000123",
        "fields": {"Target": "Deployment/shop.prod"},
        "link": "https://grafana.example/shop",
    }


@pytest.mark.parametrize("kind", [each for each in WORDED if each != "webhook"])
def test_the_link_is_a_field_after_all_others(kind: AlertProviderType) -> None:
    """None of the old formats has a place for it."""
    message = a_message(fields=(TARGET,), link="https://grafana.example/shop")
    plain = a_message(fields=(TARGET, ("Link", "https://grafana.example/shop")))
    assert posted(kind, message) == posted(kind, plain)


@pytest.mark.parametrize("kind", WORDED)
def test_a_token_is_sent_to_those_that_know_one_alone(kind: AlertProviderType) -> None:
    """Of Flagger's types to Slack; to a webhook of ours too. Nothing of it is in a body."""
    post = FORMATS[kind].post(a_message(), a_sender(token="xoxb-1"))
    assert post.token == ("xoxb-1" if kind in {"slack", "webhook"} else "")
    assert "xoxb-1" not in json.dumps(post.body)
    assert "xoxb-1" not in repr(post)
    assert URL not in repr(post)


def test_what_a_text_holds_mentions_nobody_in_slack() -> None:
    """Answers of webhooks, which anybody may have written, are quoted in alerts."""
    message = a_message(text="<!channel> & <@U1>", fields=(("Failed check", "12.00 < 99"),))
    (attachment,) = slack.body(message, a_sender())["attachments"]
    assert attachment["text"] == "&lt;!channel&gt; &amp; &lt;@U1&gt;"
    assert attachment["fields"][0]["value"] == "12.00 &lt; 99"


def test_what_a_text_holds_is_no_html_in_google_chat() -> None:
    """Its cards are written in HTML."""
    (card,) = gchat.body(a_message(text="<b>12.00 < 99</b>"))["cards"]
    text = card["sections"][0]["widgets"][0]["textParagraph"]["text"]
    assert "&lt;b&gt;12.00 &lt; 99&lt;/b&gt;" in text


@pytest.mark.parametrize(
    ("status", "body", "is_taken"),
    [
        (200, "ok", True),
        (204, "", True),
        (200, '{"ok":true}', True),
        (200, '{"ok":false,"error":"channel_not_found"}', False),
        (200, "[" * 4096, True),
        (200, "[]", True),
        (404, "no_service", False),
        (302, "", False),
    ],
)
def test_slacks_api_may_refuse_with_status_200(status: int, body: str, is_taken: bool) -> None:
    """Which Flagger takes for a success."""
    assert FORMATS[AlertProviderType.SLACK].accepted(Answer(status, body)) is is_taken


def test_every_type_of_provider_has_a_format() -> None:
    """But for Alertmanager, which is told how things are, not what happened."""
    assert set(FORMATS) == set(AlertProviderType) - {AlertProviderType.ALERTMANAGER}
