"""Where a VirtualService sends a request: the first HTTP rule that matches, its weights, mirror.

Matching knows `uri`, `method`, `authority`, `headers`, `withoutHeaders`, `queryParams` and
`ignoreUriCase`. The fields that say nothing about a request inside the mesh (`name`, `gateways`,
`port`, `sourceLabels`, `sourceNamespace`, `scheme`) are taken as fulfilled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from sandbox.mesh.world import Address

_NOT_OF_THE_REQUEST: Final = frozenset(
    {"name", "gateways", "port", "sourceLabels", "sourceNamespace", "scheme", "ignoreUriCase"}
)


class UnknownMatchError(ValueError):
    """An HTTP match condition, or a destination, that the sandbox does not know."""


@dataclass(frozen=True, slots=True)
class Request:
    """What HTTP rules can match on."""

    host: Address
    path: str
    method: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Route:
    """Weights by destination, and the destination of copies, if any."""

    weights: Mapping[Address, int]
    mirror: Address | None = None
    mirror_percent: float = 100.0


def choose(virtual_service: Mapping[str, Any], request: Request) -> Route | None:
    """The route of the first HTTP rule that matches `request`, or None.

    Raises UnknownMatchError for a match condition or string matcher that is not known.
    """
    for rule in virtual_service.get("spec", {}).get("http") or ():
        conditions = rule.get("match") or ()
        if not conditions or any(_matches(c, request) for c in conditions):
            return _route(rule, request.host.namespace)
    return None


def _route(rule: Mapping[str, Any], namespace: str) -> Route:
    """A lone destination takes everything; among several, no weight means 0, as in Istio."""
    destinations: Sequence[Mapping[str, Any]] = rule.get("route") or ()
    default = 100 if len(destinations) == 1 else 0
    weights: dict[Address, int] = {}
    for entry in destinations:
        if subset := entry["destination"].get("subset"):
            raise UnknownMatchError(f"subset {subset!r} of a host is not known to the sandbox")
        address = Address.of(entry["destination"]["host"], namespace)
        weights[address] = weights.get(address, 0) + int(entry.get("weight") or default)
    mirror = rule.get("mirror")
    percent = (rule.get("mirrorPercentage") or {}).get("value", 100.0)
    return Route(weights, Address.of(mirror["host"], namespace) if mirror else None, float(percent))


def _matches(condition: Mapping[str, Any], request: Request) -> bool:
    """True when every part of `condition` holds."""
    ignore_case = bool(condition.get("ignoreUriCase"))
    return all(
        _part_matches(part, wanted, request, ignore_case=ignore_case)
        for part, wanted in condition.items()
        if part not in _NOT_OF_THE_REQUEST
    )


def _part_matches(part: str, wanted: Any, request: Request, *, ignore_case: bool) -> bool:
    match part:
        case "uri":
            path = urlsplit(request.path).path
            return _text_matches(wanted, path, ignore_case=ignore_case)
        case "method":
            return _text_matches(wanted, request.method)
        case "authority":
            return _text_matches(wanted, request.host.name)
        case "headers":
            return all(_header_matches(request, name, value) for name, value in wanted.items())
        case "queryParams":
            given = dict(parse_qsl(urlsplit(request.path).query, keep_blank_values=True))
            return all(
                name in given and _text_matches(text, given[name]) for name, text in wanted.items()
            )
        case "withoutHeaders":
            return not any(_header_matches(request, name, value) for name, value in wanted.items())
        case _:
            raise UnknownMatchError(f"http match field {part!r} is not known to the sandbox")


def _header_matches(request: Request, name: str, wanted: Mapping[str, str]) -> bool:
    """True when the header is there and matches; an empty matcher asks only that it is there."""
    value = request.headers.get(name.lower())
    return value is not None and (not wanted or _text_matches(wanted, value))


def _text_matches(wanted: Mapping[str, str], text: str, *, ignore_case: bool = False) -> bool:
    fold = str.lower if ignore_case else str
    match dict(wanted):
        case {"exact": exact}:
            return bool(fold(text) == fold(exact))
        case {"prefix": prefix}:
            return fold(text).startswith(fold(prefix))
        case {"suffix": suffix}:
            return fold(text).endswith(fold(suffix))
        case {"regex": regex}:
            return re.fullmatch(regex, text) is not None
        case other:
            allowed = "exact, prefix, suffix, regex"
            raise UnknownMatchError(f"string match {other} is none of {allowed}")
