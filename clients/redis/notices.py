"""What was decided: the timeline to look at, and the notices to deliver."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from typing import Any, Final

from clients.documents.notice import Notice, decode
from clients.redis import keys, scripts
from config.refs import CanaryRef

log = logging.getLogger(__name__)

_ACCOUNT: Final = "delivered:"
"""Begins the fields that say how far a channel has come."""


class Notices(scripts.Door):
    """Reading side of what commits record."""

    def undelivered(self, ref: CanaryRef) -> tuple[tuple[Notice, ...], Mapping[str, str]]:
        """Those not yet dropped, oldest first, and by channel the last one it has delivered."""
        with scripts.translated("reading notices"):
            stored = self._client.hgetall(keys.NOTICES.of(ref))
        accounts = {
            field.removeprefix(_ACCOUNT): last
            for field, last in stored.items()
            if field.startswith(_ACCOUNT)
        }
        waiting = [
            notice
            for identity, body in stored.items()
            if not identity.startswith(_ACCOUNT) and (notice := self._decoded(ref, identity, body))
        ]
        return tuple(sorted(waiting, key=lambda notice: notice.order)), accounts

    def _decoded(self, ref: CanaryRef, identity: str, body: str) -> Notice | None:
        """The notice, or None for one of another release: it is dropped, its text was logged."""
        try:
            return decode(identity, json.loads(body))
        except ValueError:
            log.warning("notice unreadable", extra={"canary": ref.dotted, "notice": identity})
            self.drop_notices(ref, [identity])
            return None

    def note_delivered(self, ref: CanaryRef, channel: str, notice_id: str) -> None:
        """Records that `channel` has delivered all notices up to this one."""
        with scripts.translated("recording a delivery"):
            self._client.hset(keys.NOTICES.of(ref), _ACCOUNT + channel, notice_id)

    def drop_notices(self, ref: CanaryRef, ids: Collection[str]) -> None:
        """Forgets those delivered; unknown ids are fine."""
        if ids:
            with scripts.translated("dropping notices"):
                self._client.hdel(keys.NOTICES.of(ref), *ids)

    def timeline(self, ref: CanaryRef, count: int = 50) -> tuple[Mapping[str, Any], ...]:
        """The last `count` entries, newest last."""
        with scripts.translated("reading the timeline"):
            newest_first = self._client.xrevrange(keys.TIMELINE.of(ref), count=count)
        return tuple(json.loads(fields["entry"]) for _, fields in reversed(newest_first))
