"""Calls one webhook of a round, with its retries; may take minutes."""

from __future__ import annotations

from typing import Any

from analysis import hooks
from analysis import state as states
from analysis.findings import HookResult
from analysis.phases import shown
from clients import errors
from clients.clock import Clock
from clients.http.client import Http
from clients.http.retry import RetryPolicy
from clients.redis.store import Store
from config.api.hooks import WebhookType
from config.refs import CanaryRef
from tasks import gather


class Caller:
    """Calls hooks as the canary's manifest says at the moment of the call."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._http = {checked: Http(clock, verify_tls=checked) for checked in (True, False)}

    def call(self, ref: CanaryRef, round_id: int, index: int) -> dict[str, Any]:
        """The answer of hook `index` of round `round_id`, as JSON-ready data.

        Never raises for what an endpoint does. An answer nobody waits for any more is a refusal:
        the hook is not called, and whoever gets the answer drops it.
        """
        call = self._find(ref, round_id, index)
        if call is None:
            return HookResult("", "", ok=False, message="no longer asked for").to_dict()
        return self._answer(call).to_dict()

    def _find(self, ref: CanaryRef, round_id: int, index: int) -> hooks.HookCall | None:
        snapshot = self._store.read(ref)
        canary = gather.accepted(snapshot.world)
        if canary is None or snapshot.state is None:
            return None
        state = states.from_json(snapshot.state)
        if state.round is None or state.round.id != round_id:
            return None
        kind = WebhookType(state.round.type)
        calls = hooks.hook_calls(canary, kind, shown(state.phase), state.applied)
        return calls[index] if index < len(calls) else None

    def _answer(self, call: hooks.HookCall) -> HookResult:
        http = self._http[call.verify_tls]
        policy = RetryPolicy(call.retries)
        try:
            response = policy.post(
                lambda: http.post_json(call.url, dict(call.body), timeout=call.timeout),
                call.url,
                self._clock,
            )
        except errors.ClientError as failure:
            return HookResult(call.name, call.type, ok=False, message=failure.message)
        return hooks.answered(call, response.status, response.body)
