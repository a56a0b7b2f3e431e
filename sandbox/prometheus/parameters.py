"""Request parameters of the HTTP API: times, steps, selectors; each refused as Prometheus does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import promql_parser

from sandbox import promql
from sandbox.promql import matchers
from sandbox.promql.matchers import LabelMatcher

MAX_POINTS: Final = 11_000
"""Steps a range query may have. Source: Prometheus, "exceeded maximum resolution"."""


@dataclass(frozen=True, slots=True)
class RangeParameters:
    """The instants of a range query, in seconds."""

    start: float
    end: float
    step: float


def instant(name: str, text: str | None, default: float) -> float:
    """The time in `text`, seconds since the epoch or RFC 3339; `default` when it is absent."""
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = _rfc3339(text)
    if not math.isfinite(seconds):
        raise _invalid(name, f"cannot parse {_quoted(text)} to a valid timestamp")
    return seconds


def duration(name: str, text: str) -> float:
    """The duration in `text`, seconds or a PromQL duration such as `1m30s`, in seconds."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = promql_parser.parse_duration(text).total_seconds()
        except ValueError:
            seconds = math.nan
    if not math.isfinite(seconds):
        raise _invalid(name, f"cannot parse {_quoted(text)} to a valid duration")
    return seconds


def query_range(start: str, end: str, step: str) -> RangeParameters:
    """The range of a range query; raises BadQueryError for one that is empty or too long."""
    chosen = RangeParameters(
        instant("start", start, math.nan), instant("end", end, math.nan), duration("step", step)
    )
    for name, value in (("start", chosen.start), ("end", chosen.end)):
        if math.isnan(value):
            raise _invalid(name, 'cannot parse "" to a valid timestamp')
    if chosen.end < chosen.start:
        raise _invalid("end", "end timestamp must not be before start time")
    if round(chosen.step * 1000) <= 0:
        raise _invalid(
            "step",
            "zero or negative query resolution step widths are not accepted. "
            "Try a positive integer",
        )
    if (chosen.end - chosen.start) / chosen.step > MAX_POINTS:
        raise promql.BadQueryError(
            "exceeded maximum resolution of 11,000 points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
    return chosen


def selector(text: str) -> tuple[LabelMatcher, ...]:
    """The matchers of a `match[]` parameter; raises BadQueryError when it is no selector."""
    expression = promql.parse(text)
    if not isinstance(expression, promql_parser.VectorSelector):
        raise _invalid("match[]", f"expected a series selector, got {_quoted(text)}")
    return matchers.compile_selector(expression)


def _rfc3339(text: str) -> float:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return math.nan
    return math.nan if parsed.tzinfo is None else parsed.timestamp()


def _quoted(text: str) -> str:
    return f'"{text}"'


def _invalid(name: str, problem: str) -> promql.BadQueryError:
    return promql.BadQueryError(f'invalid parameter "{name}": {problem}')
