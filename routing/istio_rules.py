"""Rules of a VirtualService: how a split is written down.

HTTP rules divide requests; TCP rules, of services whose `appProtocol` is `tcp`, divide connections:
of `service.match` only ports apply to those, and they know no requests, copies or cookies.
Pure. Rules: docs/compatibility/routing.md, "Istio" and "TCP services".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from config import meshes, requests
from config.api.canary import Canary
from config.traffic import (
    ALL_TO_CANARY,
    ALL_TO_PRIMARY,
    Affinity,
    TrafficSplit,
)
from routing import istio_cookies, istio_reading, istio_requests, istio_shared, istio_sides
from routing.istio_sides import Side

Rule = Mapping[str, Any]

MANAGED_HTTP: Final = frozenset(
    {
        "name",
        "match",
        "route",
        "redirect",
        "rewrite",
        "timeout",
        "retries",
        "fault",
        "mirror",
        "mirrorPercentage",
        "corsPolicy",
        "headers",
    }
)
"""Fields of an HTTP rule that are set, or removed when the canary does not ask for them."""

MANAGED_TCP: Final = frozenset({"match", "route"})

EXCLUDED_BY_ROUTE: Final = frozenset({"delegate", "directResponse"})
"""Fields of Istio's that a rule with a route must not have."""


def http_rules(canary: Canary, split: TrafficSplit, live: Sequence[Rule]) -> list[Rule]:
    """The rules that divide requests, among those of users; unknown fields are kept from `live`.

    The first that matches counts: pinned requests, users with a cookie, then everybody else. The
    weights are in the last one that leads to the canary.
    """
    before, ours, after = istio_shared.parted(canary, live)
    kept = _foreign_fields(canary, ours, MANAGED_HTTP | EXCLUDED_BY_ROUTE)
    base = {**kept, **_base_rule(canary)}
    cookies = split.affinity or Affinity()
    return [
        *before,
        *_pinned(canary, split, base),
        *_sticky(canary, cookies, base),
        *_returning(canary, split, cookies, base),
        *_weighted(canary, split, cookies, base),
        *after,
    ]


def tcp_rules(canary: Canary, split: TrafficSplit, live: Sequence[Rule]) -> list[Rule]:
    """The rule that divides connections by weight; fields unknown to us are kept from `live`."""
    rule = _foreign_fields(canary, live, MANAGED_TCP)
    matches = canary.spec.service.match
    if matches:
        rule["match"] = [{} if each.port is None else {"port": each.port} for each in matches]
    return [{**rule, "route": _destinations(canary, split)}]


def _base_rule(canary: Canary) -> dict[str, Any]:
    """What every rule of this canary says about its requests, without where they go."""
    service = canary.spec.service
    rewrite = service.rewrite
    fields = {
        "match": [match.wire() for match in service.match],
        "rewrite": {
            key: value
            for key, value in (rewrite.wire() if rewrite else {}).items()
            if key in {"uri", "authority"}
        },
        "timeout": service.timeout,
        "retries": service.retries and service.retries.wire(),
        "corsPolicy": service.cors_policy and service.cors_policy.wire(),
        "headers": service.headers and service.headers.wire(),
    }
    return {field: value for field, value in fields.items() if value}


def _pinned(canary: Canary, split: TrafficSplit, base: Rule) -> Iterator[Rule]:
    """Leads the requests that are pinned to the canary alone."""
    if split.pinned:
        _, to_canary = _destinations(canary, ALL_TO_CANARY)
        match = istio_requests.conditions(canary, split.pinned)
        yield {**base, "match": match, "route": [to_canary]}


def _sticky(canary: Canary, cookies: Affinity, base: Rule) -> Iterator[Rule]:
    """Leads users with a cookie to where they got it."""
    sides = ((cookies.canary, ALL_TO_CANARY), (cookies.primary, ALL_TO_PRIMARY))
    for cookie, split in sides:
        if cookie:
            match = istio_requests.conditions(canary, [istio_cookies.holders(cookie)])
            yield {**base, "match": match, "route": _destinations(canary, split)}


def _returning(
    canary: Canary, split: TrafficSplit, cookies: Affinity, base: Rule
) -> Iterator[Rule]:
    """Takes the cookie of an ended rollout back; what `match` chooses is not looked at here."""
    cookie = cookies.expired
    if cookie:
        match = istio_requests.conditions(canary, [istio_cookies.holders(cookie)])
        headers = istio_cookies.taken_back(canary, base.get("headers") or {}, cookie)
        route = _destinations(canary, ALL_TO_PRIMARY if split.match else split)
        yield {**base, "match": match, "headers": headers, "route": route}


def _weighted(canary: Canary, split: TrafficSplit, cookies: Affinity, base: Rule) -> Iterator[Rule]:
    """Divides everybody by weight, or those that are chosen: then the primary has all others.

    A canary that chooses has both rules also while nothing leads to it, as in Flagger.
    """
    chosen = split.match or (() if split.reaches_canary else requests.matched(canary))
    route = istio_cookies.handed_out(canary, cookies, _destinations(canary, split))
    rule = {**base, **_mirror(canary, split), "route": route}
    if not chosen:
        yield rule
        return
    yield {**rule, "match": istio_requests.conditions(canary, chosen)}
    to_primary, _ = _destinations(canary, split)
    yield {**base, "route": [to_primary]}


def _destinations(canary: Canary, split: TrafficSplit) -> list[dict[str, Any]]:
    """Primary then canary with their weights; also written when 0."""
    service = canary.spec.service
    from_outside = bool(service.gateways) and service.gateways[0] != meshes.SIDECARS
    # The Services may have several ports, while requests come from outside the mesh.
    needs_port = service.port_discovery and (from_outside or service.delegation)
    port = {"port": {"number": service.port}} if needs_port else {}
    weights = {Side.PRIMARY: split.primary, Side.CANARY: split.canary}
    return [
        {"destination": {**istio_sides.destination(canary, side), **port}, "weight": weight}
        for side, weight in weights.items()
    ]


def _mirror(canary: Canary, split: TrafficSplit) -> dict[str, Any]:
    if split.mirror is None:
        return {}
    percent = split.mirror.percent
    mirror = {"mirror": istio_sides.destination(canary, Side.CANARY)}
    return {**mirror, "mirrorPercentage": {"value": percent}} if percent else mirror


def _foreign_fields(canary: Canary, live: Sequence[Rule], ours: frozenset[str]) -> dict[str, Any]:
    """Fields that a newer Istio, or a user, put on the rule that ours takes the place of.

    That is the rule that leads to the canary, or else the only one.
    """
    index = istio_reading.in_force(canary, live)
    rule = live[index] if index is not None else live[0] if len(live) == 1 else {}
    return {field: value for field, value in rule.items() if field not in ours}
