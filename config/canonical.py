"""JSON as one text for one value: what is compared, kept and digested."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

DIGITS: Final = 20
"""Hex digits of a digest: 80 bits, so that two releases never look the same by accident."""


def text(value: Any) -> str:
    """JSON that is equal for equal values: sorted keys, no spaces. Raises ValueError for NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """`DIGITS` lower-case hex digits that are equal for equal values. Raises ValueError for NaN."""
    return hashlib.sha256(text(value).encode()).hexdigest()[:DIGITS]
