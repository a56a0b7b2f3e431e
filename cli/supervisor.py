"""Keeps a set of child processes running in the foreground, and ends all of them for certain.

A child that ends is started again: at once the first time, later ones after a growing pause. One
that says it cannot be used (`exits.UNUSABLE`) ends the whole set, since it would say so again.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final, Protocol

from cli import exits, processes
from cli.processes import Command
from clients import backoff
from clients.clock import Clock

log = logging.getLogger(__name__)

GRACE_SECONDS: Final = 7.0
"""Between asking to end and killing: the whole has 10 s."""
POLL_SECONDS: Final = 0.05
STABLE_SECONDS: Final = 30.0
"""A child that ran for so long is no longer held to have failed before."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0


class Child(Protocol):
    """What the supervisor needs of a running child."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    def ended(self) -> int | None:
        """Its exit code, None while it runs."""
        ...

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to it and what it started."""
        ...


Start = Callable[[Command, Mapping[str, str]], Child]


@dataclass(slots=True)
class Post:
    """One place in the set, and who is in it; `failures` in a row lengthen the pause."""

    command: Command
    child: Child | None = None
    started_at: float = 0.0
    failures: int = 0
    starts_at: float = 0.0


def pause(failures: int) -> float:
    """Seconds before a child that failed `failures` times in a row is started again."""
    return backoff.doubling(failures - 1, _FIRST_PAUSE, _LONGEST_PAUSE) if failures > 1 else 0.0


class Supervisor:
    """Runs `commands` until it is told to end by SIGTERM or SIGINT."""

    def __init__(
        self,
        commands: Sequence[Command],
        clock: Clock,
        start: Start = processes.start,
    ) -> None:
        self._posts = [Post(command) for command in commands]
        self._environ: Mapping[str, str] = {}
        self._clock = clock
        self._start = start
        self._asked = 0

    def listen(self) -> None:
        """Takes the signals from now on; call it before anything that must be undone."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def run(self, environ: Mapping[str, str], tend: Callable[[], None] = lambda: None) -> int:
        """The exit code, once every child has ended; `environ` is what the children get.

        `tend` sees to what they need, before each look at them.
        """
        self._environ, code = environ, exits.OK
        try:
            while not self._asked and code == exits.OK:
                tend()
                code = self._look()
                self._clock.sleep(POLL_SECONDS)
        finally:
            self._end_all()
        return code

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._asked += 1

    def _look(self) -> int:
        """Starts whoever is due; UNUSABLE when one of them gave up for good."""
        now = self._clock.monotonic()
        for post in self._posts:
            if post.child is not None and (code := post.child.ended()) is not None:
                if code == exits.UNUSABLE:
                    log.error("process cannot work", extra={"child": post.command.name})
                    return code
                self._note_end(post, code, now)
            if post.child is None and post.starts_at <= now and not self._asked:
                self._fill(post, now)
        return exits.OK

    def _note_end(self, post: Post, code: int, now: float) -> None:
        post.child = None
        post.failures = 1 if now - post.started_at >= STABLE_SECONDS else post.failures + 1
        post.starts_at = now + pause(post.failures)
        extra = {"child": post.command.name, "code": code, "pause": pause(post.failures)}
        log.warning("process ended, starting it again", extra=extra)

    def _fill(self, post: Post, now: float) -> None:
        try:
            post.child = self._start(post.command, self._environ)
        except OSError as error:  # no memory or no process left: for now, and no reason to end all
            post.failures += 1
            post.starts_at = now + max(pause(post.failures), _FIRST_PAUSE)
            told = {"child": post.command.name, "error": error.strerror or str(error)}
            log.error("process not started", extra=told)  # noqa: TRY400 - it says all
            return
        post.started_at = now
        log.info("process started", extra={"child": post.command.name, "pid": post.child.pid})

    def _end_all(self) -> None:
        """Asks all to end; kills those left after the grace, or at once on a second signal."""
        running = [post.child for post in self._posts if post.child is not None]
        asked, deadline = self._asked, self._clock.monotonic() + GRACE_SECONDS
        for child in running:
            child.signal(signal.SIGTERM)
        while any(child.ended() is None for child in running):
            if self._clock.monotonic() >= deadline or self._asked > max(asked, 1):
                for child in running:
                    child.signal(signal.SIGKILL)
                deadline = self._clock.monotonic() + GRACE_SECONDS
            self._clock.sleep(POLL_SECONDS)
        log.info("all processes ended", extra={"count": len(running)})
