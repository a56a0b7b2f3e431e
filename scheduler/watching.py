"""The watch side: one thread per resource that sees, and one that stores what was seen.

Lives as long as this process leads. Nothing is stored before everything has been listed once: half
a world would look like a deleted Deployment. A kind that cannot be listed is set aside, and with it
the canaries that need it.
"""

from __future__ import annotations

import functools
import logging
import random
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol, runtime_checkable

from clients import errors
from clients.clock import Clock
from clients.kube import resources
from clients.kube.protocol import Watcher, watch_timeout
from clients.kube.resources import Resource
from scheduler import configs
from scheduler.backlog import Backlog
from scheduler.entries import Standing
from scheduler.publisher import Publisher
from scheduler.reflector import Contact, Reflector

log = logging.getLogger(__name__)

IDLE: Final = 0.5
"""Real seconds after which the storing thread looks around when nothing happens."""

RETRY: Final = 1.0
"""Seconds before storing is tried again."""


a_while: Final = functools.partial(watch_timeout, random.random)
"""How long the next watch is to last."""


@runtime_checkable
class Interruptible(Protocol):
    """A watcher whose watches can be ended from outside."""

    def interrupt(self, resource: Resource) -> None:
        """End the watches of `resource` in progress."""
        ...

    def close(self) -> None:
        """End all watches, and let none begin."""
        ...


class WatchSide:
    """Watches the cluster for one term of leadership."""

    def __init__(
        self,
        watcher: Watcher,
        backlog: Backlog,
        publisher: Publisher,
        clock: Clock,
        *,
        namespace: str | None = None,
        timeout: Callable[[], timedelta] = a_while,
    ) -> None:
        """`timeout` is how long a watch lasts before it is begun anew."""
        self._watcher = watcher
        self._backlog = backlog
        self._publisher = publisher
        self._clock = clock
        self._reflectors = [
            Reflector(
                resource,
                watcher,
                backlog,
                namespace=namespace,
                clock=clock,
                random=random.random,
                timeout=timeout,
            )
            for resource in (*backlog.watched, *configs.KINDS)
        ]
        self._stop = threading.Event()
        self._threads: Sequence[threading.Thread] = ()
        self._trouble = False

    @property
    def synced(self) -> bool:
        """Whether everything has been listed once, save kinds that cannot be listed.

        Canaries must be: without them there is nothing to do, and nothing may be forgotten.
        """
        return not any(
            each.waited_for or (each.resource == resources.CANARIES and not each.synced)
            for each in self._reflectors
        )

    @property
    def confirmed(self) -> bool:
        """Whether every world was stored and confirmed since the last `refresh`."""
        return self._publisher.confirmed

    @property
    def has_canaries(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._backlog.refs())

    def census(self) -> tuple[Standing, ...]:
        """All canaries, as they are shown."""
        return self._backlog.census()

    def wait(self, seconds: float) -> bool:
        """Whether something was stored that makes a canary due, since this was last asked.

        Comes back when it is, or after the time.
        """
        is_woken = self._publisher.woke.wait(seconds)
        self._publisher.woke.clear()
        return is_woken

    def contacts(self) -> tuple[Contact, ...]:
        """How each watch is doing."""
        return tuple(each.contact() for each in self._reflectors if each.is_wanted)

    def refresh(self) -> None:
        """Have every world stored again."""
        self._publisher.refresh()
        self._backlog.wake()

    def start(self) -> None:
        """Begins to watch, in threads of its own."""
        jobs = {
            f"watch-{each.resource.plural}.{each.resource.group}": each.run
            for each in self._reflectors
        }
        self._threads = [
            threading.Thread(target=job, args=(self._stop,), name=name, daemon=True)
            for name, job in {**jobs, "watch-store": self._store}.items()
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, wait: timedelta = timedelta(0)) -> None:
        """Ends watching and storing; waits so long at most for the threads to notice."""
        self._stop.set()
        if isinstance(self._watcher, Interruptible):
            self._watcher.close()
        deadline = self._clock.monotonic() + wait.total_seconds()
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))

    def pump(self) -> None:
        """Takes in what has happened, and stores it, in this thread: for simulated time.

        The watches' timeout should be zero. Raises the errors of the store.
        """
        self._open()
        for reflector in self._reflectors:
            reflector.step()
        if self.synced:
            self._publisher.step()

    def _store(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._try_to_store(stop)
            if self.synced:
                self._backlog.wait(IDLE)
            else:
                self._interrupt()
                self._clock.sleep(0.01)

    def _open(self) -> None:
        """Has all listed again before it is stored, when Redis has lost what it held.

        Each kind is watched for itself, and one may be far behind the others: a status that shows
        a step beside the route of before looks like a rollback. What is listed from here on is
        newer than whatever was confirmed before the loss.
        """
        if not self._publisher.wants_lists():
            return
        for reflector in self._reflectors:
            reflector.relist()

    def _interrupt(self) -> None:
        """Ends the watches in the place of which there is to be a list."""
        for reflector in self._reflectors:
            if not reflector.synced and isinstance(self._watcher, Interruptible):
                self._watcher.interrupt(reflector.resource)

    def _try_to_store(self, stop: threading.Event) -> None:
        try:
            self._open()
            if self.synced:
                self._publisher.step()
        except errors.ClientError as error:
            if not (self._trouble or stop.is_set()):
                log.warning("not storing what is watched", extra={"error": str(error)})
            self._trouble = True
            stop.wait(RETRY)
        except Exception:  # storing must go on, whatever one canary holds
            log.exception("defect while storing")
            stop.wait(RETRY)
        else:
            self._trouble = False
