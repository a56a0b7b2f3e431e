"""Rules about metric checks and webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from config.api.canary import Canary
from config.api.metrics import BUILTIN_METRICS, MetricCheck
from config.validation.problems import Problem, is_http_url, shown_url
from config.validation.rules import ANALYSIS, HTTP_URL, Rule, bad_duration, problem


def metrics_can_be_checked(canary: Canary) -> Iterator[Problem]:
    """Each metric is builtin or has a query or a template, a window and satisfiable bounds."""
    for index, check in enumerate(canary.spec.analysis.metrics):
        field = f"{ANALYSIS}.metrics[{index}]"
        yield from _has_a_query(field, check)
        yield from _bounds_are_in_order(field, check)
        yield from bad_duration(f"{field}.interval", check.interval, positive=True)


def _has_a_query(field: str, check: MetricCheck) -> Iterator[Problem]:
    if not (check.is_builtin or check.query or check.template_ref):
        yield problem(
            field,
            check.name,
            f"the name {' or '.join(BUILTIN_METRICS)}, a query, or a templateRef",
            "has nothing to measure",
        )
    if check.template_ref and not check.template_ref.name:
        yield problem(f"{field}.templateRef.name", "", "name of a MetricTemplate", "is empty")


def _bounds_are_in_order(field: str, check: MetricCheck) -> Iterator[Problem]:
    bounds = check.threshold_range
    if not bounds or bounds.min is None or bounds.max is None:
        return
    if bounds.min > bounds.max:
        yield problem(
            f"{field}.thresholdRange",
            f"min {bounds.min:g}, max {bounds.max:g}",
            "min not more than max",
            "no value can pass",
        )


def webhooks_can_be_called(canary: Canary) -> Iterator[Problem]:
    """Each webhook has a usable URL and time limit."""
    for index, hook in enumerate(canary.spec.analysis.webhooks):
        field = f"{ANALYSIS}.webhooks[{index}]"
        if not is_http_url(hook.url):
            yield Problem.invalid(
                f"{field}.url", shown_url(hook.url), HTTP_URL, "is not a usable URL"
            )
        yield from bad_duration(f"{field}.timeout", hook.timeout, positive=True)


RULES: Final[tuple[Rule, ...]] = (metrics_can_be_checked, webhooks_can_be_called)
