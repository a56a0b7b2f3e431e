"""What a process tells of canaries over HTTP, for the console; read only.

Nothing is in it that events and statuses may not hold: what is kept in Redis holds no secret.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from analysis import state as states
from cli import endpoint
from cli.console import timeline
from cli.endpoint import Question, Response, Routes
from clients.redis.store import Store
from config.refs import CanaryRef

USUAL: Final = 50
MOST: Final = 200
"""Decisions in an answer; about as many are kept."""

_LIMIT: Final = re.compile(r"[1-9][0-9]{0,5}")


def routes(store: Store) -> Routes:
    """The paths of this module, answered from `store`."""
    return {f"{timeline.PATH}?limit": partial(_timeline, store)}


def document(store: Store, ref: CanaryRef, limit: int) -> dict[str, Any] | None:
    """What is told of `ref`, with its last decisions, oldest first; None when it is not known.

    Times are ISO 8601, those of Redis; null for what is not planned. Raises ClientError.
    """
    snapshot, entries = store.read(ref), store.timeline(ref, limit)
    if snapshot.state is None and not entries:
        return None
    state, due = states.readable(snapshot.state), store.due(ref)
    return {
        "canary": str(ref),
        "now": _told(snapshot.now),
        "nextLook": _told(due),
        "nextCheck": _told(state.check_at if state else None),
        "asking": state.round.type if state and state.round else None,
        "entries": entries,
    }


def _timeline(store: Store, question: Question) -> Response:
    limit = question.query.get("limit", str(USUAL))
    if not _LIMIT.fullmatch(limit):
        error = {"error": f"limit {limit[:20]!r}: allowed is 1 to {MOST}"}
        return endpoint.as_json(error, HTTPStatus.BAD_REQUEST)
    ref = CanaryRef(question.places["namespace"], question.places["name"])
    told = document(store, ref, min(int(limit), MOST))
    if told is None:
        return endpoint.as_json({"error": "no such canary is known"}, HTTPStatus.NOT_FOUND)
    return endpoint.as_json(told)


def _told(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
