"""Istio: the VirtualService that holds the weights, and a DestinationRule for each side.

Pure. Rules: docs/compatibility/routing.md, "Istio". Two deliberate differences from Flagger: a
rewrite keeps the weights that are wanted now, and fields of a live object that this code does not
know stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from clients.kube import resources
from clients.kube.protocol import Object
from clients.kube.resources import Resource
from config import derived, meshes, names, well_known
from config.api.canary import Canary
from config.traffic import Feature, TrafficSplit
from routing import istio_ending, istio_reading, istio_rules, istio_sides, metadata
from routing.istio_sides import Side
from routing.metadata import Marks
from routing.router import (
    ODD_SHAPE,
    Live,
    Managed,
    ServiceRole,
    TargetFacts,
    UnreadableRoute,
    UnroutableCanary,
    refuse_beyond,
)

CANARY_RULE: Final = "canary-rule"
PRIMARY_RULE: Final = "primary-rule"
SUBSET_RULE: Final = "subset-rule"
VIRTUAL_SERVICE: Final = "virtual-service"

MANAGED_SPEC: Final = frozenset({"hosts", "gateways", "http", "tcp"})
"""Top-level fields of a VirtualService's spec that are set or removed; the others are kept."""

_CARRIED_ANNOTATIONS: Final = (
    well_known.LAST_APPLIED_ANNOTATION,
    well_known.ORIGINAL_CONFIGURATION_ANNOTATION,
)


class Istio:
    """The codec; without state."""

    name = meshes.ISTIO
    carrier: str | None = VIRTUAL_SERVICE
    features = frozenset(Feature)
    options: frozenset[str] = frozenset(
        {
            *("corsPolicy", "delegation", "gateways", "headers", "hosts", "match", "retries"),
            *("rewrite", "subsets", "timeout", "trafficPolicy"),
        }
    )
    writes: Mapping[str, Resource] = MappingProxyType(
        {
            CANARY_RULE: resources.DESTINATION_RULES,
            PRIMARY_RULE: resources.DESTINATION_RULES,
            SUBSET_RULE: resources.DESTINATION_RULES,
            VIRTUAL_SERVICE: resources.VIRTUAL_SERVICES,
        }
    )

    def resources(self, canary: Canary) -> tuple[Managed, ...]:
        """Both DestinationRules, canary first, then the VirtualService that leads to them.

        With subsets it leads to one host, which has the one DestinationRule.
        """
        by_host = {
            CANARY_RULE: names.canary_service(canary),
            PRIMARY_RULE: names.primary_service(canary),
        }
        apex = names.apex_name(canary)
        rules = {SUBSET_RULE: apex} if canary.spec.service.subsets else by_host
        by_role = {**rules, VIRTUAL_SERVICE: apex}
        return tuple(Managed(role, self.writes[role], name) for role, name in by_role.items())

    def render(
        self,
        managed: Managed,
        canary: Canary,
        target: TargetFacts | None,
        split: TrafficSplit,
        live: Live,
    ) -> Object:
        """The object as it should be; see `Router.render`."""
        if managed.role == VIRTUAL_SERVICE:
            return _virtual_service(canary, managed, target, split, live)
        return _destination_rule(canary, managed, target, live)

    def released(self, canary: Canary, live: Object, *, is_ours: bool) -> Object | None:
        """One of ours leads to the target; see `Router.released`."""
        return istio_ending.handed_over(canary, live) if is_ours else None

    def parse(self, canary: Canary, live: Live) -> TrafficSplit | None:
        """What the rules say; see `Router.parse`."""
        route = live.get(VIRTUAL_SERVICE)
        if route is None:
            return None
        label = _label(canary)
        try:
            split = _split_of(canary, route.get("spec") or {})
        except ODD_SHAPE as error:
            raise UnreadableRoute(f"{label} cannot be read: {error}") from error
        if split is None:
            apex = names.apex_name(canary)
            raise UnreadableRoute(
                f"{label} does not contain routes for {apex}-primary and {apex}-canary"
            )
        return split


def _split_of(canary: Canary, spec: Mapping[str, Any]) -> TrafficSplit | None:
    if derived.is_tcp(canary):
        return istio_reading.tcp_split(canary, spec.get("tcp") or ())
    return istio_reading.http_split(canary, spec.get("http") or ())


