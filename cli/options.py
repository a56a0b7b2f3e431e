"""Settings as options: every entry of `settings.FLAGS` as `--flag`, as help, as Settings.

Flagger writes its flags with one dash (`-mesh-provider=istio`); both forms are read. Precedence:
option, then environment, then default.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from config.settings.flags import Flag
from config.settings.settings import FLAGS, GROUPS, Settings

GROUP_TITLES: Final[Mapping[str, str]] = {
    "redis": "Redis",
    "kubernetes": "Kubernetes",
    "metrics": "metrics",
    "canaries": "canaries",
    "alerts": "alerts",
    "scheduler": "scheduling",
    "workers": "workers",
    "server": "logs and endpoints",
}
_BETTER_IN_ENVIRONMENT: Final = " Shown by ps as an option, hence better given in the environment."


def add_settings(parser: argparse.ArgumentParser, groups: Collection[str] = tuple(GROUPS)) -> None:
    """Adds the settings of `groups` to `parser`, one help section per group."""
    for group in GROUPS:
        if group in groups:
            section = parser.add_argument_group(GROUP_TITLES[group], GROUPS[group].__doc__)
            add_flags(section, flags_of([group]))


def add_flags(section: argparse._ActionsContainer, declared: Iterable[Flag]) -> None:
    """Adds the settings `declared` to a parser, or to a section of its help."""
    for flag in declared:
        _add(section, flag)


def flags_of(groups: Collection[str]) -> tuple[Flag, ...]:
    """The settings of `groups`."""
    return tuple(flag for flag in FLAGS if flag.group in groups)


def environment(
    given: argparse.Namespace, environ: Mapping[str, str], declared: Iterable[Flag] = FLAGS
) -> dict[str, str]:
    """`environ` with the settings given as options laid over it: what child processes inherit."""
    chosen = {flag.env: getattr(given, flag.dest, None) for flag in declared}
    return {**environ, **{env: text for env, text in chosen.items() if text is not None}}


def settings(given: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """The settings in force. Raises SettingsError with everything that is wrong."""
    return Settings.from_environ(environment(given, environ))


def with_two_dashes(argv: Sequence[str], names: Iterable[str]) -> list[str]:
    """`argv` with `-name` written `--name`, for the `names` of long options.

    What follows a lone `--` stays as it is.
    """
    known, found = frozenset(names), list[str]()
    for index, word in enumerate(argv):
        if word == "--":
            return [*found, *argv[index:]]
        single = word.startswith("-") and not word.startswith("--")
        found.append(f"-{word}" if single and word[1:].partition("=")[0] in known else word)
    return found


def _add(section: argparse._ActionsContainer, flag: Flag) -> None:
    default = flag.default or "none"
    note = _BETTER_IN_ENVIRONMENT if flag.secret else ""
    text = f"{flag.help}{note} [{flag.env}; default {default}]".replace("%", "%%")
    if flag.is_switch:
        section.add_argument(
            flag.option, dest=flag.dest, nargs="?", const="true", metavar="true|false", help=text
        )
    else:
        section.add_argument(flag.option, dest=flag.dest, metavar=_metavar(flag), help=text)


def _metavar(flag: Flag) -> str:
    """The last word of the name, in capitals: `--redis-url URL`."""
    return flag.name.rpartition("-")[2].upper()
