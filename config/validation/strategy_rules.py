"""Rules about the strategy: steps that always lead somewhere, percentages, thresholds.

A step of 0 or a falling list would keep a rollout Progressing for ever without a word; such
plans are refused here instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from config.api.analysis import STRATEGY_KEYS, Analysis
from config.api.canary import Canary
from config.validation.problems import Problem
from config.validation.rules import ANALYSIS, Rule, bad_duration, below, out_of_range, problem

_STRATEGY_FIELDS: Final = dict(
    zip(STRATEGY_KEYS, ("iterations", "step_weight", "step_weights"), strict=True)
)


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


def one_strategy(canary: Canary) -> Iterator[Problem]:
    """Exactly one of iterations, stepWeight and stepWeights is given."""
    if not canary.spec.given("analysis"):
        return
    present = _present(canary.spec.analysis)
    if len(present) != 1:
        yield problem(
            ANALYSIS,
            " and ".join(present) or None,
            f"exactly one of {', '.join(STRATEGY_KEYS)}",
            "names more than one strategy" if present else "names no strategy",
        )


def _present(analysis: Analysis) -> list[str]:
    """The strategy keys that were given, whatever their values."""
    return [key for key, field in _STRATEGY_FIELDS.items() if analysis.given(field)]


def steps_lead_somewhere(canary: Canary) -> Iterator[Problem]:
    """Iterations and steps are positive; a list of weights rises at every step."""
    analysis = canary.spec.analysis
    match _present(analysis):
        case ["iterations"]:
            yield from below(f"{ANALYSIS}.iterations", analysis.iterations, 1)
        case ["stepWeight"]:
            yield from out_of_range(f"{ANALYSIS}.stepWeight", analysis.step_weight, 1, 100)
        case ["stepWeights"]:
            yield from _weights_rise(analysis.step_weights)
        case _:
            return  # `one_strategy` has said so


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


def cookies_differ(canary: Canary) -> Iterator[Problem]:
    """The cookies of canary and primary have names, and different ones."""
    affinity = canary.spec.analysis.session_affinity
    if not affinity:
        return
    field = f"{ANALYSIS}.sessionAffinity"
    if not affinity.cookie_name:
        yield problem(f"{field}.cookieName", "", "the name of a cookie", "is empty")
    elif affinity.cookie_name == affinity.primary_cookie_name:
        yield problem(
            f"{field}.primaryCookieName",
            affinity.primary_cookie_name,
            "a name other than cookieName",
            "can't use the same cookie name for both primary and cookie name; please update them "
            "to be different",
        )


RULES: Final[tuple[Rule, ...]] = (
    timing_is_given,
    one_strategy,
    steps_lead_somewhere,
    maximum_is_a_percentage,
    cookies_differ,
)
