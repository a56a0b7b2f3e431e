"""One entry per setting: its flag, its name in the environment, its parser and its help.

A setting is declared once, as a field made by `setting`; flags, environment and `--help` are
read off the declarations. A parser raises BadValue with what is allowed; it never falls back to
something else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from config import durations, meshes, networks, shards
from config.networks import Denied
from config.shards import Shard
from config.validation import problems

PREFIX: Final = "COALMINE_"
_METADATA_KEY: Final = "flag"

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
        is_whole = given.isascii() and given.isdigit() and len(given) <= 18
        if not (is_whole and low <= int(given) <= high):
            raise BadValue(f"a whole number from {low} to {high}")
        return int(given)

    return parse


port: Final = whole(0, 65_535)
"""A parser of ports to listen on; 0 is any free one."""


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
    """A known traffic provider, as given: users are told when it is an alias."""
    try:
        meshes.canonical(given)
    except meshes.UnknownMesh:
        raise BadValue(", ".join(meshes.SPEC_PROVIDERS)) from None
    return given


def denied(given: str) -> Denied:
    """A list of networks, perhaps of none."""
    try:
        return Denied.parse(given)
    except ValueError:
        raise BadValue(networks.FORM) from None


def shard(given: str) -> Shard:
    """One of several parts of the namespaces."""
    try:
        return Shard.parse(given)
    except ValueError:
        raise BadValue(shards.FORM) from None


def http_url(given: str) -> str:
    """An absolute HTTP URL, without a slash at the end."""
    if not problems.is_http_url(given):
        raise BadValue(problems.HTTP_URL)
    return given.rstrip("/")


def secret_url(given: str) -> SecretStr:
    """An absolute HTTP URL; secret, since those of chats hold a token."""
    if not problems.is_http_url(given):
        raise BadValue(problems.HTTP_URL)
    return SecretStr(given)


def secret(given: str) -> SecretStr:
    """Whatever is given, shown nowhere."""
    return SecretStr(given)


def link(given: str) -> str:
    """An absolute HTTP URL with places for namespace and name."""
    if not problems.is_http_url(linked(given, "namespace", "name")):
        raise BadValue(f"{problems.HTTP_URL}, with {{namespace}} and {{name}}")
    return given


def linked(template: str, namespace: str, name: str) -> str:
    """`template` with the names in their places; other braces stay as they are."""
    return template.replace("{namespace}", quote(namespace)).replace("{name}", quote(name))


def redis_url(given: str) -> SecretStr:
    """A Redis URL; secret, since it may hold a password."""
    try:
        scheme = urlsplit(given).scheme
    except ValueError:
        scheme = ""
    if scheme not in _REDIS_SCHEMES:
        raise BadValue("a URL beginning with " + ", ".join(f"{s}://" for s in _REDIS_SCHEMES))
    return SecretStr(given)


@dataclass(frozen=True, slots=True)
class Flag:
    """How one setting is given.

    `name` is the flag without dashes (Flagger's name where it has one), `env` the variable,
    `default` the default as one would write it (empty for none), `help` the meaning with unit and
    the reason of the default. `flagger_env` is the variable that Flagger has for it, if any, which
    outranks flag and variable, as with Flagger. `group` and `field` say where it lands in
    `Settings`.
    """

    name: str
    env: str
    default: str
    help: str
    parse: Callable[[str], Any]
    flagger_env: str = ""
    group: str = ""
    field: str = ""

    @property
    def option(self) -> str:
        """The flag as typed: `--mesh-provider`."""
        return f"--{self.name}"

    @property
    def is_switch(self) -> bool:
        """Whether the bare flag means true."""
        return self.parse is switch

    @property
    def secret(self) -> bool:
        """Whether the value must not be shown."""
        return self.parse in {redis_url, secret_url, secret}

    @property
    def dest(self) -> str:
        """The attribute that argparse stores the flag under."""
        return self.name.replace("-", "_")


def setting(
    name: str,
    parse: Callable[[str], Any],
    default: str,
    help_text: str,
    *,
    env: str = "",
    flagger_env: str = "",
) -> Any:
    """A dataclass field for the setting `name`; an empty `default` means None."""
    flag = Flag(
        name=name,
        env=PREFIX + (env or name.replace("-", "_").upper()),
        default=default,
        help=help_text,
        parse=parse,
        flagger_env=flagger_env,
    )
    value = parse(default) if default or parse in {texts, denied} else None
    return dataclasses.field(default=value, metadata={_METADATA_KEY: flag})


def declared(group: str, cls: type[Any]) -> tuple[Flag, ...]:
    """The flags of a settings group, in the order of its fields."""
    return tuple(
        dataclasses.replace(field.metadata[_METADATA_KEY], group=group, field=field.name)
        for field in dataclasses.fields(cls)
    )
