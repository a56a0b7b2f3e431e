"""One use of the console: whom it asks, where it writes."""

from __future__ import annotations

import contextlib
import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console
from rich.live import Live
from rich.text import Text

from cli import exits
from cli.console import accounts, charset, layout, names
from cli.console.accounts import Ask
from cli.console.cluster import Cluster
from clients import errors
from clients.clock import Clock, SystemClock
from clients.kube import connect, contexts
from clients.kube.transport import Limits
from config.refs import CanaryRef
from config.settings import environment

ROLE: Final = "console"
SERVER_VARIABLE: Final = "COALMINE_SERVER"
_LIMITS: Final = Limits(retries=1)


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with; `here` is the namespace of the context."""

    cluster: Cluster
    here: str
    ask: Ask
    clock: Clock
    out: Console

    @property
    def now(self) -> datetime:
        """The time of this machine."""
        return self.clock.now()

    @property
    def width(self) -> int | None:
        """Cells of the terminal; None where there is none, and nothing is cut."""
        return self.out.width if self.out.is_terminal else None

    def ref(self, given: Namespace) -> CanaryRef:
        """The canary that the arguments name. Raises Unusable."""
        return names.canary(given.name, self.here, given.namespace)

    def show(self, lines: Iterable[Text]) -> None:
        """Writes lines as they are."""
        for line in lines:
            self.out.print(line, soft_wrap=True, highlight=False)

    def say(self, sentence: str) -> None:
        """Writes a sentence, on a terminal broken between words."""
        self.show(layout.wrapped(Text(sentence), self.width))

    def write(self, document: Any, form: str) -> None:
        """Writes a document as `json` or `yaml`."""
        is_unicode = self.out.encoding.startswith("utf")
        self.out.file.write(formatted(document, form, is_unicode=is_unicode))

    def redraw(self, draw: Callable[[], Sequence[Text]], pause: timedelta) -> None:
        """Draws over and over in place, until Ctrl-C."""
        with Live(console=self.out, auto_refresh=False, vertical_overflow="crop") as screen:
            while True:
                screen.update(Text("\n").join(draw()), refresh=True)
                self.clock.sleep(pause.total_seconds())


def formatted(document: Any, form: str, *, is_unicode: bool = True) -> str:
    """A document as text; times as ISO 8601, characters beyond ASCII escaped if they must be."""
    text = json.dumps(document, indent=2, ensure_ascii=not is_unicode, default=_told)
    if form == "json":
        return text + "\n"
    written: str = yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=is_unicode)
    return written


def _told(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


Command = Callable[[Session, Namespace], int]


def run(command: Command, given: Namespace) -> int:
    """The exit code of `command`. Raises Unusable."""
    try:
        with opened(given, environment.current()) as session:
            return command(session, given)
    except BrokenPipeError:  # whoever read us has seen enough
        sys.stderr.close()
        return exits.OK


@contextlib.contextmanager
def opened(given: Namespace, environ: Mapping[str, str]) -> Iterator[Session]:
    """A session with the cluster and the server that arguments and environment name.

    Raises Unusable.
    """
    try:
        context = contexts.chosen(given.kubeconfig, given.context, environ)
        clock = SystemClock()
        path, chosen = context.kubeconfig, context.name or None
        kube = connect.connect(role=ROLE, limits=_LIMITS, kubeconfig=path, context=chosen)
    except errors.Permanent as error:
        raise exits.Unusable(error.message) from error
    server = given.server or environ.get(SERVER_VARIABLE)
    forward = partial(_forward, path, chosen)
    ask = accounts.of_server(server) if server else accounts.of_pods(kube, forward, clock)
    name = f"the cluster of context {context.name}" if context.name else "this cluster"
    charset.adapt(sys.stdout, environ)
    console = Console(highlight=False, emoji=False, markup=False)
    try:
        yield Session(Cluster(kube, name), context.namespace, ask, clock, console)
    finally:
        kube.close()


def _forward(kubeconfig: Path | None, context: str | None) -> accounts.Forward:
    from clients.kube import forward  # noqa: PLC0415 - websockets, which few commands need

    return forward.connect(role=ROLE, kubeconfig=kubeconfig, context=context)
