"""HTTP rules of a VirtualService: how a split of requests is written down and read back.

Pure. Rules: docs/compatibility/routing.md, "Istio". A strategy with rules of its own (A/B match,
session affinity) is one more module beside this one, built on `base_rule` and `destinations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from config import names
from config.api.canary import Canary
from config.traffic import Mirror, TrafficSplit

Rule = Mapping[str, Any]

MANAGED: Final = frozenset(
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
"""Fields of a rule that are set, or removed when the canary does not ask for them."""

EXCLUDED_BY_ROUTE: Final = frozenset({"delegate", "directResponse"})
"""Fields of Istio's that a rule with a route must not have."""


def rules(canary: Canary, split: TrafficSplit, live: Sequence[Rule]) -> list[Rule]:
    """The rules that divide requests by weight; fields unknown to us are kept from `live`."""
    kept = foreign_fields(canary, live, MANAGED | EXCLUDED_BY_ROUTE)
    rule = {**kept, **base_rule(canary), **_mirror(canary, split)}
    return [{**rule, "route": destinations(canary, split)}]


def base_rule(canary: Canary) -> dict[str, Any]:
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


def destinations(canary: Canary, split: TrafficSplit) -> list[dict[str, Any]]:
    """Primary then canary with their weights; also written when 0. Serves HTTP and TCP."""
    weights = (
        (names.primary_service(canary), split.primary),
        (names.canary_service(canary), split.canary),
    )
    return [
        {"destination": _destination(canary, host), "weight": weight} for host, weight in weights
    ]


def rule_in_force(canary: Canary, live: Sequence[Rule]) -> Rule | None:
    """The last rule that leads to the canary; None when none does. Serves HTTP and TCP."""
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


def _destination(canary: Canary, host: str) -> dict[str, Any]:
    if not _needs_port(canary):
        return {"host": host}
    return {"host": host, "port": {"number": canary.spec.service.port}}


def _needs_port(canary: Canary) -> bool:
    """Whether the Services may have several ports while requests come from outside the mesh."""
    service = canary.spec.service
    from_outside = bool(service.gateways) and service.gateways[0] != "mesh"
    return service.port_discovery and (from_outside or service.delegation)


def _mirror(canary: Canary, split: TrafficSplit) -> dict[str, Any]:
    if split.mirror is None:
        return {}
    percent = split.mirror.percent
    mirror = {"mirror": {"host": names.canary_service(canary)}}
    return {**mirror, "mirrorPercentage": {"value": percent}} if percent else mirror


def foreign_fields(canary: Canary, live: Sequence[Rule], ours: frozenset[str]) -> dict[str, Any]:
    """Fields that a newer Istio, or a user, put on the rule that ours takes the place of.

    That is the rule that leads to the canary, or else the only one. Serves HTTP and TCP.
    """
    rule = rule_in_force(canary, live) or (live[0] if len(live) == 1 else {})
    return {field: value for field, value in rule.items() if field not in ours}
