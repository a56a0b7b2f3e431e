"""What the rules of validation share: a rule is a function from a canary to its problems.

The rules themselves live by subject: target_rules, service_rules, analysis_rules.
They see a canary whose types are right and say what the schema cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

from pydantic.alias_generators import to_camel

from config import durations
from config.api.canary import Canary
from config.api.model import Model
from config.validation.problems import HTTP_URL, Problem, is_http_url, shown, shown_url

Rule = Callable[[Canary], Iterator[Problem]]

ANALYSIS: Final = "spec.analysis"
SERVICE: Final = "spec.service"


def problem(field: str, value: Any, allowed: str, message: str) -> Problem:
    """A problem with the value as messages show it."""
    return Problem.invalid(field, shown(value), allowed, message)


def not_a_url(field: str, url: str) -> Iterator[Problem]:
    """A problem when the text is no URL that can be asked."""
    if not is_http_url(url):
        yield Problem.invalid(field, shown_url(url), HTTP_URL, "is not a usable URL")


def not_exactly_one(field: str, part: Model, *keys: str, why: str) -> Iterator[Problem]:
    """A problem when not exactly one of the keys (Python names) of `part` was given."""
    present = part.which_given(*keys)
    if len(present) != 1:
        allowed = f"exactly one of {', '.join(map(to_camel, keys))}"
        yield problem(field, ", ".join(present) or None, allowed, why)


def out_of_range(field: str, value: int, low: int, high: int) -> Iterator[Problem]:
    """A problem when the whole number is not within the bounds, both included."""
    if not low <= value <= high:
        yield problem(field, value, f"a whole number from {low} to {high}", "is out of range")


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
