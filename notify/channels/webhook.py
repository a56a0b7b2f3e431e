"""The generic webhook: all there is, as plain JSON, for receivers of one's own.

Described in docs/alerts.md.
"""

from __future__ import annotations

from typing import Any, Final

from config import moments
from notify.message import Format, Message, Post, Sender


def body(message: Message) -> dict[str, Any]:
    """The alert; a later version may add keys."""
    return {
        "id": message.id,
        "name": message.canary.name,
        "namespace": message.canary.namespace,
        "severity": message.severity.value,
        "message": message.text,
        "phase": message.phase,
        "timestamp": str(moments.milliseconds(message.at)),
        "fields": dict(message.fields),
        "link": message.link,
    }


def post(message: Message, sender: Sender) -> Post:
    """What is posted; a token is sent as with Slack."""
    return Post(sender.address, body(message), sender.token)


FORMAT: Final = Format(post)
