"""Requests to the API server, counted by who made them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

_OURS = "coalmine/"


class Call(NamedTuple):
    """What requests are counted by; `resource` is `canaries` or `canaries/status`."""

    role: str
    verb: str
    resource: str


class Calls(Protocol):
    """A running count of requests."""

    def counts(self) -> Counter[Call]:
        """The answered requests of all roles so far; a watch counts when it begins."""
        ...


def of_agent(user_agent: str) -> str:
    """The role of the process that calls itself `user_agent`; the whole text if it is not ours."""
    return user_agent.removeprefix(_OURS)


def audited(lines: Iterable[bytes]) -> Counter[Call]:
    """The requests in `lines` of an API server's audit log; those about no object are left out."""
    events = (json.loads(line) for line in lines)
    return Counter(_call(event) for event in events if "objectRef" in event)


def _call(event: Mapping[str, Any]) -> Call:
    reference = event["objectRef"]
    resource = str(reference.get("resource", ""))
    subresource = reference.get("subresource")
    named = f"{resource}/{subresource}" if subresource else resource
    return Call(of_agent(str(event.get("userAgent", ""))), str(event["verb"]), named)
