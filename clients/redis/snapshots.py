"""What is stored about one canary, as `read.lua` and `begin.lua` answer with it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, Final

from clients.documents import confirmed, tally
from clients.documents import world as worlds
from clients.documents.confirmed import Confirmed
from clients.documents.leaps import Leaps
from clients.redis import keys
from clients.redis.records import Progress, Snapshot
from config import moments
from config.refs import CanaryRef

log = logging.getLogger(__name__)

VERSION: Final = "v"
"""Field of a document's hash with the version of its layout."""


def decoded(ref: CanaryRef, reply: Sequence[Any]) -> Snapshot:
    """The snapshot; documents of other layouts look empty, and are told of once."""
    moment, version, state, *stored, said = reply
    now, leaps = moments.at(moment), Leaps.decode(said)
    brought_about, world = map(by_field, stored)
    layouts = brought_about.pop(VERSION, None), world.pop(VERSION, None)
    snapshot = Snapshot(
        now=now,
        version=int(version),
        state=_parsed(ref, state) if state else None,
        confirmed=_carried(confirmed.decode(brought_about, layouts[0]), leaps, now),
        world=worlds.decode(world, layouts[1]),
        leaps=leaps,
    )
    if not snapshot.confirmed.is_readable:
        _say_unreadable(ref, keys.CONFIRMED, layouts[0])
    if not snapshot.world.is_readable:
        _say_unreadable(ref, keys.WORLD, layouts[1])
    return snapshot


def _carried(known: Confirmed, leaps: Leaps, now: datetime) -> Confirmed:
    at = known.route_at
    return known if at is None else replace(known, route_at=leaps.carried(at, now))


def progress(ref: CanaryRef, replies: Sequence[Any]) -> Progress:
    """How far a canary is, of its state, its confirmations and its tally as Redis has them."""
    (version, state), brought_about, counted = replies
    brought_about = dict(brought_about)
    layout = brought_about.pop(VERSION, None)
    return Progress(
        version=int(version or 0),
        state=_parsed(ref, state) if state else None,
        confirmed=confirmed.decode(brought_about, layout),
        tally=tally.decode(counted),
    )


def _parsed(ref: CanaryRef, state: str) -> Mapping[str, Any] | None:
    """The state; None for what is no JSON object: it is rebuilt from the status."""
    try:
        parsed = json.loads(state)
    except ValueError:
        parsed = None
    if isinstance(parsed, Mapping):
        return parsed
    _say_unreadable(ref, keys.STATE, None)
    return None


@cache  # once per document and process
def _say_unreadable(ref: CanaryRef, row: keys.Row, layout: str | None) -> None:
    extra = {"canary": ref.dotted, "key": row.of(ref), "layout": layout}
    log.warning("document unreadable, or of another layout: not read", extra=extra)


def by_field(flat: Sequence[str]) -> dict[str, str]:
    """A hash as scripts answer with it: field, value, field, value."""
    return dict(zip(flat[::2], flat[1::2], strict=True))
