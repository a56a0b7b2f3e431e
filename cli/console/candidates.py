"""Names that complete a command line: those that the cluster gives within a second."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

from clients import errors
from clients.kube import connect, contexts
from clients.kube.resources import CANARIES, NAMESPACES
from clients.kube.rest import KubeHttp
from clients.kube.transport import Limits
from config.settings import environment

PATIENCE: Final = timedelta(seconds=1)
"""People wait at the keyboard."""


def values(what: str, *, parsed_args: argparse.Namespace, prefix: str = "", **_: Any) -> list[str]:
    """The names of `what`: canaries, namespaces or contexts; none when they are not to be had."""
    try:
        return sorted(_ASKED[what](parsed_args, prefix))
    except errors.ClientError:
        return []


def _contexts(given: argparse.Namespace, _: str) -> Iterable[str]:
    return contexts.known(given.kubeconfig, environment.current())


def _namespaces(given: argparse.Namespace, _: str) -> Iterable[str]:
    door, _ = _door(given)
    return (each["metadata"]["name"] for each in door.list(NAMESPACES).items)


def _canaries(given: argparse.Namespace, begun: str) -> Iterable[str]:
    """The names of canaries: of all namespaces once one is begun to be named, or all are wanted."""
    door, here = _door(given)
    is_all = "/" in begun or getattr(given, "all_namespaces", False)
    items = door.list(CANARIES, None if is_all else given.namespace or here).items
    for item in items:
        name: str = item["metadata"]["name"]
        yield f"{item['metadata']['namespace']}/{name}" if is_all else name


def _door(given: argparse.Namespace) -> tuple[KubeHttp, str]:
    """The API server, and the namespace of the context."""
    context = contexts.chosen(given.kubeconfig, given.context, environment.current())
    limits = Limits(connect=PATIENCE, read=PATIENCE, retries=0)
    door = connect.connect(
        role="completion",
        kubeconfig=context.kubeconfig,
        context=context.name or None,
        limits=limits,
    )
    return door, context.namespace


_ASKED: Final[dict[str, Callable[[argparse.Namespace, str], Iterable[str]]]] = {
    "canaries": _canaries,
    "contexts": _contexts,
    "namespaces": _namespaces,
}
