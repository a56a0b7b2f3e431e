"""`coalmine`: reads the arguments and hands over to the command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Final, NoReturn

from cli import exits, options, processes, up
from clients import errors, lifeline
from config.settings import environment, flags
from config.settings.settings import FLAGS, Settings, SettingsError

PROGRAM: Final = "coalmine"
Handler = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of the command in `argv` (the process's own arguments by default).

    2 for arguments, settings or servers that cannot be used, 1 for a port that another process
    has; what is wrong is on stderr.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["sandbox"]:
        _become_the_sandbox(words[1:])
    words = options.with_two_dashes(words, [flag.name for flag in FLAGS])
    given, unknown = parser().parse_known_args(words)
    if unknown:  # argparse itself would name the help of `coalmine`, not that of the command
        given.refuse(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        if given.parent_pid:
            lifeline.end_with(given.parent_pid)
        handler: Handler = given.handler
        return handler(given)
    except SettingsError as error:
        return _refused(error.problems)
    except (exits.Unusable, errors.Permanent) as error:
        return _refused([str(error)])
    except exits.PortTaken as error:
        return _refused([str(error)], exits.FAILED)
    except KeyboardInterrupt:
        return exits.INTERRUPTED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Ends with one line, which says where help is: the usage alone is a page long."""
        self.exit(exits.UNUSABLE, f"{PROGRAM}: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """The whole grammar of the command line."""
    root = _Parser(
        prog=PROGRAM,
        description="Canary releases on Kubernetes, compatible with Flagger.",
        epilog="Every setting is also read from the environment; `coalmine up --help` lists them.",
    )
    root.set_defaults(parent_pid=None)
    root.add_argument("--version", action="version", version=f"{PROGRAM} {_version_here()}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    _add_up(commands)
    worker = _command(commands, "worker", "one worker process", _worker)
    text = f"the queues it works on: one of {', '.join(up.ROLES)}, or several with commas between"
    worker.add_argument("roles", type=_roles, metavar="ROLES", help=text)
    beat = _command(
        commands, "beat", "the watching and scheduling process; run two, one stands by", _beat
    )
    flower = _command(commands, "flower", "Flower, the web view of workers and tasks", _flower)
    for each in (worker, beat, flower):
        text = "name of the process in logs and Flower [default its role]"
        each.add_argument("--name", help=text)
    text = f"address to listen on [default {up.FLOWER_ADDRESS}]"
    flower.add_argument("--address", default=up.FLOWER_ADDRESS, help=text)
    _add_flower_port(flower)
    options.add_settings(worker)
    options.add_settings(beat)
    options.add_settings(flower, ("redis", "server"))
    _add_demo(commands)
    help_text = "a sandbox cluster alone; `coalmine sandbox --help` shows its options"
    commands.add_parser("sandbox", help=help_text)
    _command(commands, "version", "print the version", _version)
    return root


def _add_up(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "the whole process set against a cluster, in the foreground"
    parser = _command(commands, "up", text, _up)
    text = "One beat, and workers for all queues; with a number of another kind a worker per role."
    section = parser.add_argument_group("processes", text)
    for option, meaning in (
        ("beats", "beat processes: one leads, the others stand by"),
        ("workers", "workers for all queues"),
        ("analysis-workers", "analysis workers"),
        ("hooks-workers", "hook workers"),
        ("routing-workers", "routing workers"),
        ("report-workers", "report workers"),
    ):
        field = option.removesuffix("-workers")
        usual = up.SMALL if option == "workers" else up.ProcessSet()
        text = f"number of {meaning} [default {getattr(usual, field)}, see above]"
        section.add_argument(f"--{option}", dest=field, type=_count, metavar="N", help=text)
    section.add_argument("--flower", action="store_true", help="run Flower too, on 127.0.0.1")
    _add_flower_port(section)
    options.add_settings(parser)


def _add_demo(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "three releases on a sandbox cluster: one promoted, two rolled back"
    parser = _command(commands, "demo", text, _demo)
    text = "stay up at the end, for kubectl and Flower, until Ctrl-C"
    parser.add_argument("--keep", action="store_true", help=text)
    _add_flower_port(parser, default=0, note="0: any free one")
    parser.add_argument("--plain", action="store_true", help="lines instead of the live view")


def _command(
    commands: argparse._SubParsersAction[_Parser],
    name: str,
    text: str,
    handler: Handler,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=text, allow_abbrev=False, description=f"{text[0].upper()}{text[1:]}."
    )
    parser.add_argument(processes.PARENT_OPTION, type=int, help=argparse.SUPPRESS)
    parser.set_defaults(handler=handler, refuse=parser.error)
    return parser


def _add_flower_port(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup,
    default: int = up.FLOWER_PORT,
    note: str = "",
) -> None:
    shown = f"{default}{', ' if note else ''}{note}"
    text = f"port of Flower [default {shown}]"
    parser.add_argument("--flower-port", type=_port, default=default, metavar="PORT", help=text)


def _roles(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := [role for role in chosen if role not in up.ROLES]:
        known = ", ".join(up.ROLES)
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)!r} (choose from {known})")
    return list(dict.fromkeys(chosen))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}: allowed: a whole number from 0")
    return int(text)


def _port(text: str) -> int:
    try:
        return flags.port(text)
    except flags.BadValue as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error


def process_set(given: argparse.Namespace) -> up.ProcessSet:
    """The processes that the arguments of `up` ask for."""
    asked = {name: getattr(given, name) for name in ("beats", "workers", *up.ROLES)}
    numbers = {name: number for name, number in asked.items() if number is not None}
    is_split = bool(numbers) and given.workers is None
    wanted = replace(up.ProcessSet() if is_split else up.SMALL, **numbers)
    return replace(wanted, flower_port=given.flower_port if given.flower else None)


def _settings(given: argparse.Namespace) -> Settings:
    return options.settings(given, environment.current())


def _up(given: argparse.Namespace) -> int:
    if given.port:
        text = "--port: up gives each of its processes a free port, and logs it (health served)"
        raise exits.Unusable(f"{text}; the option is for worker and beat")
    variables = options.environment(given, environment.current())
    up.run(_settings(given), variables, process_set(given), given.parent_pid)


# What a command needs is imported when it is chosen: all of it takes half a second of processor
# time, a quarter of what a small set may take to start.


def _worker(given: argparse.Namespace) -> int:
    from cli import roles  # noqa: PLC0415 - see above

    return roles.worker(_settings(given), given.roles, given.name or ",".join(given.roles))


def _beat(given: argparse.Namespace) -> int:
    from cli import roles  # noqa: PLC0415 - see above

    return roles.beat(_settings(given), given.name or "beat")


def _flower(given: argparse.Namespace) -> int:
    from cli import roles  # noqa: PLC0415 - see above

    name = given.name or "flower"
    return roles.flower(_settings(given), name, given.address, given.flower_port)


def _demo(given: argparse.Namespace) -> int:
    from cli.demo import run as demo  # noqa: PLC0415 - see above

    return demo.run(
        environment.current(), keep=given.keep, flower_port=given.flower_port, plain=given.plain
    )


def _version(given: argparse.Namespace) -> int:
    del given
    print(f"{PROGRAM} {_version_here()}")
    return exits.OK


def _become_the_sandbox(arguments: Sequence[str]) -> NoReturn:
    command = [sys.executable, "-P", "-m", "sandbox", *arguments]
    variables = processes.with_our_modules(environment.current())
    os.execve(sys.executable, command, variables)  # noqa: S606 - our own command


def _version_here() -> str:
    try:
        return metadata.version("coalmine")
    except metadata.PackageNotFoundError:
        return "unknown (not installed)"


def _refused(problems: Sequence[str], code: int = exits.UNUSABLE) -> int:
    for problem in problems:
        print(f"{PROGRAM}: {problem}", file=sys.stderr)
    return code
