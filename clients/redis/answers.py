"""Answers to metric queries, as processes share them: who asks, and what was answered of late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from clients.redis import keys, scripts

if TYPE_CHECKING:
    from redis import Redis

_ASKING: Final = "?"


class RedisAnswers:
    """`analysis.metrics.sharing.Answers` over the state's server; safe to share by threads."""

    def __init__(self, client: Redis[str]) -> None:
        self._client = client

    def claim(self, names: Sequence[str], hold: timedelta) -> Mapping[str, str | None]:
        """See `Answers`. A name that expires between its commands counts as being asked.

        What is kept for longer than `hold`, as nothing is, was told by a clock that was ahead: left
        to itself it would be the answer until that moment comes.
        """
        pipeline = self._client.pipeline(transaction=False)
        for name in names:
            pipeline.set(keys.QUERY.named(name), _ASKING, nx=True, px=hold)
            pipeline.get(keys.QUERY.named(name))
            pipeline.pttl(keys.QUERY.named(name))
        with scripts.translated("claiming queries"):
            replies = pipeline.execute()
        longest = hold // timedelta(milliseconds=1)
        known = zip(names, replies[::3], replies[1::3], replies[2::3], strict=True)
        return {
            name: None if text in {None, _ASKING} else text
            for name, is_ours, text, lasts in known
            if not is_ours and lasts <= longest
        }

    def tell(self, answers: Mapping[str, str | None], keep: timedelta) -> None:
        """See `Answers`."""
        pipeline = self._client.pipeline(transaction=False)
        for name, text in answers.items():
            if text is None:
                pipeline.delete(keys.QUERY.named(name))
            else:
                pipeline.set(keys.QUERY.named(name), text, px=keep)
        with scripts.translated("telling answers"):
            pipeline.execute()
