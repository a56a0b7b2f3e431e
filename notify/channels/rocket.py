"""Rocket.Chat: Slack's format in other colours.

Source: docs/compatibility/alerts.md, "Payloads".
"""

from __future__ import annotations

from typing import Final

from notify.channels import slack
from notify.message import Format, Message, Post, Sender


def post(message: Message, sender: Sender) -> Post:
    """What is posted."""
    colour = "#FF0000" if message.is_error else "#0076D7"
    return Post(sender.address, slack.payload(message, sender, colour))


FORMAT: Final = Format(post)
