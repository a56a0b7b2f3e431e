"""The grammar of the console's commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

from cli import exits
from cli.console.goals import Goal
from config import durations

DOCUMENTS: Final = ("json", "yaml")
CLUSTER: Final = "cluster"
"""Title of the options that say which one is asked."""
SHELLS: Final = ("bash", "zsh", "fish")

Add = Callable[[str, str, Callable[[argparse.Namespace], int]], argparse.ArgumentParser]
"""Adds a command by name, description and handler."""


def add(add: Add) -> None:
    """Adds the commands."""
    _add_get(add)
    _add_status(add)
    _add_why(add)
    _add_history(add)
    _add_wait(add)
    _add_completion(add)


def _add_get(add: Add) -> None:
    text = "the canaries of a namespace, or of all, as a table"
    parser = add("get", text, _get)
    names = parser.add_argument("names", nargs="*", metavar="NAME", help="those canaries alone")
    _complete(names, "canaries")
    _add_watch(parser, "stay, and show changes as they come")
    _add_output(parser, ("wide", *DOCUMENTS, "name"))
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    _add_where(parser)


def _add_status(add: Add) -> None:
    text = "one canary as a tree: traffic, pods, checks, gates, what it waits for"
    parser = _add_one(add, "status", text)
    _add_watch(parser, "stay, and draw it again every two seconds")
    _add_output(parser, DOCUMENTS)
    _add_where(parser, server=True)


def _add_why(add: Add) -> None:
    parser = _add_one(add, "why", "the last decision about a canary, in sentences")
    _add_output(parser, DOCUMENTS)
    _add_where(parser, server=True)


def _add_history(add: Add) -> None:
    parser = _add_one(add, "history", "the rollouts of a canary, and what decided them")
    _add_output(parser, ("wide", *DOCUMENTS))
    _add_where(parser, server=True)


def _add_wait(add: Add) -> None:
    text = "wait until a release is promoted, or has failed"
    parser = _add_one(add, "wait", text)
    known = ", ".join(Goal)
    parser.add_argument(
        "--for",
        dest="goal",
        type=_goal,
        default=Goal.PROMOTED,
        metavar="GOAL",
        help=f"one of {known} [default {Goal.PROMOTED.value}]",
    )
    text = (
        "the release that is meant: an image, its tag or digest, or a revision as the status has "
        "it [default what the target holds now]"
    )
    parser.add_argument("--revision", default="", metavar="REV", help=text)
    text = "how long, such as 90s, 10m or 1h30m; 0 looks once [default 10m]"
    parser.add_argument(
        "--timeout", type=_span, default=timedelta(minutes=10), metavar="TIME", help=text
    )
    _add_where(parser)


def _add_completion(add: Add) -> None:
    parser = add("completion", "what makes a shell complete commands and names", _completion)
    text = f"the shell: {', '.join(SHELLS)}"
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=text)


def _add_one(add: Add, name: str, text: str) -> argparse.ArgumentParser:
    parser = add(name, text, partial(_run, name))
    help_text = "the canary: NAME, NAMESPACE/NAME or canary/NAME"
    _complete(parser.add_argument("name", metavar="NAME", help=help_text), "canaries")
    return parser


def _add_watch(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("-w", "--watch", action="store_true", help=text)


def _add_output(parser: argparse.ArgumentParser, forms: tuple[str, ...]) -> None:
    text = f"form of the answer: {', '.join(forms)}"
    parser.add_argument("-o", "--output", choices=forms, metavar="FORM", help=text)


def _add_where(parser: argparse.ArgumentParser, *, server: bool = False) -> None:
    where = parser.add_argument_group(CLUSTER, "As for kubectl.")
    text = "the namespace [default that of the context]"
    _complete(where.add_argument("-n", "--namespace", metavar="NAMESPACE", help=text), "namespaces")
    text = "the file that names clusters [KUBECONFIG; default ~/.kube/config]"
    where.add_argument("--kubeconfig", metavar="FILE", help=text)
    text = "the context of the kubeconfig [default its current one]"
    _complete(where.add_argument("--context", metavar="CONTEXT", help=text), "contexts")
    if server:
        text = (
            "a beat or worker of Coalmine, such as http://127.0.0.1:8080 [COALMINE_SERVER; "
            "default a pod of the installation, through a port-forward]"
        )
        where.add_argument("--server", metavar="URL", help=text)
    else:
        parser.set_defaults(server=None)


def _complete(action: argparse.Action, what: str) -> None:
    """Has the values of `action` completed with names of the cluster."""

    def values(**told: Any) -> list[str]:
        from cli.console import candidates  # noqa: PLC0415 - when a name is begun

        return candidates.values(what, **told)

    action.completer = values  # type: ignore[attr-defined]  # where argcomplete looks for it


def _get(given: argparse.Namespace) -> int:
    from cli.console import listing, session  # noqa: PLC0415 - the cluster's libraries take a while

    return session.run(listing.get, given)


def _run(name: str, given: argparse.Namespace) -> int:
    from cli.console import commands, session  # noqa: PLC0415 - as above

    return session.run(commands.COMMANDS[name], given)


def _completion(given: argparse.Namespace) -> int:
    from cli.console import completion  # noqa: PLC0415 - as above

    print(completion.script(given.shell))
    return exits.OK


def _goal(text: str) -> Goal:
    try:
        return Goal(text)
    except ValueError:
        known = ", ".join(Goal)
        raise argparse.ArgumentTypeError(f"unknown: {text!r} (choose from {known})") from None


def _span(text: str) -> timedelta:
    try:
        span = durations.parse(text)
    except durations.DurationError:
        wrong = "has no unit" if durations.is_duration(f"{text}s") else "is no time span"
        form = "a number with its unit, h, m, s or ms, such as 90s, 10m or 1h30m"
        raise argparse.ArgumentTypeError(f"{text!r} {wrong}: allowed: {form}") from None
    if span < timedelta(0):
        raise argparse.ArgumentTypeError(f"{text!r}: allowed: a duration from 0")
    return span
