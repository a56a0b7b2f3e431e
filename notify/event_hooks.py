"""Events for the webhooks of type `event`: what is posted of a notice; pure.

Source: docs/compatibility/webhooks.md, "Event hooks".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from clients.documents.notice import Notice
from config import moments
from config.api.hooks import AlertSeverity

SLACK: Final = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
"""Hosts of incoming webhooks of Slack, which refuse any other body than theirs."""


def body(url: str, payload: Mapping[str, Any], notice: Notice) -> dict[str, Any]:
    """What is posted to `url`; `payload` is what every webhook is sent, with its own metadata."""
    if urlsplit(url).hostname in SLACK:
        return _slack(payload, notice)
    told = {
        "eventMessage": notice.message,
        "eventType": "Normal" if notice.severity is AlertSeverity.INFO else "Warning",
        "timestamp": str(moments.milliseconds(notice.at)),
    }
    metadata = {**payload.get("metadata", {}), **told}
    return {**payload, "metadata": dict(sorted(metadata.items()))}


def _slack(payload: Mapping[str, Any], notice: Notice) -> dict[str, Any]:
    """The same as an attachment, in the form of Flagger's alerts."""
    fields = payload.get("metadata", {}).items()
    attachment = {
        "color": "good" if notice.severity is AlertSeverity.INFO else "danger",
        "author_name": f"{payload['name']}.{payload['namespace']}",
        "text": notice.message,
        "mrkdwn_in": ["text"],
        "fields": [{"title": key, "value": value, "short": False} for key, value in fields],
    }
    return {"username": "flagger", "icon_emoji": ":rocket:", "attachments": [attachment]}
