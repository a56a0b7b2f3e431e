"""Google Chat: the legacy cards that its webhooks take.

Source: docs/compatibility/alerts.md, "Payloads".
"""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any, Final

from notify.message import Format, Message, Post, Sender

_TEXT: Final = "<font color=#848484><strong>{}</strong></font>"


def body(message: Message) -> dict[str, Any]:
    """The card: one section for the text, and one for each field."""
    header = {
        "title": "Flagger",
        "subtitle": message.canary.dotted,
        "imageUrl": "https://flagger.app/favicon.png",
    }
    fields = (f"{title}<br>{_text(value)}" for title, value in message.shown_fields)
    sections = [_section(text) for text in (_text(message.text), *fields)]
    return {"cards": [{"header": header, "sections": sections}]}


def _text(text: str) -> str:
    return _TEXT.format(html.escape(text, quote=False))


def _section(text: str) -> dict[str, Any]:
    return {"widgets": [{"textParagraph": {"text": text}}]}


def post(message: Message, sender: Sender) -> Post:
    """What is posted."""
    return Post(sender.address, body(message))


FORMAT: Final = Format(post, timedelta(seconds=1))
"""Spaces take one message a second."""
