"""A VirtualService of ours whose canary goes: what led to a side leads where the target's pods are.

It is collected with the primary and its Service, in any order. Pure. Rules:
docs/compatibility/lifecycle.md, "Deletion".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clients.kube.protocol import Object
from config import names
from config.api.canary import Canary
from routing import istio_sides

Rule = Mapping[str, Any]


def handed_over(canary: Canary, live: Object) -> Object:
    """`live` with the Service that selects the target in the place of both sides, in all rules."""
    spec = live["spec"]
    kinds = [kind for kind in ("http", "tcp") if spec.get(kind)]
    led = {kind: [_handed_over(canary, rule) for rule in spec[kind]] for kind in kinds}
    return {**live, "spec": {**spec, **led}}


def _handed_over(canary: Canary, rule: Rule) -> Rule:
    """A rule that leads to no side; copies of requests end with the canary."""
    kept = dict(rule)
    if _is_side(canary, rule.get("mirror") or {}):
        kept = {key: value for key, value in kept.items() if not key.startswith("mirror")}
    route = rule.get("route") or ()
    sides = [each["destination"] for each in route if _is_side(canary, each["destination"])]
    if not sides:
        return kept
    others = [each for each in route if each["destination"] not in sides]
    weight = sum(each.get("weight", 0) for each in route if each["destination"] in sides)
    target = {"destination": _of_target(canary, sides[0])}
    return {**kept, "route": [*others, {**target, "weight": weight} if others else target]}


def _is_side(canary: Canary, destination: Rule) -> bool:
    return istio_sides.side_of(canary, destination) is not None


def _of_target(canary: Canary, side: Rule) -> dict[str, Any]:
    """The Service that stays, or goes last: the target itself, or that which users address."""
    ref = canary.spec.target_ref
    host = ref.name if ref.is_kubernetes_service else names.apex_name(canary)
    return {**{key: value for key, value in side.items() if key != "subset"}, "host": host}
