"""Go durations, the form in which Kubernetes manifests and Flagger's texts write time spans."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

FORM: Final = "a Go duration such as 30s, 1m30s, 500ms or 1.5h"

#: What the CRDs admit: one or more number-and-unit pairs, anchored at both ends.
STRICT_PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"

_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, micro sign
    "μs": 1_000,  # U+03BC, Greek mu: Go accepts both
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_MICROSECOND: Final = timedelta(microseconds=1)
_GO_MAX_NANOSECONDS: Final = 2**63 - 1
_LONGEST: Final = 200  # bounds the work; no duration anyone means is longer


class DurationError(ValueError):
    """A text that is not a Go duration; the message names the text and the form."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is not {FORM}")
        self.text = text


def parse(text: str) -> timedelta:
    """The time span written as a Go duration, to the microsecond (finer digits are cut off).

    Accepts what Go's `time.ParseDuration` accepts: an optional sign, then number-and-unit
    pairs of ns, us, ms, s, m, h in any order, or a bare `0`. Raises DurationError otherwise,
    also beyond Go's range of about 292 years.
    """
    if len(text) > _LONGEST:
        raise DurationError(text)
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if body == "0":
        return timedelta(0)
    nanoseconds = _nanoseconds(body)
    if nanoseconds is None or nanoseconds > _GO_MAX_NANOSECONDS:
        raise DurationError(text)
    return sign * timedelta(microseconds=nanoseconds // 1_000)


def is_duration(text: str) -> bool:
    """Whether `parse` takes the text."""
    try:
        parse(text)
    except DurationError:
        return False
    return True


def _nanoseconds(body: str) -> int | None:
    total, position = 0, 0
    while match := _PART.match(body, position):
        total += _scaled(match[1], _NANOSECONDS[match[2]])
        position = match.end()
    return total if body and position == len(body) else None


def _scaled(number: str, unit: int) -> int:
    whole, _, fraction = number.partition(".")
    digits = fraction[:18]  # finer than a nanosecond in any unit
    part = int(digits) * unit // int("1" + "0" * len(digits)) if digits else 0
    return int(whole or 0) * unit + part


def format_go(span: timedelta) -> str:
    """The span as Go prints it: `0s`, `500ms`, `1.515s`, `1m30s`, `1h0m0s`.

    Below a second the unit is ms or µs; minutes and hours always carry the smaller units, as in
    Go's `Duration.String`.
    """
    microseconds = span // _MICROSECOND
    sign = "-" if microseconds < 0 else ""
    return sign + _format_positive(abs(microseconds))


def _format_positive(microseconds: int) -> str:
    if microseconds == 0:
        return "0s"
    if microseconds < 1_000:
        return f"{microseconds}µs"
    if microseconds < 1_000_000:
        return f"{_decimal(microseconds, 1_000)}ms"
    minutes, rest = divmod(microseconds, 60_000_000)
    seconds = f"{_decimal(rest, 1_000_000)}s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(value: int, unit: int) -> str:
    """`value / unit` in decimal without trailing zeros; exact, `unit` being a power of ten."""
    whole, rest = divmod(value, unit)
    fraction = str(rest).rjust(len(str(unit)) - 1, "0").rstrip("0") if rest else ""
    return f"{whole}.{fraction}" if fraction else str(whole)
