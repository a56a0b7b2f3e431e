"""Kubernetes events about a Canary, as kubectl and Flagger's users expect them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final

from clients import errors
from clients.documents.notice import Notice, order
from clients.kube import resources
from clients.kube.protocol import Kube
from config import moments, well_known
from config.api.hooks import AlertSeverity
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

_CUT: Final = "…"


class KubernetesEvents:
    """The channel that `kubectl describe` and Flagger's users read."""

    name = "events"

    def deliver(self, ref: CanaryRef, notice: Notice, kube: Kube) -> None:
        """Creates the event of `notice`, or counts it up where it was told before."""
        body = event(ref, notice)
        try:
            kube.create(resources.EVENTS, ref.namespace, body)
        except errors.AlreadyExists:
            if notice.count > 1:
                again = {key: body[key] for key in ("lastTimestamp", "count")}
                kube.patch(resources.EVENTS, ref.namespace, body["metadata"]["name"], again)


def event(ref: CanaryRef, notice: Notice) -> dict[str, Any]:
    """The Event object for `notice` about the canary `ref`.

    Its name follows from the notice's key, so that delivering it twice makes one event.
    """
    is_progress = notice.severity is AlertSeverity.INFO
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": _name(ref, notice), "namespace": ref.namespace},
        "involvedObject": {
            "apiVersion": well_known.API_VERSION,
            "kind": well_known.CANARY_KIND,
            "namespace": ref.namespace,
            "name": ref.name,
            "uid": notice.uid,
        },
        "type": "Normal" if is_progress else "Warning",
        "reason": REASON,
        "message": _shortened(notice.message),
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": moments.rfc3339(notice.first or notice.at),
        "lastTimestamp": moments.rfc3339(notice.at),
        "count": notice.count,
    }


def _name(ref: CanaryRef, notice: Notice) -> str:
    """A name that belongs to one key, beginning with that of the canary.

    Names sort by time and then by notice: kubectl, which knows whole seconds, keeps that order.
    """
    uid, notice_id, at, message = notice.key
    identity = f"{uid}\0{notice_id}\0{at.isoformat()}\0{message}"
    digest = hashlib.sha256(identity.encode()).hexdigest()
    mark = f"{_order(notice_id, at):016x}{digest}"[:MARK_LENGTH]
    room = LONGEST_NAME - MARK_LENGTH - 1
    return f"{ref.name[:room].rstrip('-.')}.{mark}"


def _order(notice_id: str, at: datetime) -> int:
    """Nanoseconds since 1970, those below a millisecond told by the notice's version and index."""
    version, index = order(notice_id)
    return moments.milliseconds(at) * 1_000_000 + version % 10_000 * 100 + index % 100


def _shortened(message: str) -> str:
    """`message`, or as much of it as an event holds."""
    data = message.encode()
    if len(data) <= LONGEST_MESSAGE:
        return message
    return data[: LONGEST_MESSAGE - len(_CUT.encode())].decode(errors="ignore") + _CUT
