"""How measured values and their limits are written, in events and by the console alike. Pure.

As Flagger writes them, which prints numbers as Go does. Source: docs/compatibility/lifecycle.md,
"Event texts of metric checks".
"""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import Enum
from typing import Final

from config import durations

PERCENT: Final = "%"
MILLISECONDS: Final = "ms"

#: Powers of ten between which Go's `%v` prints no exponent.
_PLAIN_FROM: Final = -4
_PLAIN_UP_TO: Final = 6

#: Milliseconds beyond Go's range of durations, about 292 years.
_LONGEST: Final = 2**63 / 1e6

_SMALL: Final = 0.1
"""Of a good value below it two decimals would say little."""


class _Side(Enum):
    """Where a value lies; its value is how what is finer than microseconds is rounded there."""

    BELOW = ROUND_FLOOR
    WITHIN = ROUND_HALF_EVEN
    ABOVE = ROUND_CEILING


def measured(value: float, unit: str, minimum: float | None, maximum: float | None) -> str:
    """A measured value with its unit; durations are in milliseconds, limits inclusive."""
    side = _side(value, minimum, maximum)
    if unit == MILLISECONDS:
        return _duration(value, side, minimum, maximum)
    if not unit and side is _Side.WITHIN and abs(value) < _SMALL:
        return f"{value:.3g}"
    return f"{_fixed(value)}{unit}"


def limit(bound: float, unit: str) -> str:
    """A limit with its unit, to the last digit; durations to the microsecond."""
    return _exact(bound) if unit == MILLISECONDS else f"{shortest(bound)}{unit}"


def shortest(value: float) -> str:
    """The fewest digits that give back `value`, as Go's `%v`: 99, 99.5, 1e+06, 1e-05."""
    if not math.isfinite(value):
        return _special(value)
    negative, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    scale = int(exponent)  # a letter only for values that are not finite
    power = len(digits) - 1 + scale
    if _PLAIN_FROM <= power < _PLAIN_UP_TO:
        return format(Decimal((negative, digits, scale)), "f")
    mantissa = "".join(map(str, digits[1:]))
    point = "." if mantissa else ""
    return f"{'-' * negative}{digits[0]}{point}{mantissa}e{power:+03d}"


def _side(value: float, minimum: float | None, maximum: float | None) -> _Side:
    if minimum is not None and value < minimum:
        return _Side.BELOW
    return _Side.ABOVE if maximum is not None and value > maximum else _Side.WITHIN


def _fixed(value: float) -> str:
    """`value` with two decimals, as Go's `%.2f`."""
    return f"{value:.2f}" if math.isfinite(value) else _special(value)


def _special(value: float) -> str:
    """Infinities and NaN in the words of Go."""
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _duration(
    milliseconds: float, side: _Side, minimum: float | None, maximum: float | None
) -> str:
    """Whole milliseconds, as Flagger prints them, where that is enough.

    A value so near to a limit that its whole milliseconds would lie on the other side is printed to
    the microsecond, rounded away from it: `500.001ms > 500ms`.
    """
    if not abs(milliseconds) < _LONGEST:
        return _exact(milliseconds)
    whole, printed = math.trunc(milliseconds), map(_printed, (minimum, maximum))
    is_lost = side is _Side.WITHIN and not whole
    if _side(whole, *printed) is side and not is_lost:
        return durations.format_go(timedelta(milliseconds=whole))
    microseconds = (Decimal(repr(milliseconds)) * 1000).to_integral_value(side.value)
    return durations.format_go(timedelta(microseconds=int(microseconds)))


def _printed(bound: float | None) -> float | None:
    """What of a limit is printed, which is what the reader compares with."""
    return None if bound is None else round(bound, 3)


def _exact(milliseconds: float) -> str:
    """The duration to the microsecond; one that Go's type cannot hold, as a number."""
    if not math.isfinite(milliseconds):
        return _special(milliseconds)
    if abs(milliseconds) >= _LONGEST:
        return f"{shortest(milliseconds)}ms"
    return durations.format_go(timedelta(milliseconds=milliseconds))
