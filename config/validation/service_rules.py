"""Rules about `spec.service`: ports, delegation, and one-of-several choices of Istio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from config.api.canary import Canary
from config.api.istio import RequiredStringMatch, StringMatch
from config.api.references import TargetKind
from config.api.traffic_policy import HASH_KEYS
from config.validation import expressions
from config.validation.problems import Problem
from config.validation.rules import SERVICE, Rule, not_exactly_one, problem


def port_is_given(canary: Canary) -> Iterator[Problem]:
    """The Services have a port; a target that is a Service brings its own."""
    needed = canary.spec.given("service") or canary.spec.target_ref.kind is not TargetKind.SERVICE
    if needed and not canary.spec.service.given("port"):
        yield problem(f"{SERVICE}.port", None, "a port from 1 to 65535", "is required")


def delegation_stands_alone(canary: Canary) -> Iterator[Problem]:
    """A VirtualService that is delegated to has neither hosts nor gateways."""
    service = canary.spec.service
    for field, values in (("hosts", service.hosts), ("gateways", service.gateways)):
        if values and service.delegation:
            yield problem(
                f"{SERVICE}.{field}",
                ", ".join(values),
                "no value together with delegation: true",
                "VirtualService with delegation can't have hosts and gateways",
            )


def matches_name_one_comparison(canary: Canary) -> Iterator[Problem]:
    """Each text is compared in at most one way, in A/B headers in exactly one."""
    for field, match in expressions.comparisons(canary):
        yield from _one_comparison(field, match)


def _one_comparison(field: str, match: StringMatch) -> Iterator[Problem]:
    keys, is_required = (
        match.which_given(*StringMatch.model_fields),
        type(match) is RequiredStringMatch,
    )
    if len(keys) > 1 or (is_required and not keys):
        yield problem(
            field,
            ", ".join(keys) or None,
            f"{'exactly' if is_required else 'at most'} one of exact, prefix, suffix, regex",
            "is compared in more than one way" if keys else "has no comparison",
        )


def origins_name_one_comparison(canary: Canary) -> Iterator[Problem]:
    """Each allowed origin is compared in exactly one way."""
    cors = canary.spec.service.cors_policy
    for index, origin in enumerate((cors and cors.allow_origins) or ()):
        field = f"{SERVICE}.corsPolicy.allowOrigins[{index}]"
        why = "must be compared in one way"
        yield from not_exactly_one(field, origin, *type(origin).model_fields, why=why)


def load_balancing_is_one_kind(canary: Canary) -> Iterator[Problem]:
    """Load balancing is either simple or by hash, and a hash has one key."""
    policy, at = canary.spec.service.traffic_policy, f"{SERVICE}.trafficPolicy"
    if not policy:
        return
    balancers = {f"{at}.loadBalancer": policy.load_balancer}
    for index, port in enumerate(policy.port_level_settings or ()):
        balancers[f"{at}.portLevelSettings[{index}].loadBalancer"] = port.load_balancer
    why = "must choose one"
    for field, balancer in balancers.items():
        if balancer:
            yield from not_exactly_one(field, balancer, "simple", "consistent_hash", why=why)
        if balancer and balancer.consistent_hash:
            by_hash = balancer.consistent_hash
            yield from not_exactly_one(f"{field}.consistentHash", by_hash, *HASH_KEYS, why=why)


RULES: Final[tuple[Rule, ...]] = (
    port_is_given,
    delegation_stands_alone,
    matches_name_one_comparison,
    origins_name_one_comparison,
    load_balancing_is_one_kind,
)
