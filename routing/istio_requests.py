"""Conditions of a VirtualService's rules: how a choice of requests is written down and read back.

Whatever is chosen is chosen of the requests that `service.match` lets in. Pure. Rules:
docs/compatibility/routing.md, "A/B testing".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from config.api.canary import Canary
from config.traffic import Aspect, Comparison, Criterion, Match, ordered

_FIELDS: Final[Mapping[Aspect, str]] = {
    Aspect.HEADER: "headers",
    Aspect.QUERY_PARAMETER: "queryParams",
    Aspect.SOURCE_LABEL: "sourceLabels",
}


def conditions(canary: Canary, chosen: Iterable[Match]) -> list[dict[str, Any]]:
    """The `match` of a rule for the requests that are `chosen`.

    Each choice is combined with each of `service.match`: what it says of headers, query parameters
    or source labels takes the place of what that says of them.
    """
    return [{**entry, **_written(match)} for match in chosen for entry in _of_service(canary)]


def choices(canary: Canary, match: Sequence[Mapping[str, Any]]) -> tuple[Match, ...]:
    """What the `match` of a rule chooses; inverse of `conditions`.

    A condition that the service has itself is none. Raises ODD_SHAPE for what no choice can say.
    """
    own = _of_service(canary)
    return tuple(_read(entry, own[0]) for entry in match[:: len(own)])


def _of_service(canary: Canary) -> list[dict[str, Any]]:
    return [match.wire() for match in canary.spec.service.match] or [{}]


def _written(match: Match) -> dict[str, Any]:
    """A choice in Istio's words."""
    entry: dict[str, Any] = {}
    for each in match:
        is_label = each.aspect is Aspect.SOURCE_LABEL
        value = each.text if is_label else {each.comparison.value: each.text}
        entry.setdefault(_FIELDS[each.aspect], {})[each.name] = value
    return entry


def _read(entry: Mapping[str, Any], own: Mapping[str, Any]) -> Match:
    return ordered(
        _criterion(aspect, name, value)
        for aspect, field in _FIELDS.items()
        if entry.get(field) != own.get(field)
        for name, value in (entry.get(field) or {}).items()
    )


def _criterion(aspect: Aspect, name: str, value: Any) -> Criterion:
    if aspect is Aspect.SOURCE_LABEL:
        return Criterion(aspect, name, Comparison.EXACT, value)
    ((comparison, text),) = value.items()
    return Criterion(aspect, name, Comparison(comparison), text)