def _destination_rule(
    canary: Canary, rule: Managed, target: TargetFacts | None, live: Live
) -> Object:
    present = live.get(rule.role)
    policy = canary.spec.service.traffic_policy
    kept = _without((present or {}).get("spec") or {}, "host", "trafficPolicy")
    wanted: dict[str, Any] = {"trafficPolicy": policy.wire()} if policy is not None else {}
    if rule.role == SUBSET_RULE and target is not None:
        wanted["subsets"] = _with_subsets(canary, target, kept.get("subsets") or ())
    elif rule.role == SUBSET_RULE and present is None:
        raise UnroutableCanary(
            f"DestinationRule {rule.name}.{canary.namespace} waits for its target"
        )
    spec = {**kept, "host": rule.name, **wanted}
    if present is not None:
        return {**present, "spec": spec}
    return metadata.new_object(canary, rule, Marks({}, {}), spec)


def _with_subsets(
    canary: Canary, target: TargetFacts, live: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Both sides, and behind them the subsets of users."""
    ours = istio_sides.subsets(canary, target)
    return [*ours, *(each for each in live if each.get("name") not in set(Side))]


def _virtual_service(
    canary: Canary, managed: Managed, target: TargetFacts | None, split: TrafficSplit, live: Live
) -> Object:
    if canary.spec.service.subsets and not istio_sides.has_subsets(live.get(SUBSET_RULE)):
        raise UnroutableCanary(f"{_label(canary)} waits for the subsets of its DestinationRule")
    present = live.get(VIRTUAL_SERVICE)
    spec = _virtual_service_spec(canary, split, (present or {}).get("spec") or {})
    marks = metadata.route_marks(canary, target, live.get(ServiceRole.APEX)) if target else None
    if present is not None:
        return {**present, "metadata": _kept_metadata(canary, present, marks, spec), "spec": spec}
    unmarked = Marks({}, metadata.with_flux_opt_out(None))
    return metadata.new_object(canary, managed, marks or unmarked, spec)


def _virtual_service_spec(
    canary: Canary, split: TrafficSplit, live: Mapping[str, Any]
) -> dict[str, Any]:
    kept = {**_without(live, *MANAGED_SPEC), **_hosts_and_gateways(canary)}
    is_tcp = derived.is_tcp(canary)
    refuse_beyond(frozenset() if is_tcp else Istio.features, split, _label(canary))
    if is_tcp:
        return {**kept, "tcp": istio_rules.tcp_rules(canary, split, live.get("tcp") or ())}
    return {**kept, "http": istio_rules.http_rules(canary, split, live.get("http") or ())}


def _hosts_and_gateways(canary: Canary) -> dict[str, Any]:
    service = canary.spec.service
    apex = names.apex_name(canary)
    if service.delegation:
        if service.hosts or service.gateways:
            raise UnroutableCanary(
                f"{_label(canary)} cannot have hosts and gateways when delegation enabled"
            )
        return {"hosts": []}
    is_covered = apex in service.hosts or "*" in service.hosts
    return {
        "hosts": [*service.hosts, *(() if is_covered else (apex,))],
        "gateways": list(service.gateways) or [meshes.SIDECARS],
    }


def _kept_metadata(
    canary: Canary, present: Object, marks: Marks | None, spec: Mapping[str, Any]
) -> dict[str, Any]:
    """The live metadata with our marks in place of the labels and annotations found.

    What a user had before is noted once, on objects that are not ours by creation, unless kubectl
    has noted it already; Flagger overwrites the note with each later change.
    """
    kept = present["metadata"]
    before = kept.get("annotations") or {}
    carried = {key: before[key] for key in _CARRIED_ANNOTATIONS if key in before}
    if not carried and not metadata.is_controlled(present, canary):
        carried = _original_configuration(present.get("spec") or {}, spec)
    labels = marks.labels if marks else kept.get("labels") or {}
    annotations = marks.annotations if marks else metadata.with_flux_opt_out(before)
    return metadata.with_marks(kept, Marks(labels, {**annotations, **carried}))


def _original_configuration(live: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, str]:
    """The note of a user's spec; empty when the spec is ours but for what a rollout changes."""
    if not live or _lasting(live) == _lasting(desired):
        return {}
    text = json.dumps(live, separators=(",", ":"), ensure_ascii=False)
    return {well_known.ORIGINAL_CONFIGURATION_ANNOTATION: text}


def _lasting(spec: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` without weights and mirrors."""
    rules = {
        kind: [_lasting_rule(rule) for rule in spec[kind]]
        for kind in ("http", "tcp")
        if spec.get(kind)
    }
    return {**spec, **rules}


def _lasting_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    route = [_without(entry, "weight") for entry in rule.get("route") or ()]
    return {**_without(rule, "mirror", "mirrorPercentage"), "route": route}


def _without(whole: Mapping[str, Any], *left_out: str) -> dict[str, Any]:
    return {key: value for key, value in whole.items() if key not in left_out}


def _label(canary: Canary) -> str:
    return f"VirtualService {names.apex_name(canary)}.{canary.namespace}"
