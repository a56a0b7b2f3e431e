"""Float arithmetic and text as Go has it: IEEE results where Python raises.

`1 / 0` is `+Inf` and `0 / 0` is `NaN` in a query; Flagger reads the latter as "no values found".
"""

import decimal
import math
from collections.abc import Callable, Mapping
from typing import Final

# Go's encoder for the HTTP API writes an exponent outside this range.
_PLAIN_FROM, _PLAIN_BELOW = 1e-6, 1e21


def divide(left: float, right: float) -> float:
    """`left / right` under IEEE 754: infinities and NaN instead of an error."""
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def modulo(left: float, right: float) -> float:
    """The remainder with the sign of `left`; NaN when there is none."""
    if right == 0 or math.isinf(left):
        return math.nan
    return math.fmod(left, right)


def power(base: float, exponent: float) -> float:
    """`base` to the `exponent`, with overflow to infinity and NaN for a complex result."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        odd = exponent % 2 == 1
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base != 0:
            return math.nan
        return math.copysign(math.inf, base) if exponent % 2 == 1 else math.inf


def maximum(left: float, right: float) -> float:
    """The greater of two; NaN if either is, unless the other is +Inf."""
    if math.isnan(left) or math.isnan(right):
        return math.inf if math.inf in (left, right) else math.nan
    return max(left, right)


def guarded(function: Callable[[float], float]) -> Callable[[float], float]:
    """`function` with NaN where it is not defined and +Inf where it overflows."""

    def apply(value: float) -> float:
        try:
            return function(value)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return apply


def logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    """`function`, a logarithm, with -Inf at zero and NaN below it."""
    return lambda value: -math.inf if value == 0 else guarded(function)(value)


def rounding(function: Callable[[float], int]) -> Callable[[float], float]:
    """`function`, a rounding to integers, that leaves NaN and infinities as they are."""
    return lambda value: float(function(value)) if math.isfinite(value) else value


ARITHMETIC: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": divide,
    "%": modulo,
    "^": power,
    "atan2": math.atan2,
}

COMPARISON: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
}


def text(value: float) -> str:
    """The shortest text that reads back as `value`, as the Prometheus HTTP API writes it."""
    special = _special(value)
    if special is not None:
        return special
    if value != 0 and not _PLAIN_FROM <= abs(value) < _PLAIN_BELOW:
        return repr(value).replace(".0e", "e")
    return plain_text(value)


def plain_text(value: float) -> str:
    """`value` without an exponent, as `count_values` writes it into a label."""
    special = _special(value)
    if special is not None:
        return special
    return format(decimal.Decimal(repr(value)), "f").removesuffix(".0")


def parse(digits: str) -> float | None:
    """The number written in `digits` as Go's ParseFloat reads it, or None."""
    try:
        return float(digits.strip("_")) if digits == digits.strip() else None
    except ValueError:
        return None


def _special(value: float) -> str | None:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return None
