"""One entry per setting: its flag, its name in the environment, its parser and its help.

A setting is declared once, as a field made by `setting`; flags, environment and `--help` are
read off the declarations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from config.settings import values

PREFIX: Final = "COALMINE_"
_METADATA_KEY: Final = "flag"


@dataclass(frozen=True, slots=True)
class Flag:
    """How one setting is given.

    `name` is the flag without dashes (Flagger's name where it has one), `env` the variable,
    `default` the default as one would write it (empty for none), `help` the meaning with unit and
    the reason of the default. `group` and `field` say where it lands in `Settings`.
    """

    name: str
    env: str
    default: str
    help: str
    parse: Callable[[str], Any]
    secret: bool = False
    group: str = ""
    field: str = ""

    @property
    def option(self) -> str:
        """The flag as typed: `--mesh-provider`."""
        return f"--{self.name}"

    @property
    def is_switch(self) -> bool:
        """Whether the bare flag means true."""
        return self.parse is values.switch

    @property
    def dest(self) -> str:
        """The attribute that argparse stores the flag under."""
        return self.name.replace("-", "_")


def setting(
    name: str, parse: Callable[[str], Any], default: str, help_text: str, env: str = ""
) -> Any:
    """A dataclass field for the setting `name`; an empty `default` means None."""
    flag = Flag(
        name=name,
        env=PREFIX + (env or name.replace("-", "_").upper()),
        default=default,
        help=help_text,
        parse=parse,
        secret=parse is values.redis_url,
    )
    value = parse(default) if default or parse is values.texts else None
    return dataclasses.field(default=value, metadata={_METADATA_KEY: flag})


def declared(group: str, cls: type[Any]) -> tuple[Flag, ...]:
    """The flags of a settings group, in the order of its fields."""
    return tuple(
        dataclasses.replace(field.metadata[_METADATA_KEY], group=group, field=field.name)
        for field in dataclasses.fields(cls)
    )


def as_environ(given: Mapping[str, str | None], flags: tuple[Flag, ...]) -> dict[str, str]:
    """The flags that were given (by `dest`, None for absent) as environment variables.

    Laid over the environment they win, and child processes inherit them.
    """
    values = ((flag.env, given.get(flag.dest)) for flag in flags)
    return {env: value for env, value in values if value is not None}
