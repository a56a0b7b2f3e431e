"""Rules of a VirtualService: how a split is written down and read back.

HTTP rules divide requests; TCP rules, of services whose `appProtocol` is `tcp`, divide connections:
of `service.match` only ports apply to those, and they cannot mirror.
Pure. Rules: docs/compatibility/routing.md, "Istio" and "TCP services".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from config import names
from config.api.canary import Canary
from config.traffic import Mirror, TrafficSplit

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


def is_tcp(canary: Canary) -> bool:
    """Whether this canary divides connections instead of requests."""
    return (canary.spec.service.app_protocol or "").lower() == "tcp"


def http_rules(canary: Canary, split: TrafficSplit, live: Sequence[Rule]) -> list[Rule]:
    """The rule that divides requests by weight; fields unknown to us are kept from `live`."""
    kept = _foreign_fields(canary, live, MANAGED_HTTP | EXCLUDED_BY_ROUTE)
    rule = {**kept, **_base_rule(canary), **_mirror(canary, split)}
    return [{**rule, "route": _destinations(canary, split)}]


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


def _destinations(canary: Canary, split: TrafficSplit) -> list[dict[str, Any]]:
    """Primary then canary with their weights; also written when 0."""
    service = canary.spec.service
    from_outside = bool(service.gateways) and service.gateways[0] != "mesh"
    # The Services may have several ports, while requests come from outside the mesh.
    needs_port = service.port_discovery and (from_outside or service.delegation)
    port = {"port": {"number": service.port}} if needs_port else {}
    weights = {
        names.primary_service(canary): split.primary,
        names.canary_service(canary): split.canary,
    }
    return [
        {"destination": {"host": host, **port}, "weight": weight}
        for host, weight in weights.items()
    ]


def rule_in_force(canary: Canary, live: Sequence[Rule]) -> Rule | None:
    """The last rule that leads to the canary; None when none does."""
    host = names.canary_service(canary)
    ours = [rule for rule in live if host in weights_by_host(rule)]
    return ours[-1] if ours else None


def weights_by_host(rule: Rule) -> dict[str, Any]:
    """Host to weight, of every destination of `rule`; 0 where no weight is written."""
    return {
        (entry.get("destination") or {}).get("host", ""): entry.get("weight", 0)
        for entry in rule.get("route") or ()
    }


def mirror_of(rule: Rule) -> Mirror | None:
    """The copies that `rule` sends somewhere. Raises ValueError for a share that is none."""
    if not (rule.get("mirror") or {}).get("host"):
        return None
    percentage = rule.get("mirrorPercentage")
    return Mirror(percentage.get("value") if isinstance(percentage, Mapping) else None)


def _mirror(canary: Canary, split: TrafficSplit) -> dict[str, Any]:
    if split.mirror is None:
        return {}
    percent = split.mirror.percent
    mirror = {"mirror": {"host": names.canary_service(canary)}}
    return {**mirror, "mirrorPercentage": {"value": percent}} if percent else mirror


def _foreign_fields(canary: Canary, live: Sequence[Rule], ours: frozenset[str]) -> dict[str, Any]:
    """Fields that a newer Istio, or a user, put on the rule that ours takes the place of.

    That is the rule that leads to the canary, or else the only one.
    """
    rule = rule_in_force(canary, live) or (live[0] if len(live) == 1 else {})
    return {field: value for field, value in rule.items() if field not in ours}
