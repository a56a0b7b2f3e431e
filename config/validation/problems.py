"""What is wrong with a manifest, said so that its author can put it right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self
from urllib.parse import urlsplit

MISSING: Final = "(missing)"
MOST_PROBLEMS: Final = 100
_LONGEST_VALUE: Final = 60
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class ProblemReason(StrEnum):
    """What kind of problem it is; the words of the condition `Accepted`.

    They are stored: a new one is a new layout of `clients.documents.world`.
    """

    INVALID_SPEC = "InvalidSpec"
    NOT_CARRIED_OUT = "NotCarriedOut"
    DEPRECATED = "Deprecated"
    SUSPICIOUS = "Suspicious"
    TARGET_CONFLICT = "TargetConflict"
    NAME_CONFLICT = "NameConflict"
    IN_ROLLOUT = "InRollout"
    TARGET_NOT_FOUND = "TargetNotFound"
    AUTOSCALER_NOT_FOUND = "AutoscalerNotFound"
    AUTOSCALER_CONFLICT = "AutoscalerConflict"
    NO_SELECTOR_LABEL = "NoSelectorLabel"
    PRIMARY_CONFLICT = "PrimaryConflict"
    ODD_OBJECT = "OddObject"
    NOT_WATCHED = "NotWatched"
    TEMPLATE_NOT_FOUND = "TemplateNotFound"
    INVALID_TEMPLATE = "InvalidTemplate"


@dataclass(frozen=True, order=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a manifest, or suspicious, in words for its author. Ordered by path.

    `field` is the path in the manifest (`spec.analysis.metrics[0].interval`), empty when it is
    about the whole; `message` begins with it, and holds no secrets. A `blocking` problem keeps the
    manifest from being carried out at all.
    """

    field: str = ""
    message: str
    reason: ProblemReason
    blocking: bool

    @classmethod
    def of(cls, field: str, text: str, reason: ProblemReason, *, blocking: bool) -> Self:
        """What `text` says of the field. What no terminal prints is written as an escape."""
        field = _printable(field)
        message = f"{field}: {_printable(text)}" if field else _printable(text)
        return cls(field=field, message=message, reason=reason, blocking=blocking)

    @classmethod
    def invalid(cls, field: str, value: str, allowed: str, why: str) -> Self:
        """The `value` found, as messages show it, is refused."""
        text = f"{value}: {why} (allowed: {allowed})"
        return cls.of(field, text, ProblemReason.INVALID_SPEC, blocking=True)

    def at(self, field: str) -> Self:
        """The same with another name of the field."""
        return replace(self, field=field, message=field + self.message.removeprefix(self.field))

    def __str__(self) -> str:
        return self.message


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


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


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


HTTP_URL: Final = "an absolute http:// or https:// URL"


def is_http_url(url: str) -> bool:
    """Whether the text is an absolute http or https URL with a host and a usable port."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
