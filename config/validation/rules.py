"""What the rules of validation share: a rule is a function from a canary to its problems.

The rules themselves live by subject: target_rules, service_rules, strategy_rules, check_rules.
They see a canary whose types are right and say what the schema cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

from config import durations
from config.api.canary import Canary
from config.validation.problems import Problem, shown

Rule = Callable[[Canary], Iterator[Problem]]

ANALYSIS: Final = "spec.analysis"
SERVICE: Final = "spec.service"

HTTP_URL: Final = "an absolute http:// or https:// URL"


def problem(field: str, value: Any, allowed: str, message: str) -> Problem:
    """A problem with the value as messages show it."""
    return Problem.invalid(field, shown(value), allowed, message)


def out_of_range(field: str, value: int, low: int, high: int) -> Iterator[Problem]:
    """A problem when the whole number is not within the bounds, both included."""
    if not low <= value <= high:
        yield problem(field, value, f"a whole number from {low} to {high}", "is out of range")


def below(field: str, value: int | None, low: int) -> Iterator[Problem]:
    """A problem when the whole number is given and less than `low`."""
    if value is not None and value < low:
        yield problem(field, value, f"a whole number from {low}", "is out of range")


def bad_duration(field: str, text: str | None, *, positive: bool) -> Iterator[Problem]:
    """A problem when the text is given and no duration, negative, or 0 where it must not be."""
    if not text:
        return
    try:
        span = durations.parse(text)
    except durations.DurationError:
        yield problem(field, text, durations.FORM, "is not a duration")
        return
    if span < timedelta(0) or (positive and not span):
        yield problem(field, text, f"{durations.FORM}, more than 0", "is too short")
