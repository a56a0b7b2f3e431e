"""What travels through the queues: names of canaries, and what tells old messages from new.

JSON, versioned, so that workers of two releases can share a queue during an upgrade.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from clients.redis.records import Asked
from config.refs import CanaryRef

VERSION: Final = 1
BATCHES: Final = 2
"""The version of messages about several canaries, or several calls."""

T = TypeVar("T")


class UnreadableMessage(ValueError):
    """A message of a newer version, or not of ours at all; it is dropped and logged."""


@dataclass(frozen=True, slots=True)
class NudgeMessage:
    """Have a look at `refs`; at those only that are due still, `if_due`: see `Dispatcher`."""

    refs: tuple[CanaryRef, ...]
    if_due: bool = False

    def dump(self) -> dict[str, Any]:
        """The message as JSON-ready data; one canary alone goes as releases before batches do."""
        more = {"ifDue": True} if self.if_due else {}
        if len(self.refs) == 1:
            return {"v": VERSION, "canary": str(self.refs[0]), **more}
        return {"v": BATCHES, "canaries": [str(ref) for ref in self.refs], **more}

    @classmethod
    def parse(cls, message: Mapping[str, Any]) -> NudgeMessage:
        """The nudge in `message`. Raises UnreadableMessage."""
        if _version(message) != BATCHES:
            return cls((_ref(message),), message.get("ifDue") is True)
        names = _typed(message, "canaries", list, "a list")
        try:
            return cls(tuple(map(CanaryRef.parse, names)), message.get("ifDue") is True)
        except (TypeError, ValueError, AttributeError) as error:
            raise UnreadableMessage(f"message with odd canaries: {message!r:.200}") from error


@dataclass(frozen=True, slots=True)
class HookMessage:
    """Make these calls of webhooks."""

    calls: tuple[Asked, ...]

    def dump(self) -> dict[str, Any]:
        """The message as JSON-ready data; one call alone goes as releases before batches do."""
        calls = [_dumped(call) for call in self.calls]
        return {"v": VERSION, **calls[0]} if len(calls) == 1 else {"v": BATCHES, "calls": calls}

    @classmethod
    def parse(cls, message: Mapping[str, Any]) -> HookMessage:
        """The calls in `message`. Raises UnreadableMessage."""
        if _version(message) != BATCHES:
            return cls((_asked(message),))
        calls = _typed(message, "calls", list, "a list")
        if not all(isinstance(call, Mapping) for call in calls):
            raise UnreadableMessage(f"message with odd calls: {message!r:.200}")
        return cls(tuple(_asked({**call, "v": VERSION}) for call in calls))


def _dumped(call: Asked) -> dict[str, Any]:
    return {"canary": str(call.ref), "round": call.round, "key": call.key}


def _asked(message: Mapping[str, Any]) -> Asked:
    ref, round_id = _ref(message), _typed(message, "round", int, "a whole number")
    return Asked(ref, round_id, _typed(message, "key", str, "a text"))


def _version(message: Any) -> Any:
    return message.get("v") if isinstance(message, Mapping) else None


def _ref(message: Mapping[str, Any]) -> CanaryRef:
    if not isinstance(message, Mapping):
        raise UnreadableMessage(f"message {message!r:.200}; allowed: a JSON object")
    if message.get("v") != VERSION:
        raise UnreadableMessage(
            f"message version {message.get('v')!r}; allowed: {VERSION} or {BATCHES}"
        )
    try:
        return CanaryRef.parse(message["canary"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableMessage(f"message without a canary: {message!r:.200}") from error


def _typed(message: Mapping[str, Any], key: str, kind: type[T], allowed: str) -> T:
    value = message.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise UnreadableMessage(f"message with {key}={value!r}; allowed: {allowed}")
    return value
