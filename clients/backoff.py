"""How long to wait before another try: the one formula behind every retry."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeVar

Span = TypeVar("Span", float, timedelta)

_MANY: Final = 30
"""Doublings after which every pause has reached its longest."""


def doubling(failures: int, first: Span, longest: Span) -> Span:
    """The pause after `failures` >= 1 failed tries: `first`, twice that, and so on to `longest`."""
    return min(longest, first * (1 << min(failures - 1, _MANY)))
