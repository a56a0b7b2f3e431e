"""Where a process spends its processor time: `python -m benchmarks.profiler FILE MODULE ARGS...`.

Runs MODULE with every thread traced, and writes FILE when asked to. A thread's time is its own
processor time, so waiting costs nothing; the tracer's own time is taken out. Python's profilers
know one thread only, or (from 3.12 on) cannot tell threads apart.
"""

from __future__ import annotations

import json
import runpy
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

BEGIN: Final = signal.SIGRTMIN if sys.platform == "linux" else signal.SIGUSR1
"""Forget what was spent so far."""
END: Final = signal.SIGRTMIN + 1 if sys.platform == "linux" else signal.SIGUSR2
"""Write the file."""

Key = CodeType | str


@dataclass(slots=True)
class Cost:
    """Of one function: processor seconds in itself, and with all it called; calls."""

    own: float = 0.0
    whole: float = 0.0
    calls: int = 0


@dataclass(slots=True)
class Tracer:
    """The profile function of one thread."""

    costs: dict[Key, Cost] = field(default_factory=lambda: defaultdict(Cost))
    stack: list[tuple[Key, float]] = field(default_factory=list)
    depth: Counter[Key] = field(default_factory=Counter)
    spent: float = 0.0
    since: float = field(default_factory=time.thread_time)

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        """Takes one event: the time since the last one belongs to the function on top."""
        gap = time.thread_time() - self.since
        self.spent += gap
        if self.stack:
            self.costs[self.stack[-1][0]].own += gap
        if event == "call":
            self._enter(frame.f_code)
        elif event == "c_call":
            self._enter(_named(arg))
        else:
            self._leave()
        self.since = time.thread_time()

    def _enter(self, key: Key) -> None:
        self.stack.append((key, self.spent))
        self.depth[key] += 1
        self.costs[key].calls += 1

    def _leave(self) -> None:
        if not self.stack:
            return
        key, before = self.stack.pop()
        self.depth[key] -= 1
        if not self.depth[key]:  # the outermost of a recursion
            self.costs[key].whole += self.spent - before

    def forget(self) -> None:
        """Starts from nothing; functions that are running count from now."""
        self.costs = defaultdict(Cost)
        self.stack = [(key, self.spent) for key, _ in self.stack]


class Profile:
    """The tracers of all threads, also of those that have ended."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._tracers: list[Tracer] = []

    def start(self) -> None:
        """Traces this thread and all that begin from now on."""
        threading.setprofile(self.begin_thread)
        signal.signal(BEGIN, lambda *_: self.forget())
        signal.signal(END, lambda *_: self.write())
        tracer = Tracer()
        self._tracers.append(tracer)
        sys.setprofile(tracer)

    def begin_thread(self, frame: FrameType, event: str, arg: Any) -> None:
        """The profile function of a new thread, until its first event: that gives it a tracer."""
        tracer = Tracer()
        self._tracers.append(tracer)
        sys.setprofile(tracer)
        tracer(frame, event, arg)

    def forget(self) -> None:
        """Starts from nothing."""
        for tracer in list(self._tracers):
            tracer.forget()

    def write(self) -> None:
        """Writes the file, whole or not at all."""
        merged: dict[str, Cost] = defaultdict(Cost)
        for tracer in list(self._tracers):
            for key, cost in list(tracer.costs.items()):
                into = merged[_place(key)]
                into.own += cost.own
                into.whole += cost.whole
                into.calls += cost.calls
        rows = {place: [cost.own, cost.whole, cost.calls] for place, cost in merged.items()}
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(rows), "utf-8")
        part.replace(self._file)


def read(files: Iterable[Path]) -> dict[str, Cost]:
    """The costs in `files`, added up; by `package/module.py:function`."""
    merged: dict[str, Cost] = defaultdict(Cost)
    for file in files:
        for place, (own, whole, calls) in json.loads(file.read_text("utf-8")).items():
            into = merged[place]
            into.own += own
            into.whole += whole
            into.calls += calls
    return dict(merged)


def _named(function: Any) -> str:
    module = getattr(function, "__module__", None) or ""
    return f"C/{module}:{getattr(function, '__qualname__', '?')}"


def _place(key: Key) -> str:
    if isinstance(key, str):
        return key
    path = Path(key.co_filename)
    parts = path.parts
    if "site-packages" in parts:
        parts = parts[parts.index("site-packages") + 1 :]
    elif path.is_relative_to(_ROOT):
        parts = path.relative_to(_ROOT).parts
    else:
        parts = ("python", *parts[-2:])
    return f"{'/'.join(parts)}:{key.co_qualname}"


_ROOT: Final = Path(__file__).resolve().parents[1]


def main(argv: list[str]) -> None:
    """Runs a module as if it were called by itself, traced."""
    file, module, *arguments = argv
    sys.argv = [module, *arguments]
    Profile(Path(file)).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
