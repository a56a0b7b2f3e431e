"""The calls of webhooks under way: who makes which, and what they have answered."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from clients.documents import calls
from clients.documents.calls import HookCalls, HookResult
from clients.redis import keys, scripts
from clients.redis.records import Call
from config.refs import CanaryRef

KEPT: Final = timedelta(days=1)
"""How long answers wait for a decision; hooks whose answers are gone are called again."""


class Callers(scripts.Door):
    """One lease and one answer per webhook of the round that a canary waits for."""

    def take_call(self, ref: CanaryRef, round_id: int, key: str, ttl: timedelta) -> Call | None:
        """The right to make call `key` for `ttl`; None when it is not to be made (any more)."""
        call = Call(ref, round_id, key, secrets.token_hex(8))
        return call if self.renew_call(call, ttl) else None

    def renew_call(self, call: Call, ttl: timedelta) -> bool:
        """Whether `call` is still ours to make, for `ttl` from now."""
        rows, given = (keys.CALLS, keys.STATE, keys.EPOCH), (call.round, call.key, call.nonce)
        return bool(self._run("take_call", call.ref, rows, *given, ttl, KEPT))

    def answer_call(self, call: Call, answer: HookResult) -> bool:
        """Whether the answer to `call` was kept; the canary is due then.

        It is not when another has taken the call since, or its round is over.
        """
        rows, given = (keys.CALLS, keys.TICK, keys.AGENDA), (call.round, call.key, call.nonce)
        encoded = calls.encode(answer)
        return bool(self._run("answer_call", call.ref, rows, call.ref, *given, encoded))

    def calls(self, ref: CanaryRef, round_id: int) -> HookCalls:
        """How far the calls of a round are."""
        with scripts.translated("reading calls"):
            return calls.decode(self._client.hgetall(keys.CALLS.of(ref)), round_id)
