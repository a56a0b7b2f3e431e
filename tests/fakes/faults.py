"""What a door to Kubernetes was asked, and the failures a test wants it to answer with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from clients import errors


class Call(NamedTuple):
    """One request: `verb` get, create, replace, patch, delete, list or watch; plural resource."""

    verb: str
    resource: str
    subresource: str | None
    name: str | None


@dataclass(slots=True)
class Fault:
    """A failure waiting for its calls; None matches anything.

    `after` lets the request be carried out and loses the answer, as a broken connection does.
    """

    error: errors.ClientError | Callable[[], None]
    verb: str | None = None
    resource: str | None = None
    subresource: str | None = None
    name: str | None = None
    times: int = 1
    after: bool = False

    def matches(self, call: Call) -> bool:
        """Whether `call` is one this fault waits for."""
        wanted = (self.verb, self.resource, self.subresource, self.name)
        return all(want is None or want == got for want, got in zip(wanted, call, strict=True))


class Faults:
    """The faults still to come; the oldest that matches a call is used first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._waiting)

    def add(self, fault: Fault) -> None:
        """Queue `fault` for its next `times` matching calls."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Forget all faults: the server is well again."""
        with self._lock:
            self._waiting.clear()

    def strike(self, call: Call, *, after: bool) -> None:
        """Raise the next error meant for `call`, or run what is to happen at that moment."""
        fault = self._next(call, after=after)
        if fault is None:
            return
        if isinstance(fault.error, errors.ClientError):
            raise fault.error
        fault.error()

    def _next(self, call: Call, *, after: bool) -> Fault | None:
        with self._lock:
            for fault in self._waiting:
                if fault.after == after and fault.matches(call):
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                    return fault
        return None
