"""Rules about MetricTemplate and AlertProvider."""

from __future__ import annotations

from collections.abc import Iterator

from config.api.alert_provider import AlertProvider
from config.api.metric_template import MetricProviderType, MetricTemplate
from config.validation.problems import Problem
from config.validation.rules import HTTP_URL, not_a_url, problem


def template_is_complete(template: MetricTemplate) -> Iterator[Problem]:
    """There is a query, and an address where the backend needs one."""
    spec, field = template.spec, "spec.provider.address"
    if not spec.query.strip():
        yield problem("spec.query", spec.query, "a query", "is empty")
    if spec.provider.address:
        yield from not_a_url(field, spec.provider.address)
    elif spec.provider.type is MetricProviderType.PROMETHEUS:
        yield problem(field, spec.provider.address, HTTP_URL, "is required")


def provider_has_one_address(provider: AlertProvider) -> Iterator[Problem]:
    """There is an address or a Secret with one."""
    spec = provider.spec
    present = spec.which_given("address", "secret_ref")
    if len(present) != 1:
        allowed = "exactly one of address, secretRef"
        yield problem("spec", " and ".join(present) or None, allowed, "must choose")
    if spec.given("address"):
        yield from not_a_url("spec.address", spec.address or "")
