"""Errors of the API server in the words of Flagger's events, and those that are conflicts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from clients import errors

UNFIT: Final = 422
"""What an API server answers to a JSON patch whose tests do not hold."""


@contextmanager
def told(doing: str) -> Iterator[None]:
    """A block whose errors begin with `doing`, in the words of Flagger's events, and keep kind."""
    try:
        yield
    except errors.ClientError as refused:
        raise type(refused)(
            f"{doing}: {refused.message}", status=refused.status, reason=refused.reason
        ) from refused
