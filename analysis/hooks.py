"""Webhooks as values: whom to call with what, when to ask again, and what an answer means.

Pure; the hook tasks do the calling. Success is a status of 200, 201 or 202, as in Flagger, and
nothing else: an endpoint that answers 204 today is read as failing, and users may rely on it.
Source: docs/compatibility/webhooks.md, "Types", "The HTTP call" and "Payload";
docs/compatibility/lifecycle.md, "Event texts of webhooks".
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from analysis.findings import HookCalls, HookResult
from analysis.phases import Phase, shown
from analysis.state import HookRound, RolloutState
from analysis.wording import HALT
from clients import backoff
from config import derived
from config.api.canary import Canary
from config.api.hooks import Webhook, WebhookType

EVERYBODY: Final = "event-webhook"
"""Name and key of the webhook for events of all canaries."""

#: Characters of an endpoint's answer that go into events.
LONGEST_ANSWER: Final = 500
OF_CHECKS: Final = (WebhookType.ROLLBACK, WebhookType.ROLLOUT)
"""The types that are asked at every check of a canary with traffic."""

_ACCEPTED: Final = range(200, 203)
_SHORTEST_TIMEOUT: Final = 2


@dataclass(frozen=True, slots=True)
class HookCall:
    """One webhook to call: POST `body` as JSON, up to `retries` more times, `timeout` for each.

    The order of the keys of `body` is part of the contract. `key` tells this webhook, as written,
    from all others of its round: an answer counts for the same `key` only.
    """

    key: str
    name: str
    type: WebhookType
    url: str
    timeout: timedelta
    retries: int
    verify_tls: bool
    body: Mapping[str, Any]


def hook_calls(
    canary: Canary, hook_type: WebhookType, phase: str, applied: str
) -> tuple[HookCall, ...]:
    """The webhooks of `hook_type` in list order; one without a type is a `rollout` hook.

    `phase` is sent as it is. `applied` is the revision under analysis, of which the payload
    carries a checksum.
    """
    mark, seen = checksum(applied), Counter[str]()
    calls = []
    for webhook in canary.spec.analysis.webhooks:
        if webhook.type is hook_type:
            call = _call(canary, webhook, phase, mark)
            seen[call.key] += 1
            calls.append(replace(call, key=f"{call.key}-{seen[call.key]}"))
    return tuple(calls)


def event_call(canary: Canary, url: str, phase: str, applied: str) -> HookCall:
    """The call of a webhook that is told the events of canaries without one of their own.

    Its key tells nothing of its URL, which may hold a token.
    """
    webhook = Webhook(name=EVERYBODY, type=WebhookType.EVENT, url=url)
    return replace(_call(canary, webhook, phase, checksum(applied)), key=EVERYBODY)


def calls_in(
    canary: Canary, kind: WebhookType, state: RolloutState, revision: str = ""
) -> tuple[HookCall, ...]:
    """The webhooks of `kind` as they are called in `state`: told its phase and revision.

    With `revision` they are told of that instead. Whoever measures or confirms is not told that
    the promotion waits, as with Flagger.
    """
    is_waiting = state.phase is Phase.WAITING_PROMOTION and kind is not WebhookType.ROLLBACK
    phase = Phase.PROGRESSING if is_waiting else state.phase
    return hook_calls(canary, kind, shown(phase), revision or state.applied)


def awaited(canary: Canary, state: RolloutState) -> tuple[HookCall, ...]:
    """The calls of webhooks that `state` waits for."""
    asked = state.round
    if asked is None:
        return ()
    calls = calls_in(canary, asked.type, state, asked.revision)
    return (
        calls
        if asked.beside is None
        else (*calls, *_beside(canary, state, asked.type, asked.beside))
    )


def _beside(
    canary: Canary, state: RolloutState, late: WebhookType, check: datetime
) -> Iterator[HookCall]:
    """The hooks of `check` as they are called while those of the type `late` take long."""
    for kind in OF_CHECKS:
        for call in calls_in(canary, kind, state) if kind is not late else ():
            yield replace(call, key=f"{call.key}@{int(check.timestamp())}")


def checksum(applied: str) -> str:
    """An opaque mark of the tested revision: equal input gives an equal text.

    It has Flagger's form, one to ten of `456789bcdf`, not its values.
    """
    return str(_fnv1a(json.dumps(applied).encode())).translate(_DIGITS)


def _call(canary: Canary, webhook: Webhook, phase: str, mark: str) -> HookCall:
    metadata = {"metadata": dict(webhook.metadata)} if webhook.metadata else {}
    who = {"name": canary.name, "namespace": canary.namespace}
    return HookCall(
        # a digest of all that is written of it; nobody reads a secret out of it
        key=hashlib.sha256(webhook.model_dump_json().encode()).hexdigest()[:16],
        name=webhook.name,
        type=webhook.type,
        url=webhook.url,
        timeout=_timeout(webhook),
        retries=max(webhook.retries, 0),
        verify_tls=not webhook.disable_tls,
        body={**who, "phase": phase, "checksum": mark, **metadata},
    )


def _timeout(webhook: Webhook) -> timedelta:
    """The time limit of one attempt; a text too short to be a duration is none, as in Flagger."""
    is_given = len(webhook.timeout or "") >= _SHORTEST_TIMEOUT
    return derived.webhook_timeout(webhook) if is_given else derived.DEFAULT_WEBHOOK_TIMEOUT


_FNV_OFFSET: Final = 2166136261
_FNV_PRIME: Final = 16777619
_DIGITS: Final = str.maketrans("0123456789", "456789bcdf")


def _fnv1a(data: bytes) -> int:
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) % 2**32
    return value


# -- rounds -------------------------------------------------------------------------------------
#
# Hooks may wait for a worker as long as it takes, and be called as long as their manifest allows:
# a worker that makes a call says so again and again. Only a call that nobody makes is asked for
# again, since its message may be lost; should it not be, the second message finds the call taken.

CALL_LEASE: Final = timedelta(seconds=8)
"""For how long a worker may make a call without a sign of life, as with the other leases."""

LONGEST_PAUSE: Final = timedelta(minutes=1)
"""Between two messages about a call that waits: a long queue must not be made longer by them."""


def given_up_at(asked: HookRound) -> datetime:
    """When the messages of `asked` are taken for lost."""
    return asked.asked + backoff.doubling(asked.repeats + 1, CALL_LEASE, LONGEST_PAUSE)


def next_look(asked: HookRound, calls: Sequence[HookCall], known: HookCalls) -> datetime:
    """When the first of `calls` that has not answered is to be asked for again.

    A call that was taken since it was last asked for had its message: it is asked for again as
    soon as its worker is silent. `calls` has one that has not answered.
    """
    given_up = given_up_at(asked)
    taken = (known.taken.get(key, asked.asked) for key in unanswered(calls, known))
    return min(until if until > asked.asked else given_up for until in taken)


def believed(known: HookCalls, now: datetime) -> HookCalls:
    """`known`, without calls that were taken for longer than any is: by a clock that was ahead."""
    latest = now + CALL_LEASE
    return replace(known, taken={key: end for key, end in known.taken.items() if end <= latest})


def unanswered(calls: Sequence[HookCall], known: HookCalls) -> tuple[str, ...]:
    """The keys of those of `calls` without an answer, in their order."""
    return tuple(call.key for call in calls if call.key not in known.answers)


def untaken(calls: Sequence[HookCall], known: HookCalls, now: datetime) -> tuple[str, ...]:
    """The keys of those of `calls` that nobody makes and that have not answered, in their order."""
    held = {key for key, until in known.taken.items() if until > now}
    return tuple(key for key in unanswered(calls, known) if key not in held)


# -- answers ------------------------------------------------------------------------------------


def answered(call: HookCall, status: int, body: str) -> HookResult:
    """The result of an answer: ok for 200 to 202, else failed with the body as message."""
    if status in _ACCEPTED:
        return HookResult(call.name, call.type, ok=True)
    text = body.strip() or f"status {status}"
    if len(text) > LONGEST_ANSWER:
        text = text[:LONGEST_ANSWER] + "…"
    return HookResult(call.name, call.type, ok=False, message=text)


def calls_off(result: HookResult) -> bool:
    """Whether it is a rollback hook that answers well."""
    return result.ok and result.type is WebhookType.ROLLBACK


def results(calls: Sequence[HookCall], known: HookCalls) -> tuple[HookResult, ...] | None:
    """The answers to `calls`, which are of one type, in their order; None while any is missing.

    One that calls the rollout off needs no word of the others.
    """
    given = tuple(known.answers[call.key] for call in calls if call.key in known.answers)
    return given if len(given) == len(calls) or any(map(calls_off, given)) else None


# -- events -------------------------------------------------------------------------------------


class _Texts(NamedTuple):
    """What is told of an answer; `passed` is empty for one that nobody is told of."""

    failed: str
    passed: str = ""


_TEXTS: Final[Mapping[WebhookType, _Texts]] = {
    WebhookType.CONFIRM_ROLLOUT: _Texts(
        HALT + "waiting for approval {hook}", "Confirm-rollout check {hook} passed"
    ),
    WebhookType.CONFIRM_TRAFFIC_INCREASE: _Texts(
        HALT + "waiting for traffic increase approval {hook}",
        "Confirm-traffic-increase check {hook} passed",
    ),
    WebhookType.CONFIRM_PROMOTION: _Texts(
        HALT + "waiting for promotion approval {hook}", "Confirm-promotion check {hook} passed"
    ),
    WebhookType.ROLLBACK: _Texts(
        "Rollback hook {hook} not signaling a rollback", "Rollback check {hook} passed"
    ),
    WebhookType.PRE_ROLLOUT: _Texts(
        HALT + "pre-rollout check {hook} failed {cause}", "Pre-rollout check {hook} passed"
    ),
    WebhookType.ROLLOUT: _Texts(HALT + "external check {hook} failed {cause}"),
    WebhookType.POST_ROLLOUT: _Texts(
        "Post-rollout hook {hook} failed {cause}", "Post-rollout check {hook} passed"
    ),
}

ASKED: Final = frozenset(_TEXTS)
"""The types that rules ask."""

CARRIED_OUT: Final = ASKED | {WebhookType.EVENT}
"""Those and the type that is told every event; a canary with a hook of another type is refused."""


def is_muted(canary: Canary, result: HookResult) -> bool:
    """Whether the manifest wants nobody alerted of this answer."""
    named = (result.name, result.type)
    return any(
        hook.mute_alert for hook in canary.spec.analysis.webhooks if (hook.name, hook.type) == named
    )


def event_text(canary: Canary, result: HookResult) -> str:
    """The text of the event for `result`; empty for no event.

    A `rollout` hook that passes is silent. Raises ValueError for a type whose answers are not
    events of this table.
    """
    texts = _TEXTS.get(result.type)
    if texts is None:
        raise ValueError(f"hook type {result.type}; allowed: {', '.join(_TEXTS)}")
    return (texts.passed if result.ok else texts.failed).format(
        canary=f"{canary.name}.{canary.namespace}", hook=result.name, cause=result.message
    )
