"""Faults a test or chaos run asks the server to answer with instead of the truth."""

import threading
from dataclasses import dataclass, replace
from typing import Final

from sandbox.apiserver.errors import ApiError
from sandbox.apiserver.requests import Target

_REASONS: Final = {
    409: ("Conflict", "Operation cannot be fulfilled on {what}: injected fault"),
    429: ("TooManyRequests", "too many requests, please try again later"),
    500: ("InternalError", "Internal error occurred: injected fault"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
}


@dataclass(frozen=True)
class Fault:
    """Which requests are hit, how, and how many times more.

    Empty match fields match everything. `status` answers with that code; `drop` closes the
    connection without an answer; `delay_seconds` waits first. With `after` the request is carried
    out before the fault strikes, so the client cannot know that it was.
    """

    verb: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str | None = None
    status: int = 0
    delay_seconds: float = 0.0
    drop: bool = False
    after: bool = False
    retry_after_seconds: int = 1
    times: int = 1

    def matches(self, target: Target) -> bool:
        """Whether `target` is hit."""
        wanted = (
            (self.verb, target.verb),
            (self.resource, target.resource.group_resource),
            (self.namespace, target.namespace),
            (self.name, target.name),
        )
        if any(pattern and pattern != found for pattern, found in wanted):
            return False
        return self.subresource is None or self.subresource == target.subresource

    def error(self, target: Target) -> ApiError:
        """The refusal of a fault with a `status`."""
        reason, message = _REASONS[self.status]
        what = f'{target.resource.group_resource} "{target.name}"'
        seconds = self.retry_after_seconds
        details = {"retryAfterSeconds": seconds} if self.status in (429, 503) else {}
        return ApiError(self.status, reason, message.format(what=what), details)


class Faults:
    """The faults still to strike, first added first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Has the next `fault.times` matching requests hit; ValueError for an unknown status."""
        if fault.status and fault.status not in _REASONS:
            raise ValueError(f"status must be one of {sorted(_REASONS)}, got {fault.status}")
        if fault.times < 1:
            raise ValueError(f"times must be at least 1, got {fault.times}")
        with self._lock:
            self._pending.append(fault)

    def clear(self) -> None:
        """Forgets all faults still to strike."""
        with self._lock:
            self._pending.clear()

    def take(self, target: Target) -> Fault | None:
        """The fault that hits `target`, used up by this call; None for none."""
        if not self._pending:
            return None
        with self._lock:
            for place, fault in enumerate(self._pending):
                if fault.matches(target):
                    self._pending[place : place + 1] = (
                        [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    )
                    return fault
        return None
