"""Microsoft Teams: the MessageCard that its connectors take.

Source: docs/compatibility/alerts.md, "Payloads".
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from notify.message import Format, Message, Post, Sender


def body(message: Message) -> dict[str, Any]:
    """The card."""
    section = {
        "activityTitle": message.text,
        "activitySubtitle": message.canary.dotted,
        "facts": [{"name": title, "value": value} for title, value in message.shown_fields],
    }
    return {
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": "FF0000" if message.is_error else "0076D7",
        "summary": message.canary.dotted,
        "sections": [section],
    }


def post(message: Message, sender: Sender) -> Post:
    """What is posted."""
    return Post(sender.address, body(message))


FORMAT: Final = Format(post, timedelta(seconds=0.25))
"""Connectors take four messages a second."""
