"""Builders of notices."""

from datetime import UTC, datetime
from typing import Any, Final

from clients.documents.notice import Notice
from config.api.hooks import AlertSeverity

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_notice(message: str = "Advance cart.shop canary weight 10", **changes: Any) -> Notice:
    """A notice about the Canary object `u1`."""
    fields: dict[str, Any] = {"uid": "u1", "at": NOW, "severity": AlertSeverity.INFO, **changes}
    return Notice(message=message, **fields)
