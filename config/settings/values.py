"""Texts from flags and the environment to values: one small parser per kind of setting.

A parser raises BadValue with what is allowed; it never falls back to something else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from config import durations, meshes
from config.validation import problems

#: Flagger's levels and what Python's logging calls them.
LOG_LEVELS: Final = {
    "debug": "DEBUG",
    "info": "INFO",
    "warn": "WARNING",
    "error": "ERROR",
    "fatal": "CRITICAL",
    "panic": "CRITICAL",
}
_REDIS_SCHEMES: Final = ("redis", "rediss", "unix", "sentinel", "redis+sentinel", "rediss+sentinel")
_SWITCH: Final = {"true": True, "false": False}


class BadValue(ValueError):
    """A text that is no value of the setting; `allowed` says what would be."""

    def __init__(self, allowed: str) -> None:
        super().__init__(f"allowed: {allowed}")
        self.allowed = allowed


def text(given: str) -> str:
    """The text itself."""
    return given


def texts(given: str) -> tuple[str, ...]:
    """The parts of a comma-separated list, without blanks and empty parts."""
    return tuple(part.strip() for part in given.split(",") if part.strip())


def some_texts(given: str) -> tuple[str, ...]:
    """The parts of a comma-separated list of at least one."""
    parts = texts(given)
    if not parts:
        raise BadValue("a comma-separated list of at least one entry")
    return parts


def switch(given: str) -> bool:
    """True or false, spelled out."""
    if given not in _SWITCH:
        raise BadValue("true or false")
    return _SWITCH[given]


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers within the bounds, both included."""

    def parse(given: str) -> int:
        allowed = f"a whole number from {low} to {high}"
        if not (given.isascii() and given.isdigit() and len(given) <= 18):
            raise BadValue(allowed)
        if not low <= int(given) <= high:
            raise BadValue(allowed)
        return int(given)

    return parse


def duration(given: str) -> timedelta:
    """A Go duration of more than 0."""
    try:
        span = durations.parse(given)
    except durations.DurationError:
        raise BadValue(durations.FORM) from None
    if span <= timedelta(0):
        raise BadValue(f"{durations.FORM}, more than 0")
    return span


def log_level(given: str) -> str:
    """One of Flagger's log levels; an unknown one is refused, not read as info."""
    if given not in LOG_LEVELS:
        raise BadValue(", ".join(LOG_LEVELS))
    return given


def provider(given: str) -> str:
    """A known traffic provider, aliases resolved."""
    try:
        return meshes.canonical(given)
    except meshes.UnknownMesh:
        raise BadValue(", ".join(meshes.SPEC_PROVIDERS)) from None


def http_url(given: str) -> str:
    """An absolute HTTP URL, without a slash at the end."""
    if not problems.is_http_url(given):
        raise BadValue("an absolute http:// or https:// URL")
    return given.rstrip("/")


def redis_url(given: str) -> SecretStr:
    """A Redis URL; secret, since it may hold a password."""
    try:
        scheme = urlsplit(given).scheme
    except ValueError:
        scheme = ""
    if scheme not in _REDIS_SCHEMES:
        raise BadValue("a URL beginning with " + ", ".join(f"{s}://" for s in _REDIS_SCHEMES))
    return SecretStr(given)
