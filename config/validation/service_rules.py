"""Rules about `spec.service`: ports, delegation, and one-of-several choices of Istio."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from config.api.canary import Canary
from config.api.istio import HTTPMatchRequest, StringMatch
from config.api.references import TargetKind
from config.api.traffic_policy import LoadBalancer
from config.validation.problems import Problem
from config.validation.rules import SERVICE, Rule, problem


def port_is_given(canary: Canary) -> Iterator[Problem]:
    """The Services have a port; a target that is a Service brings its own."""
    needed = canary.spec.given("service") or canary.spec.target_ref.kind is not TargetKind.SERVICE
    if needed and not canary.spec.service.given("port"):
        yield problem(f"{SERVICE}.port", None, "a port from 1 to 65535", "is required")


def delegation_stands_alone(canary: Canary) -> Iterator[Problem]:
    """A VirtualService that is delegated to has neither hosts nor gateways."""
    service = canary.spec.service
    if not service.delegation:
        return
    for field, values in (("hosts", service.hosts), ("gateways", service.gateways)):
        if values:
            yield problem(
                f"{SERVICE}.{field}",
                ", ".join(values),
                "no value together with delegation: true",
                "VirtualService with delegation can't have hosts and gateways",
            )


def matches_name_one_comparison(canary: Canary) -> Iterator[Problem]:
    """Each text is compared in at most one way, in A/B headers in exactly one."""
    for index, request in enumerate(canary.spec.service.match):
        yield from _comparisons(f"{SERVICE}.match[{index}]", request, fewest_for_headers=0)
    for index, request in enumerate(canary.spec.analysis.match):
        yield from _comparisons(f"spec.analysis.match[{index}]", request, fewest_for_headers=1)
    for index, entry in enumerate(canary.spec.analysis.a_b_test):
        field = f"spec.analysis.a_b_test[{index}].header.value"
        yield from _one_comparison(field, entry.header.value.keys_given, 1)


def _comparisons(
    field: str, request: HTTPMatchRequest, fewest_for_headers: int
) -> Iterator[Problem]:
    for name in ("uri", "scheme", "method", "authority"):
        match: StringMatch | None = getattr(request, name)
        if match:
            yield from _one_comparison(f"{field}.{name}", match.keys_given, 0)
    maps: tuple[tuple[str, Mapping[str, StringMatch] | None, int], ...] = (
        ("headers", request.headers, fewest_for_headers),
        ("queryParams", request.query_params, 0),
        ("withoutHeaders", request.without_headers, 0),
    )
    for wire_name, matches, fewest in maps:
        for key, match in (matches or {}).items():
            yield from _one_comparison(f"{field}.{wire_name}.{key}", match.keys_given, fewest)


def _one_comparison(field: str, keys: tuple[str, ...], fewest: int) -> Iterator[Problem]:
    if not fewest <= len(keys) <= 1:
        amount = "exactly one" if fewest else "at most one"
        yield problem(
            field,
            ", ".join(keys) or None,
            f"{amount} of exact, prefix, suffix, regex",
            "is compared in more than one way" if keys else "has no comparison",
        )


def origins_name_one_comparison(canary: Canary) -> Iterator[Problem]:
    """Each allowed origin is compared in exactly one way."""
    cors = canary.spec.service.cors_policy
    for index, origin in enumerate((cors and cors.allow_origins) or ()):
        keys = origin.keys_given
        if len(keys) != 1:
            yield problem(
                f"{SERVICE}.corsPolicy.allowOrigins[{index}]",
                ", ".join(keys) or None,
                "exactly one of exact, prefix, regex",
                "must be compared in one way",
            )


def load_balancing_is_one_kind(canary: Canary) -> Iterator[Problem]:
    """Load balancing is either simple or by hash, and a hash has one key."""
    policy = canary.spec.service.traffic_policy
    if not policy:
        return
    if policy.load_balancer:
        yield from _one_kind(f"{SERVICE}.trafficPolicy.loadBalancer", policy.load_balancer)
    for index, port in enumerate(policy.port_level_settings or ()):
        if port.load_balancer:
            field = f"{SERVICE}.trafficPolicy.portLevelSettings[{index}].loadBalancer"
            yield from _one_kind(field, port.load_balancer)


def _one_kind(field: str, balancer: LoadBalancer) -> Iterator[Problem]:
    kinds = {
        "simple": balancer.given("simple"),
        "consistentHash": balancer.given("consistent_hash"),
    }
    yield from _exactly_one(field, kinds)
    if balancer.consistent_hash:
        keys = {
            "httpHeaderName": balancer.consistent_hash.given("http_header_name"),
            "httpCookie": balancer.consistent_hash.given("http_cookie"),
            "useSourceIp": balancer.consistent_hash.given("use_source_ip"),
            "httpQueryParameterName": balancer.consistent_hash.given("http_query_parameter_name"),
        }
        yield from _exactly_one(f"{field}.consistentHash", keys)


def _exactly_one(field: str, keys: Mapping[str, bool]) -> Iterator[Problem]:
    present = [key for key, given in keys.items() if given]
    if len(present) != 1:
        yield problem(
            field,
            ", ".join(present) or None,
            f"exactly one of {', '.join(keys)}",
            "must choose one",
        )


RULES: Final[tuple[Rule, ...]] = (
    port_is_given,
    delegation_stands_alone,
    matches_name_one_comparison,
    origins_name_one_comparison,
    load_balancing_is_one_kind,
)
