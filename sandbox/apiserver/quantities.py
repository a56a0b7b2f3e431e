"""Quantities (`500m`, `1Gi`) in the form in which Kubernetes stores them, as a pure function.

Source: k8s.io/apimachinery `pkg/api/resource` (quantity.go, amount.go, suffix.go).
"""

import re
from decimal import ROUND_UP, Decimal, localcontext
from typing import Any, Final

RULE: Final = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_SHAPE: Final = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,4}))?"
)
_DECIMAL: Final = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_NANO: Final = Decimal("1e-9")
_MOST: Final = Decimal(2**63 - 1)
_DIGITS: Final = 60


def canonical(value: Any) -> str:
    """The canonical text of a quantity given as text or number; ValueError when it is none."""
    text = str(value).strip()
    shape = None if isinstance(value, bool) else _SHAPE.fullmatch(text)
    if shape is None:
        raise ValueError(RULE)
    number, binary, decimal, power = shape.groups()
    with localcontext(prec=_DIGITS):
        if binary:
            return _binary(_bounded(Decimal(number) * 1024 ** _BINARY.index(binary)))
        exponent = int(power) if power else 3 * _DECIMAL.index(decimal or "") - 9
        amount = Decimal(number).scaleb(exponent)
        return text if _is_kept(amount) else _decimal(_bounded(amount), with_power=bool(power))


def _is_kept(amount: Decimal) -> bool:
    """Whether Kubernetes leaves the text as it was written."""
    _, digits, exponent = amount.as_tuple()
    whole = digits[0] != 0 and digits[-3:] != (0, 0, 0)
    return whole and isinstance(exponent, int) and exponent >= -9 and exponent % 3 == 0


def _bounded(amount: Decimal) -> Decimal:
    """The amount in whole billionths, away from zero, and at most what an int64 holds."""
    return min(amount, _MOST).quantize(_NANO, ROUND_UP)


def _binary(amount: Decimal) -> str:
    if abs(amount) < 1024 or amount != amount.to_integral():
        return _decimal(amount, with_power=False)
    number, unit = int(amount), 0
    while number % 1024 == 0:
        number, unit = number // 1024, unit + 1
    return f"{number}{_BINARY[unit]}"


def _decimal(amount: Decimal, *, with_power: bool) -> str:
    """The fewest digits whose exponent is a multiple of three."""
    if not amount:
        return "0"
    _, _, least = amount.normalize().as_tuple()
    exponent = min(3 * (int(least) // 3), 18)
    number = int(amount.scaleb(-exponent))
    if with_power:
        return f"{number}e{exponent}" if exponent else str(number)
    return f"{number}{_DECIMAL[exponent // 3 + 3]}"
