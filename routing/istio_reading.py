"""Rules of a VirtualService: which split they say. The inverse of `istio_rules`, and pure as well.

All raise ODD_SHAPE for rules of a shape that nobody would write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from config.api.canary import Canary
from config.traffic import Match, Mirror, TrafficSplit
from routing import istio_cookies, istio_requests, istio_sides
from routing.istio_sides import Side

Rule = Mapping[str, Any]


def tcp_split(canary: Canary, rules: Sequence[Rule]) -> TrafficSplit | None:
    """The split that TCP rules say; None without weights of ours."""
    index = in_force(canary, rules)
    return None if index is None else _weights(canary, rules[index])


def http_split(canary: Canary, rules: Sequence[Rule]) -> TrafficSplit | None:
    """The split that HTTP rules say; None without weights of ours.

    A choice of requests that are not led to the canary either is none.
    """
    index = in_force(canary, rules)
    split = None if index is None else _weights(canary, rules[index])
    if index is None or split is None:
        return None
    rule, before, after = rules[index], rules[:index], rules[index + 1 :]
    split = replace(
        split,
        pinned=_read_pinned(canary, before),
        mirror=mirror_of(rule),
        affinity=istio_cookies.read(canary, before, rule),
    )
    is_limited = any(_leads_to(canary, each) == {Side.PRIMARY} for each in after)
    if not (is_limited and (split.canary or split.mirror)):
        return split
    return replace(split, match=istio_requests.choices(canary, rule.get("match") or ()))


def in_force(canary: Canary, rules: Sequence[Rule]) -> int | None:
    """The place of the last rule that leads to the canary; None when none does."""
    ours = [index for index, rule in enumerate(rules) if Side.CANARY in _leads_to(canary, rule)]
    return ours[-1] if ours else None


def _leads_to(canary: Canary, rule: Rule) -> set[Side | None]:
    """The sides that its destinations are."""
    return {_side(canary, entry) for entry in rule.get("route") or ()}


def _side(canary: Canary, entry: Mapping[str, Any]) -> Side | None:
    return istio_sides.side_of(canary, entry.get("destination") or {})


def _weights(canary: Canary, rule: Rule) -> TrafficSplit | None:
    """Its weights, 0 where none is written; None where all are."""
    by_side = {_side(canary, entry): entry.get("weight", 0) for entry in rule.get("route") or ()}
    primary, share = by_side.get(Side.PRIMARY, 0), by_side.get(Side.CANARY, 0)
    return TrafficSplit(primary, share) if primary or share else None


def _read_pinned(canary: Canary, rules: Sequence[Rule]) -> tuple[Match, ...]:
    """The requests that rules before the weights lead to the canary alone."""
    alone = [rule for rule in rules if _leads_to(canary, rule) == {Side.CANARY}]
    return tuple(
        match for rule in alone for match in istio_requests.choices(canary, rule.get("match") or ())
    )


def mirror_of(rule: Rule) -> Mirror | None:
    """The copies that `rule` sends somewhere. Raises ValueError for a share that is none."""
    if not (rule.get("mirror") or {}).get("host"):
        return None
    percentage = rule.get("mirrorPercentage")
    return Mirror(percentage.get("value") if isinstance(percentage, Mapping) else None)
