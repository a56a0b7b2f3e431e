"""Rules about MetricTemplate and AlertProvider."""

from __future__ import annotations

from collections.abc import Iterator

from config.api.alert_provider import AlertProvider
from config.api.metric_template import MetricProviderType, MetricTemplate
from config.validation.problems import Problem, is_http_url, shown_url
from config.validation.rules import HTTP_URL, problem


def template_problems(template: MetricTemplate) -> Iterator[Problem]:
    """What is wrong with a template whose types are right."""
    spec = template.spec
    if not spec.query.strip():
        yield problem("spec.query", spec.query, "a query", "is empty")
    address = spec.provider.address
    if not address and spec.provider.type is MetricProviderType.PROMETHEUS:
        yield problem("spec.provider.address", address, HTTP_URL, "is required")
    if address and not is_http_url(address):
        yield Problem.invalid(
            "spec.provider.address", shown_url(address), HTTP_URL, "is not a usable URL"
        )


def alert_provider_problems(provider: AlertProvider) -> Iterator[Problem]:
    """What is wrong with an alert provider whose types are right."""
    spec = provider.spec
    given = [
        name
        for name, present in (
            ("address", spec.given("address")),
            ("secretRef", spec.given("secret_ref")),
        )
        if present
    ]
    if len(given) != 1:
        yield problem(
            "spec", " and ".join(given) or None, "exactly one of address, secretRef", "must choose"
        )
    if spec.given("address") and not is_http_url(spec.address or ""):
        address = shown_url(spec.address or "")
        yield Problem.invalid("spec.address", address, HTTP_URL, "is not a usable URL")
