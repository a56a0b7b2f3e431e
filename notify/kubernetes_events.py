"""Kubernetes events about a Canary, as kubectl and Flagger's users expect them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from config import well_known
from config.refs import CanaryRef

COMPONENT: Final = "flagger"
"""Source of the events; scripts select by it."""

REASON: Final = "Synced"
LONGEST_MESSAGE: Final = 1024
"""Characters the API server admits in the message of an event."""


def event(ref: CanaryRef, uid: str, notice_id: str, notice: Mapping[str, Any]) -> dict[str, Any]:
    """The Event object for `notice` (`type`, `message`, `at`) about the canary `uid`.

    Its name follows from uid and notice, so that delivering it twice makes one event.
    """
    at = datetime.fromisoformat(notice["at"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{ref.name}.{_mark(uid, notice_id)}", "namespace": ref.namespace},
        "involvedObject": {
            "apiVersion": well_known.API_VERSION,
            "kind": well_known.CANARY_KIND,
            "namespace": ref.namespace,
            "name": ref.name,
            "uid": uid,
        },
        "type": notice["type"],
        "reason": REASON,
        "message": _shortened(notice["message"]),
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def _mark(uid: str, notice_id: str) -> str:
    """Sixteen hex digits that belong to one notice of one object, and to no other."""
    return hashlib.sha256(f"{uid}/{notice_id}".encode()).hexdigest()[:16]


def _shortened(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else message[: LONGEST_MESSAGE - 1] + "…"
