"""Which gates canaries ask for. Canaries themselves are not known here: there is no API server.

Known since this process started, by it alone: whoever waits at a gate asks again at its interval.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from clients.gates import LIMIT, GateId
from loadtester import access

_NAMED: Final = 3


class Askers:
    """When each gate was last asked for; `limit` of them are remembered."""

    def __init__(self, now: Callable[[], datetime], limit: int = LIMIT) -> None:
        self._now = now
        self._limit = limit
        self._last: dict[GateId, datetime] = {}
        """The latest at the end."""

    def note(self, gate: GateId) -> None:
        """`gate` is asked for now."""
        self._last.pop(gate, None)
        self._last[gate] = self._now()
        if len(self._last) > self._limit:
            del self._last[next(iter(self._last))]

    def last(self) -> Mapping[GateId, datetime]:
        """When each gate was asked for."""
        return dict(self._last)

    def remark(self, gate: GateId) -> str:
        """What whoever sets `gate` should know: others are asked for, it is not; else empty."""
        others = (each.ref.dotted for each in reversed(self._last) if each.kind is gate.kind)
        named = ", ".join(map(access.told, itertools.islice(others, _NAMED)))
        if gate in self._last or not named:
            return ""
        asking = access.told(gate.ref.dotted)
        text = f"no canary {asking} has asked for this gate since the load tester started"
        return f"{text}; others have: {named}\n"
