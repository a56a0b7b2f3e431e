"""hey's options, read as Go's flag package reads them."""

from __future__ import annotations

import base64
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from config import durations

METHODS: Final = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
AGENT: Final = "hey/0.0.1"
MOST_WORKERS: Final = 10_000
"""Workers of one run, each with a connection."""
LARGEST_BODY: Final = 16 * 1024 * 1024
"""Bytes of a body from a file."""


class UsageError(ValueError):
    """Options that cannot be used; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What load to make; times in seconds.

    `rate` is requests per second and worker, 0 for as many as there can be; a `duration` takes the
    place of `requests`.
    """

    url: str = ""
    requests: int = 200
    workers: int = 50
    rate: float = 0.0
    duration: timedelta | None = None
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "text/html"
    agent: str = ""
    host: str = ""
    body: bytes = b""
    body_file: str = ""
    """Takes the place of the body."""
    timeout: float = 20.0
    proxy: str = ""
    compression: bool = True
    keepalive: bool = True
    redirects: bool = True
    ignored: tuple[str, ...] = field(default=())
    """What stands behind the URL, where hey reads nothing any more."""

    def all_headers(self) -> list[tuple[str, str]]:
        """What is sent; those that were given come last and count."""
        usual = {
            "Content-Type": self.content_type,
            "User-Agent": f"{self.agent} {AGENT}".strip(),
            **({"Accept-Encoding": "gzip"} if self.compression else {}),
            **({"Host": self.host} if self.host else {}),
        }
        given = {name.lower() for name, _ in self.headers}
        return [*((k, v) for k, v in usual.items() if k.lower() not in given), *self.headers]


Setter = Callable[[Plan, str], Plan]


def parse(words: Sequence[str]) -> Plan:
    """The plan that the options and the URL in `words` describe. Raises UsageError."""
    plan, left = Plan(), list(words)
    while left and left[0].startswith("-") and left[0] != "-":
        name, equals, value = left.pop(0).removeprefix("-").removeprefix("-").partition("=")
        if not name:  # -- ends the options
            break
        if name in _SWITCHES:
            plan = _switched(plan, name, value if equals else "true")
        elif name in _OPTIONS:
            if not equals and not left:
                raise UsageError(f"option -{name} needs a value")
            plan = _OPTIONS[name](plan, value if equals else left.pop(0))
        else:
            said = f"option -{name}" if name in _OF_HEY else "an option"
            raise UsageError(f"{said} is unknown to {_here()}")
    if not left:
        raise UsageError("a URL is missing")
    return _checked(replace(plan, url=left[0], ignored=tuple(left[1:])))


def _here() -> str:
    known = ", ".join(f"-{name}" for name in sorted([*_OPTIONS, *_SWITCHES], key=str.lower))
    return f"the embedded load generator, which stands in for a hey that is not installed: {known}"


def _checked(plan: Plan) -> Plan:
    try:
        parts = urlsplit(plan.url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError("what stands for the URL is no http:// or https:// URL")
    if plan.duration is None and plan.requests < plan.workers:
        raise UsageError("-n cannot be less than -c")
    return plan


def _switched(plan: Plan, name: str, value: str) -> Plan:
    if value not in {"true", "false", "1", "0", "t", "f"}:
        raise UsageError(f"-{name}={value}: allowed: true or false")
    return _of(_SWITCHES[name], {"false", "0", "f"}.__contains__)(plan, value)


def _of(attribute: str, read: Callable[[str], Any]) -> Setter:
    """Sets one attribute of the plan."""

    def set_it(plan: Plan, text: str) -> Plan:
        return replace(plan, **{attribute: read(text)})

    return set_it


def _count(name: str, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= most):
            raise UsageError(f"-{name} {text}: allowed: a whole number from 1 to {most}")
        return int(text)

    return read


def _number(name: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?", text, re.ASCII):
            raise UsageError(f"-{name} {text}: allowed: a number from 0")
        return float(text)

    return read


def _duration(text: str) -> timedelta:
    try:
        span = durations.parse(text)
    except durations.DurationError:
        raise UsageError(f"-z {text}: allowed: {durations.FORM}") from None
    if span <= timedelta(0):
        raise UsageError(f"-z {text}: allowed: more than 0")
    return span


def _method(text: str) -> str:
    if text.upper() not in METHODS:
        raise UsageError(f"-m {text}: allowed: {', '.join(METHODS)}")
    return text.upper()


def _header(plan: Plan, text: str) -> Plan:
    match = re.fullmatch(r"([\w-]+):\s*(.+)", text, re.ASCII)
    if match is None or not text.isprintable():
        raise UsageError("-H: allowed: Name: value")
    name, value = match.groups()
    if name.lower() == "host":
        return replace(plan, host=value)
    return replace(plan, headers=(*plan.headers, (name, value)))


def _named_header(name: str) -> Setter:
    def add(plan: Plan, text: str) -> Plan:
        return _header(plan, f"{name}: {text}")

    return add


def _basic(plan: Plan, text: str) -> Plan:
    if ":" not in text:
        raise UsageError("-a: allowed: user:password")
    return _header(plan, f"Authorization: Basic {base64.b64encode(text.encode()).decode()}")


def _file(text: str) -> str:
    """The path; what is there is read when the load is made, and not by whoever checks it."""
    try:
        at = Path(text).stat()
    except (OSError, ValueError) as error:
        raise UsageError(f"-D: {getattr(error, 'strerror', error)}") from error
    if not stat.S_ISREG(at.st_mode) or at.st_size > LARGEST_BODY:
        raise UsageError(f"-D: allowed: a file of at most {LARGEST_BODY} bytes")
    return text


def _ignored(plan: Plan, text: str) -> Plan:
    """Of no meaning here: one core is what there is."""
    del text
    return plan


_OPTIONS: Final[dict[str, Setter]] = {
    "n": _of("requests", _count("n", 10**9)),
    "c": _of("workers", _count("c", MOST_WORKERS)),
    "q": _of("rate", _number("q")),
    "z": _of("duration", _duration),
    "m": _of("method", _method),
    "H": _header,
    "t": _of("timeout", _number("t")),
    "A": _named_header("Accept"),
    "d": _of("body", str.encode),
    "D": _of("body_file", _file),
    "T": _of("content_type", str),
    "U": _of("agent", str),
    "a": _basic,
    "x": _of("proxy", "http://{}".format),
    "host": _of("host", str),
    "cpus": _ignored,
}
_OF_HEY: Final = ("h2", "o", "more", "h", "help")
"""Options that hey has beside these. Others are not repeated: they may be a header's value."""

_SWITCHES: Final = {
    "disable-compression": "compression",
    "disable-keepalive": "keepalive",
    "disable-redirects": "redirects",
}
"""Attributes of the plan that an option turns off."""
