"""Kubernetes events about a Canary, as kubectl and Flagger's users expect them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from config import well_known
from config.refs import CanaryRef

COMPONENT: Final = "flagger"
"""Source of the events; scripts select by it."""

REASON: Final = "Synced"
LONGEST_MESSAGE: Final = 1024
"""Bytes the API server admits in the message of an event."""

LONGEST_NAME: Final = 253
"""Characters of an object's name, a DNS subdomain."""

MARK_LENGTH: Final = 24
"""Hex digits that end the name: sixteen that sort by time, eight that keep names apart."""

_REPEATED: Final = "0-0"
"""Stands for the notice in the name of an event that many notices tell."""

_CUT: Final = "…"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def event(ref: CanaryRef, uid: str, notice_id: str, notice: Mapping[str, Any]) -> dict[str, Any]:
    """The Event object for `notice` about the canary `uid`.

    A notice has `type`, `message`, `at`, and `uid` when it is about an earlier object of that
    name. The event's name follows from all of it, so that delivering it twice makes one event. What
    is told again and again has `first` and `count`, and one name, so that it is one event too.
    """
    uid = notice.get("uid") or uid
    first = notice.get("first")
    name = _name(ref, uid, notice_id, notice)
    if first:
        name = _name(ref, uid, _REPEATED, {**notice, "at": first})
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": ref.namespace},
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
        "firstTimestamp": _timestamp(first or notice["at"]),
        "lastTimestamp": _timestamp(notice["at"]),
        "count": notice.get("count", 1),
    }


def repetition(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """The merge patch that makes the event told before `event`; None when there was none."""
    told_again = {key: event[key] for key in ("lastTimestamp", "count")}
    return told_again if event["count"] > 1 else None


def _timestamp(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _name(ref: CanaryRef, uid: str, notice_id: str, notice: Mapping[str, Any]) -> str:
    """A name that belongs to one notice of one object, beginning with that of the canary.

    Names sort by time and then by notice: kubectl, which knows whole seconds, keeps that order.
    Ids are made anew after Redis lost its data; with time and text in the name too, an old event
    does not stand in the way of a new one.
    """
    identity = "\0".join((uid, notice_id, notice["at"], notice["message"]))
    digest = hashlib.sha256(identity.encode()).hexdigest()
    mark = f"{_order(notice_id, datetime.fromisoformat(notice['at'])):016x}{digest}"[:MARK_LENGTH]
    room = LONGEST_NAME - MARK_LENGTH - 1
    return f"{ref.name[:room].rstrip('-.')}.{mark}"


def _order(notice_id: str, at: datetime) -> int:
    """Nanoseconds since 1970, those below a millisecond told by the notice's version and index."""
    version, _, index = notice_id.partition("-")
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)
    return milliseconds * 1_000_000 + int(version) % 10_000 * 100 + int(index) % 100


def _shortened(message: str) -> str:
    """`message`, or as much of it as an event holds."""
    data = message.encode()
    if len(data) <= LONGEST_MESSAGE:
        return message
    return data[: LONGEST_MESSAGE - len(_CUT.encode())].decode(errors="ignore") + _CUT
