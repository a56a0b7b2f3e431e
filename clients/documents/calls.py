"""How far the calls of the webhooks of one round are: the document `calls`.

Written by hook workers through `take_call.lua` and `answer_call.lua`, read by decisions. A webhook
is known by a digest of it as it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from config import moments
from config.api.hooks import WebhookType

_ROUND: Final = "round"


@dataclass(frozen=True, slots=True)
class HookResult:
    """The answer of one webhook; `message` says what went wrong, empty when `ok`.

    One that is not `answered` has none: nobody was reached, or nobody able to say.
    """

    name: str
    type: WebhookType
    ok: bool
    message: str = ""
    answered: bool = True


@dataclass(frozen=True, slots=True)
class HookCalls:
    """Answers by call, and the calls that are being made.

    A call in `taken` is somebody's until that time, unless its worker says otherwise by then. One
    that is in neither still waits for a worker, or was lost.
    """

    answers: Mapping[str, HookResult] = field(default_factory=dict)
    taken: Mapping[str, datetime] = field(default_factory=dict)


def encode(answer: HookResult) -> str:
    """What is stored of an answer; `decode` and the scripts know it by its brace."""
    return _ANSWER.dump_json(answer).decode()


def decode(stored: Mapping[str, str], round_id: int) -> HookCalls:
    """The calls of round `round_id`; none when another round is stored."""
    calls = {key: value for key, value in stored.items() if key != _ROUND}
    if stored.get(_ROUND) != str(round_id):
        return HookCalls()
    return HookCalls(
        {k: _ANSWER.validate_json(value) for k, value in calls.items() if value.startswith("{")},
        {k: _expiry(value) for k, value in calls.items() if not value.startswith("{")},
    )


def _expiry(held: str) -> datetime:
    """When `<nonce> <milliseconds since 1970>` ends."""
    return moments.at(held.rpartition(" ")[2])


_ANSWER: Final = TypeAdapter(HookResult)
