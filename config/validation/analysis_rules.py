"""Rules about `spec.analysis`: steps that always lead somewhere, checks and webhooks.

A step of 0 or a falling list would keep a rollout Progressing for ever without a word; such
plans are refused here instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from config.api.analysis import STRATEGY_KEYS
from config.api.canary import Canary
from config.api.metrics import BUILTIN_METRICS, MetricCheck
from config.validation.problems import Problem
from config.validation.rules import ANALYSIS, Rule, bad_duration, not_a_url, out_of_range, problem

#: RFC 6265, section 4.1.1.
_COOKIE_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
_ATTRIBUTE: Final = re.compile(r"[ -:<-~]+")


def timing_is_given(canary: Canary) -> Iterator[Problem]:
    """Interval and threshold are present, and the interval is a duration."""
    analysis = canary.spec.analysis
    if not canary.spec.given("analysis"):
        return
    if not analysis.given("interval"):
        yield problem(f"{ANALYSIS}.interval", None, "a duration such as 1m", "is required")
    if not analysis.given("threshold"):
        yield problem(f"{ANALYSIS}.threshold", None, "a whole number from 1", "is required")
    yield from bad_duration(f"{ANALYSIS}.interval", analysis.interval, positive=False)


def pace_is_in_durations(canary: Canary) -> Iterator[Problem]:
    """Deadlines, delays and the lengths of steps are durations."""
    analysis = canary.spec.analysis
    for field, text in (
        ("gateDeadline", analysis.gate_deadline),
        ("initialDelay", analysis.initial_delay),
        ("maxDuration", analysis.max_duration),
        ("rollbackWindow", analysis.rollback_window),
    ):
        yield from bad_duration(f"{ANALYSIS}.{field}", text, positive=True)
    for index, text in enumerate(analysis.step_durations):
        yield from bad_duration(f"{ANALYSIS}.stepDurations[{index}]", text, positive=False)


def one_strategy_leads_somewhere(canary: Canary) -> Iterator[Problem]:
    """There is one strategy; iterations and steps are positive, a list of weights rises."""
    analysis = canary.spec.analysis
    match analysis.which_given("iterations", "step_weight", "step_weights"):
        case ["iterations"] if analysis.iterations < 1:
            field, allowed = f"{ANALYSIS}.iterations", "a whole number from 1"
            yield problem(field, analysis.iterations, allowed, "is out of range")
        case ["stepWeight"]:
            yield from out_of_range(f"{ANALYSIS}.stepWeight", analysis.step_weight, 1, 100)
        case ["stepWeights"]:
            yield from _weights_rise(analysis.step_weights)
        case [] | [_, _, *_] as present if canary.spec.given("analysis"):
            yield problem(
                ANALYSIS,
                " and ".join(present) or None,
                f"exactly one of {', '.join(STRATEGY_KEYS)}",
                "names more than one strategy" if present else "names no strategy",
            )


def _weights_rise(weights: tuple[int, ...]) -> Iterator[Problem]:
    field = f"{ANALYSIS}.stepWeights"
    allowed = "a list of increasing whole numbers from 1 to 100"
    if not weights:
        yield problem(field, [], allowed, "has no step")
    for index, weight in enumerate(weights):
        if weight < 1:
            yield problem(f"{field}[{index}]", weight, allowed, "is out of range")
    for index, (before, after) in enumerate(pairwise(weights), start=1):
        if after <= before:
            message = f"is not more than the step before it, {before}"
            yield problem(f"{field}[{index}]", after, allowed, message)


def maximum_is_a_percentage(canary: Canary) -> Iterator[Problem]:
    """`maxWeight` is from 0 to 100; beside `stepWeights` it is ignored."""
    analysis = canary.spec.analysis
    if not analysis.given("step_weights"):
        yield from out_of_range(f"{ANALYSIS}.maxWeight", analysis.max_weight, 0, 100)


def mirrored_share_is_a_percentage(canary: Canary) -> Iterator[Problem]:
    """`mirrorWeight` is from 0, which is whatever the mesh does by itself, to 100."""
    weight = canary.spec.analysis.mirror_weight
    yield from out_of_range(f"{ANALYSIS}.mirrorWeight", weight, 0, 100)


def matches_choose_requests(canary: Canary) -> Iterator[Problem]:
    """What is under `match` says something of requests: an empty condition is true of all."""
    analysis, field = canary.spec.analysis, f"{ANALYSIS}.match"
    if analysis.given("match") and not analysis.match:
        yield problem(field, (), "at least one condition", "chooses no requests")
    for index, request in enumerate(analysis.match):
        if not (request.headers or request.query_params or request.source_labels):
            allowed, at = "headers, queryParams or sourceLabels", f"{field}[{index}]"
            for name, value in request.uncompared.items():
                yield problem(f"{at}.{name}", value, allowed, "is compared with no request")
            if not request.uncompared:
                yield problem(at, {}, allowed, "says nothing of requests")
        for name, text in (request.query_params or {}).items():
            if not text.wire():
                at, allowed = f"{field}[{index}].queryParams.{name}", "exact, prefix or regex"
                yield problem(at, None, f"exactly one of {allowed}", "has no comparison")


def cookies_can_be_set(canary: Canary) -> Iterator[Problem]:
    """Names and attributes of cookies are of characters that a browser takes them from."""
    affinity, field = canary.spec.analysis.session_affinity, f"{ANALYSIS}.sessionAffinity"
    if not affinity:
        return
    for key, name in (
        ("cookieName", affinity.cookie_name),
        ("primaryCookieName", affinity.primary_cookie_name),
    ):
        if name and not _COOKIE_NAME.fullmatch(name):
            allowed = "letters, digits and !#$%&'*+-.^_`|~"
            yield problem(f"{field}.{key}", name, allowed, "is no name of a cookie")
    for key, text in (("domain", affinity.domain), ("path", affinity.path)):
        if text and not _ATTRIBUTE.fullmatch(text):
            allowed = "printable ASCII without semicolon"
            yield problem(f"{field}.{key}", text, allowed, "is no attribute of a cookie")


def cookies_differ(canary: Canary) -> Iterator[Problem]:
    """The cookies of canary and primary have names, and different ones."""
    affinity, field = canary.spec.analysis.session_affinity, f"{ANALYSIS}.sessionAffinity"
    if affinity and not affinity.cookie_name:
        yield problem(f"{field}.cookieName", "", "the name of a cookie", "is empty")
    elif affinity and affinity.cookie_name == affinity.primary_cookie_name:
        yield problem(
            f"{field}.primaryCookieName",
            affinity.primary_cookie_name,
            "a name other than cookieName",
            "can't use the same cookie name for both primary and cookie name; please update them "
            "to be different",
        )


def metrics_can_be_checked(canary: Canary) -> Iterator[Problem]:
    """Each metric is builtin or has a query or a template, a window and satisfiable bounds."""
    for index, check in enumerate(canary.spec.analysis.metrics):
        field = f"{ANALYSIS}.metrics[{index}]"
        yield from _can_be_checked(field, check)
        yield from bad_duration(f"{field}.interval", check.interval, positive=True)


def _can_be_checked(field: str, check: MetricCheck) -> Iterator[Problem]:
    if not (check.is_builtin or check.query or check.template_ref):
        names = " or ".join(BUILTIN_METRICS)
        allowed = f"the name {names}, a query, or a templateRef"
        yield problem(field, check.name, allowed, "has nothing to measure")
    if check.template_ref and not check.template_ref.name:
        yield problem(f"{field}.templateRef.name", "", "name of a MetricTemplate", "is empty")
    bounds = check.threshold_range
    low, high = (bounds.min, bounds.max) if bounds else (None, None)
    if low is not None and high is not None and low > high:
        value, allowed = f"min {low:g}, max {high:g}", "min not more than max"
        yield problem(f"{field}.thresholdRange", value, allowed, "no value can pass")


def webhooks_can_be_called(canary: Canary) -> Iterator[Problem]:
    """Each webhook has a usable URL and time limit."""
    for index, hook in enumerate(canary.spec.analysis.webhooks):
        field = f"{ANALYSIS}.webhooks[{index}]"
        yield from not_a_url(f"{field}.url", hook.url)
        yield from bad_duration(f"{field}.timeout", hook.timeout, positive=True)


RULES: Final[tuple[Rule, ...]] = (
    timing_is_given,
    pace_is_in_durations,
    one_strategy_leads_somewhere,
    maximum_is_a_percentage,
    mirrored_share_is_a_percentage,
    matches_choose_requests,
    cookies_can_be_set,
    cookies_differ,
    metrics_can_be_checked,
    webhooks_can_be_called,
)
