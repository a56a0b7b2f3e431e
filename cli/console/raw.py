"""Reading JSON that others wrote: what is missing, or of another type, is absent. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

Raw = Mapping[str, Any]


def at(value: Any, *path: str) -> Any:
    """What is at `path` in nested mappings; None where a part of the path is missing."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def text(value: Any, *path: str) -> str:
    """The text at `path` without control characters, which a terminal would obey; else empty."""
    found = at(value, *path)
    return printable(found) if isinstance(found, str) else ""


def number(value: Any, *path: str) -> int:
    """The whole number at `path`; 0 for anything else."""
    found = at(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def decimal(value: Any, *path: str) -> float | None:
    """The number at `path`; None for anything else."""
    found = at(value, *path)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def mappings(value: Any, *path: str) -> Iterator[Raw]:
    """The mappings in the list at `path`."""
    found = at(value, *path)
    items = found if isinstance(found, list | tuple) else ()
    return (item for item in items if isinstance(item, Mapping))


def moment(value: Any, *path: str) -> datetime | None:
    """The time at `path`, as Kubernetes and Coalmine write it; None for anything else."""
    try:
        read = datetime.fromisoformat(text(value, *path))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def printable(words: str) -> str:
    """`words` with a space for each character that is none to be seen, line ends excepted."""
    return "".join(each if each.isprintable() or each == "\n" else " " for each in words)
