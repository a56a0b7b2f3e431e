"""What is wrong with a manifest, said so that its author can put it right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

MISSING: Final = "(missing)"
MOST_PROBLEMS: Final = 100
_LONGEST_VALUE: Final = 60
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One thing wrong (or suspicious): where, what was found, what is allowed, why.

    `field` is the path in the manifest (`spec.analysis.metrics[0].interval`), `value` the value
    found, shortened and without secrets. Ordered by path.
    """

    field: str
    value: str
    allowed: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.value}: {self.message} (allowed: {self.allowed})"


class InvalidSpec(ValueError):
    """A manifest that cannot be used; `problems` holds all that is wrong, sorted by field.

    Not more than `MOST_PROBLEMS`: who mends those is told the rest.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems))[:MOST_PROBLEMS])
        super().__init__("; ".join(map(str, self.problems)))


def path(location: Sequence[str | int]) -> str:
    """The location as written in messages: dots, `[0]` for indices, `["a.b"]` for odd keys."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text


def shown(value: Any) -> str:
    """The value as messages show it: JSON, shortened; objects and lists only by kind."""
    if value is None:
        return MISSING
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = json.dumps(value) if isinstance(value, str | bool | int | float) else "a value"
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def shown_url(url: str) -> str:
    """The URL as messages show it: scheme and host only, since paths may hold tokens."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "(a malformed URL)"
    if not (parts.scheme and host):
        return "(a URL without scheme and host)" if url else '""'
    return shown(f"{parts.scheme}://{host}/…")


def is_http_url(url: str) -> bool:
    """Whether the text is an absolute http or https URL with a host and a usable port."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
