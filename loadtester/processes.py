"""Commands as processes: connected by pipes, within limits of time and output, ended for certain.

Each process leads a group of its own, and what it starts bears the mark of its task: so all of it
ends with the task, also what has left the group.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import resource
import secrets
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from loadtester import jobs, orphans
from loadtester.commands import Pipeline, Words
from loadtester.jobs import End, Outcome


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may take: time, bytes of output, and how many of those, the last, are kept.

    No file that it writes gets larger than an output may be.
    `grace` is the seconds between SIGTERM and SIGKILL, and those for the rest of the output when
    all processes are gone.
    """

    time: timedelta
    output: int = 64 * 1024 * 1024
    kept: int = 256 * 1024
    grace: float = 2.0


class Tail(asyncio.Protocol):
    """The end of an output of any length."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._kept = bytearray()
        self._total = 0
        self._transport: asyncio.ReadTransport | None = None
        self.flooded: Final = asyncio.Event()
        self.closed: Final = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is read beyond the limit: then whoever writes has to wait for its end."""
        assert isinstance(transport, asyncio.ReadTransport)  # noqa: S101 - what a read pipe gives
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keeps the end."""
        self._total += len(data)
        self._kept += data
        if len(self._kept) > 2 * self._limits.kept:
            del self._kept[: -self._limits.kept]
        if self._total > self._limits.output and self._transport is not None:
            self._transport.pause_reading()
            self.flooded.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is no more to come."""
        del exc
        self.closed.set()

    @property
    def grace(self) -> float:
        """Seconds to wait for the rest; of a flood there is no end."""
        return 0.0 if self.flooded.is_set() else self._limits.grace

    def text(self) -> str:
        """What is kept, with a line before it that says what is left out."""
        kept = bytes(self._kept[-self._limits.kept :])
        left_out = self._total - len(kept)
        note = f"[{left_out} bytes before this are left out]\n" if left_out else ""
        return note + kept.decode("utf-8", "replace")


class Processes:
    """Runs pipelines in one environment, within the same limits each."""

    def __init__(self, environ: Mapping[str, str], limits: Limits) -> None:
        self._environ = environ
        self._limits = limits
        self._mark = f"{secrets.token_hex(8)}."
        self._numbers = itertools.count(1)

    def guarded(self) -> contextlib.AbstractContextManager[None]:
        """For the length of the block, processes end even if this one is killed with SIGKILL."""
        return orphans.guarded(self._mark)

    async def run(self, pipeline: Pipeline) -> Outcome:
        """What came of it: the status is that of the last command, as in a shell.

        The output is that of the last command and the errors of all. Whoever cancels this ends the
        processes.
        """
        tail = Tail(self._limits)
        async with _collected(tail) as output:
            try:
                async with self._started(pipeline, output) as processes:
                    ended = await self._ended(processes, tail)
            except OSError as error:
                return Outcome(End.FAILED, "", str(error))
        return Outcome(ended.end, tail.text(), ended.error)

    @contextlib.asynccontextmanager
    async def _started(self, pipeline: Pipeline, output: int) -> AsyncIterator[list[Process]]:
        """The processes of `pipeline`, which are gone after the block; closes `output`."""
        processes: list[Process] = []
        mark = f"{self._mark}{next(self._numbers)}."
        start = partial(self._start, {**self._environ, orphans.VARIABLE: mark})
        try:
            with contextlib.ExitStack() as ends:
                ends.callback(os.close, output)
                source = DEVNULL
                for words in pipeline[:-1]:
                    read, write = os.pipe()
                    ends.callback(os.close, read)
                    try:
                        processes.append(await start(words, source, write, output))
                    finally:
                        os.close(write)
                    source = read
                processes.append(await start(pipeline[-1], source, output, output))
            yield processes
        finally:
            await asyncio.gather(*(_end(each, self._limits.grace) for each in processes))
            await asyncio.to_thread(orphans.kill, mark)

    async def _start(
        self, environ: Mapping[str, str], words: Words, source: int, out: int, error: int
    ) -> Process:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=source,
            stdout=out,
            stderr=error,
            env=environ,
            start_new_session=True,
        )
        if sys.platform == "linux":
            largest = (self._limits.output, self._limits.output)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, largest)
        return process

    async def _ended(self, processes: list[Process], tail: Tail) -> Outcome:
        """How the last of `processes` ended, once all have, or why they were not waited for."""
        status = asyncio.ensure_future(_status(processes))
        flood = asyncio.ensure_future(tail.flooded.wait())
        seconds = self._limits.time.total_seconds()
        try:
            done, _ = await asyncio.wait(
                {status, flood}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            flood.cancel()
            status.cancel()
        if flood in done:
            return Outcome(End.FLOODED, error=f"more than {self._limits.output} bytes of output")
        if status not in done:
            return jobs.timed_out(self._limits.time)
        return _of_status(status.result())


async def _status(processes: list[Process]) -> int:
    """That of the last one, once all have ended."""
    for process in processes:
        await process.wait()
    return processes[-1].returncode or 0


def _of_status(status: int) -> Outcome:
    """The outcome in Go's words, which users of Flagger know."""
    if status == 0:
        return Outcome(End.SUCCEEDED)
    if status > 0:
        return Outcome(End.FAILED, error=f"exit status {status}")
    return Outcome(End.FAILED, error=f"signal: {signal.strsignal(-status) or -status}".lower())


@contextlib.asynccontextmanager
async def _collected(tail: Tail) -> AsyncIterator[int]:
    """The descriptor to write to, which the block closes; after it `tail` has what was written."""
    read, write = os.pipe()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: tail, os.fdopen(read, "rb", buffering=0)
    )
    try:
        yield write
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(tail.closed.wait(), tail.grace)
    finally:
        transport.close()


async def _end(process: Process, grace: float) -> None:
    """Returns when `process` is gone, and what is left of its group was killed."""
    if process.returncode is None:
        _signal(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace)
    _signal(process, signal.SIGKILL)
    await process.wait()


def _signal(process: Process, number: signal.Signals) -> None:
    """Sends a signal to the whole group; harmless when it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
