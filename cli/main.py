"""`coalmine`: reads the arguments and hands over to the command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NoReturn

from cli import complaints, exits, options, processes, up, version
from cli.console import grammar
from clients import errors, lifeline
from config.roles import ROLES, Queue
from config.settings import environment, flags, loadtester
from config.settings.loadtester import LoadTesterSettings
from config.settings.settings import FLAGS, Settings, SettingsError

COMPLETING: Final = "_ARGCOMPLETE"
"""The variable by which a shell asks for completions."""
Handler = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of the command in `argv` (the process's own arguments by default).

    2 for arguments, settings or servers that cannot be used, 1 for a port that another process
    has; what is wrong is on stderr.
    """
    if COMPLETING in environment.current():
        from cli.console import completion  # noqa: PLC0415 - when a shell asks

        completion.answer(parser())
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["sandbox"]:
        _become_the_sandbox(words[1:])
    words = options.with_two_dashes(words, [flag.name for flag in (*FLAGS, *loadtester.FLAGS)])
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


def complete_for_kubectl() -> int:
    """The program `kubectl_complete-coalmine`, which kubectl asks for completions."""
    from cli.console import completion  # noqa: PLC0415 - see above

    print(completion.for_kubectl(parser(), sys.argv[1:]))
    return exits.OK


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Ends with one line, which says where help is: the usage alone is a page long."""
        complaints.write(f"{message} (see {self.prog} --help)")
        self.exit(exits.UNUSABLE)


def parser() -> argparse.ArgumentParser:
    """The whole grammar of the command line."""
    root = _Parser(
        prog="coalmine",
        description="Canary releases on Kubernetes, compatible with Flagger.",
        epilog="Every setting is also read from the environment; `coalmine up --help` lists them.",
    )
    root.set_defaults(parent_pid=None)
    root.add_argument("--version", action="version", version=f"coalmine {version.here()}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    _add_up(commands)
    _add_processes(commands)
    _add_demo(commands)
    text = "the load tester that webhooks of canaries call, with the API of Flagger's"
    options.add_flags(_command(commands, "loadtester", text, _loadtester), loadtester.FLAGS)
    help_text = "a sandbox cluster alone; `coalmine sandbox --help` shows its options"
    commands.add_parser("sandbox", help=help_text)
    grammar.add(partial(_command, commands))
    _command(commands, "version", "print the version", _version)
    return root


def _add_processes(commands: argparse._SubParsersAction[_Parser]) -> None:
    """The processes of the set, one by one."""
    worker = _command(commands, "worker", "one worker process", _worker)
    text = f"the queues it works on: one of {', '.join(Queue)}, or several with commas between"
    worker.add_argument("roles", type=_roles, metavar="ROLES", help=text)
    beat = _command(
        commands, "beat", "the watching and scheduling process; run two, one stands by", _beat
    )
    flower = _command(commands, "flower", "Flower, the web view of workers and tasks", _flower)
    for each in (worker, beat, flower):
        text = "name of the process in logs and Flower [default its role]"
        each.add_argument("--name", help=text)
    text = f"address to listen on, with a password if others reach it [default {up.FLOWER_ADDRESS}]"
    flower.add_argument("--address", default=up.FLOWER_ADDRESS, help=text)
    _add_flower_port(flower)
    options.add_settings(worker)
    options.add_settings(beat)
    options.add_settings(flower, ("redis", "server"))


def _add_up(commands: argparse._SubParsersAction[_Parser]) -> None:
    text = "the whole process set against a cluster, in the foreground"
    parser = _command(commands, "up", text, _up)
    text = "One beat, and workers for all queues; with a number of another kind a worker per role."
    section = parser.add_argument_group("processes", text)
    split = up.ProcessSet()
    for option, meaning, usual in (
        ("beats", "beat processes: one leads, the others stand by", split.beats),
        ("workers", "workers for all queues", up.SMALL.workers),
        *((f"{each}-workers", ROLES[each].workers, split.of_role[each]) for each in Queue),
    ):
        text = f"number of {meaning} [default {usual}, see above]"
        section.add_argument(f"--{option}", type=_count, metavar="N", help=text)
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
    if unknown := [role for role in chosen if role not in set(Queue)]:
        known = ", ".join(Queue)
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
    asked = {"beats": given.beats, "workers": given.workers}
    asked_of_role = {each.value: getattr(given, f"{each}_workers") for each in Queue}
    numbers, of_role = _numbers(asked), _numbers(asked_of_role)
    is_split = bool(numbers or of_role) and given.workers is None
    wanted = up.ProcessSet() if is_split else up.SMALL
    flower = given.flower_port if given.flower else None
    return replace(wanted, **numbers, of_role={**wanted.of_role, **of_role}, flower_port=flower)


def _numbers(asked: Mapping[str, int | None]) -> dict[str, int]:
    return {name: number for name, number in asked.items() if number is not None}


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
    from cli import flower  # noqa: PLC0415 - see above

    variables, name = environment.current(), given.name or "flower"
    return flower.run(_settings(given), variables, name, given.address, given.flower_port)


def _demo(given: argparse.Namespace) -> int:
    from cli.demo import run as demo  # noqa: PLC0415 - see above

    return demo.run(
        environment.current(), keep=given.keep, flower_port=given.flower_port, plain=given.plain
    )


def _loadtester(given: argparse.Namespace) -> int:
    from cli import loadtester as command  # noqa: PLC0415 - see above

    environ = environment.current()
    variables = options.environment(given, environ, loadtester.FLAGS)
    return command.run(LoadTesterSettings.from_environ(variables), environ)


def _version(given: argparse.Namespace) -> int:
    del given
    print(f"coalmine {version.here()}")
    return exits.OK


def _become_the_sandbox(arguments: Sequence[str]) -> NoReturn:
    command = [sys.executable, "-P", "-m", "sandbox", *arguments]
    variables = processes.with_our_modules(environment.current())
    os.execve(sys.executable, command, variables)  # noqa: S606 - our own command


def _refused(problems: Sequence[str], code: int = exits.UNUSABLE) -> int:
    for problem in problems:
        complaints.write(problem)
    return code
