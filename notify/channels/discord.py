"""Discord, by its endpoint for Slack's format.

Source: docs/compatibility/alerts.md, "Payloads".
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from clients import urls
from notify.channels import slack
from notify.message import Format, Message, Post, Sender

_PATH: Final = "/slack"


def post(message: Message, sender: Sender) -> Post:
    """Slack's message, at the path for it."""
    colour = "danger" if message.is_error else "good"
    return Post(urls.ending_with(sender.address, _PATH), slack.payload(message, sender, colour))


FORMAT: Final = Format(post, timedelta(seconds=0.5))
"""Webhooks take five messages in two seconds."""
