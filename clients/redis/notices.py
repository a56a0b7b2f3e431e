"""What was decided: the timeline to look at, and the notices to deliver."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from clients.redis import keys, scripts
from clients.redis.records import Notice
from config.refs import CanaryRef


class Notices(scripts.Door):
    """Reading side of what commits record."""

    def notices(self, ref: CanaryRef) -> tuple[Notice, ...]:
        """Those not yet dropped, oldest first."""
        with scripts.translated("reading notices"):
            stored = self._client.hgetall(keys.NOTICES.of(ref))
        notices = (Notice(identity, json.loads(body)) for identity, body in stored.items())
        return tuple(sorted(notices, key=lambda notice: notice.order))

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
