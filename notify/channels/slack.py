"""Slack: incoming webhooks, and chat.postMessage with a token.

Source: docs/compatibility/alerts.md, "Payloads"; https://api.slack.com/docs/rate-limits.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from notify.message import Answer, Format, Message, Post, Sender, accepted


def body(message: Message, sender: Sender) -> dict[str, Any]:
    """Flagger's message; of texts what Slack would take for a mention is escaped."""
    return payload(message, sender, "danger" if message.is_error else "good", escaped)


def payload(
    message: Message, sender: Sender, colour: str, written: Callable[[str], str] = str
) -> dict[str, Any]:
    """The message in the form that Slack, Discord and Rocket.Chat understand."""
    attachment = {
        "color": colour,
        "author_name": message.canary.dotted,
        "text": written(message.text),
        "mrkdwn_in": ["text"],
        "fields": [
            {"title": title, "value": written(value), "short": False}
            for title, value in message.shown_fields
        ],
    }
    return {
        "channel": sender.channel,
        "username": sender.username,
        "icon_url": "",
        "icon_emoji": ":rocket:",
        "attachments": [attachment],
    }


def escaped(text: str) -> str:
    """`text` with Slack's three control characters escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def post(message: Message, sender: Sender) -> Post:
    """What is posted."""
    return Post(sender.address, body(message, sender), sender.token)


def is_taken(answer: Answer) -> bool:
    """Whether Slack took it: its API refuses with status 200 and `ok: false`."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return accepted(answer)
    is_refused = isinstance(said, dict) and said.get("ok") is False
    return accepted(answer) and not is_refused


FORMAT: Final = Format(post, timedelta(seconds=1), is_taken)
