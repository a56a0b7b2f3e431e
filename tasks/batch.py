"""Several canaries in one job: each is worked on by steps of its own, in lockstep with the others.

Scripts that are asked for together (see `tasks.steps`) travel together, measurements are made
together, calls run side by side. Whoever has its answer goes on: nobody waits for one that is slow,
and what fails for one fails for it alone.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, assert_never

from analysis.backends.backend import Endpoint
from analysis.effects import Lane
from analysis.findings import CheckResult
from analysis.metrics.checks import Check
from clients import errors
from clients.clock import Clock, SystemClock
from clients.instruments import SILENT, Instruments
from clients.redis.records import Asked
from clients.redis.scripts import Invocation
from clients.redis.store import Store
from config import batches
from config.ranks import Rank
from config.refs import CanaryRef
from tasks import failures
from tasks.calling import MOST_THREADS, PATIENCE_SECONDS, QUICK, Calls
from tasks.queues import Dispatcher
from tasks.steps import Await, CallHook, Measure, Message, Nudge, Request, Steps

TOGETHER_SECONDS: Final = 0.01
"""How long answers wait for each other, so that what follows them travels together."""


class Reader(Protocol):
    """What is needed of a metric reader; measuring never raises."""

    def measure_each(
        self, asked: Mapping[CanaryRef, Sequence[Check]]
    ) -> Iterable[Mapping[CanaryRef, tuple[CheckResult, ...]]]:
        """The results of each canary's checks, in their order, as they come."""

    def probe(self, endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
        """What is wrong with `endpoints`; empty when all of them answer."""


_LANES: Final = tuple(Lane)
"""Weights first."""

Works = Mapping[CanaryRef, Steps[str] | Steps[None]]
"""The work on each canary, which ends with its outcome in a few words, or says nothing."""
_Answered = tuple[CanaryRef, Any]


@dataclass(frozen=True, slots=True)
class Crew:
    """Carries out batches; one per process, shared by its threads."""

    store: Store
    reader: Reader
    dispatcher: Dispatcher
    doubt: Callable[[], None] = lambda: None
    """Hears of a failure that others may meet, too."""
    instruments: Instruments = SILENT
    clock: Clock = field(default_factory=SystemClock)
    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(MOST_THREADS, "batch")
    )
    quick: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(QUICK))

    def carry_out(self, works: Works) -> dict[str, str]:
        """Carries out the work on each canary to its end; what came of each, for who watches jobs.

        Raises what the work on a canary alone failed with; of several, each failure is logged.
        """
        batch = _Batch(self, dict(works))
        for ref, failure in batch.run().items():
            if len(works) == 1:
                raise failure
            failures.tell_of(ref, failure, self.doubt)
            batch.outcomes[ref] = failures.shown(failure)
        return {str(ref): outcome for ref, outcome in batch.outcomes.items()}


@dataclass(slots=True)
class _Batch:
    crew: Crew
    works: dict[CanaryRef, Steps[str] | Steps[None]]
    outcomes: dict[CanaryRef, str] = field(default_factory=dict)
    done: SimpleQueue[_Answered] = field(default_factory=SimpleQueue)
    out: int = 0
    """Answers that are still to come."""
    failures: dict[CanaryRef, Exception] = field(default_factory=dict)
    calls: Calls = field(init=False)
    nudged: defaultdict[Nudge, list[CanaryRef]] = field(default_factory=lambda: defaultdict(list))
    """What has still to be sent."""
    called: defaultdict[Rank, list[Asked]] = field(default_factory=lambda: defaultdict(list))
    """Webhooks that are still to be called."""

    def __post_init__(self) -> None:
        self.calls = Calls(self.crew.pool, self.crew.quick, self.done)

    def run(self) -> dict[CanaryRef, Exception]:
        """What some of the works failed with, once all have ended."""
        ready: list[_Answered] = [(ref, None) for ref in self.works]
        while ready or self.out:
            ready = self._advance(ready) or self._arrived()
        self._send(*self.nudged)
        return self.failures

    def _advance(self, ready: list[_Answered]) -> list[_Answered]:
        """Lets those that are `ready` go on; gives the answers that are at hand."""
        asked: dict[CanaryRef, Request] = {}
        for ref, answer in ready:
            request = self._next(ref, answer)
            while isinstance(request, Message):
                self._note(ref, request)
                request = self._next(ref, None)
            if request is not None:
                asked[ref] = request
        self._call_hooks()
        self._send(*[nudge for nudge in self.nudged if not self._may_wait(nudge)])
        return self._make(asked)

    def _note(self, ref: CanaryRef, message: Message) -> None:
        match message:
            case Nudge():
                self.nudged[message].append(ref)
            case CallHook():
                self.called[message.rank].append(Asked(ref, message.round, message.key))
            case _:
                assert_never(message)

    def _may_wait(self, nudge: Nudge) -> bool:
        """Whether more may come to go in the same message: writes end one by one."""
        is_urgent = nudge.lane is not Lane.STATUS or nudge.rank is Rank.ROLLBACK
        return not is_urgent and len(self.nudged[nudge]) < batches.SHOWN

    def _next(self, ref: CanaryRef, answer: Any) -> Request | Message | None:
        """What the work on `ref` asks for next; None when it has ended."""
        steps = self.works[ref]
        try:
            if isinstance(answer, Exception):
                return steps.throw(answer)
            return steps.send(answer)
        except StopIteration as end:
            self.outcomes[ref] = end.value or "done"
        except Exception as failure:  # noqa: BLE001 - told when all the others have ended
            self.failures[ref] = failure
        return None

    def _send(self, *nudges: Nudge) -> None:
        for nudge in sorted(nudges, key=lambda each: (each.rank, _LANES.index(each.lane))):
            refs = self.nudged.pop(nudge)
            try:
                self.crew.dispatcher.reconcile(refs, nudge.lane, nudge.rank, if_due=nudge.if_due)
            except Exception as failure:  # noqa: BLE001 - the agenda asks, until it is confirmed
                self.failures.update(dict.fromkeys(refs, failure))

    def _call_hooks(self) -> None:
        for rank in sorted(self.called):
            asked = self.called.pop(rank)
            try:
                self.crew.dispatcher.call(asked, rank)
            except Exception as failure:  # noqa: BLE001 - they are asked for again
                self.failures.update({each.ref: failure for each in asked})

    def _make(self, asked: Mapping[CanaryRef, Request]) -> list[_Answered]:
        """Begins what takes time; the answers of the scripts."""
        scripts = dict[CanaryRef, Invocation[Any]]()
        calls = dict[CanaryRef, Callable[[], Any]]()
        checks = dict[CanaryRef, Sequence[Check]]()
        for ref, request in asked.items():
            match request:
                case Invocation():
                    scripts[ref] = request
                case Await():
                    calls[ref] = request.call
                case Measure():
                    checks[ref] = tuple(request.checks)
                case _:
                    assert_never(request)
        self._begin(calls, checks)
        return self._scripted(scripts)

    def _scripted(self, asked: Mapping[CanaryRef, Invocation[Any]]) -> list[_Answered]:
        """The answers of all scripts, in one round trip; a failure of the server is everybody's."""
        if not asked:
            return []
        try:
            replies = self.crew.store.run_all(list(asked.values()))
        except errors.ClientError as failure:
            replies = [failure] * len(asked)
        return list(zip(asked, replies, strict=True))

    def _begin(
        self,
        calls: Mapping[CanaryRef, Callable[[], Any]],
        checks: Mapping[CanaryRef, Sequence[Check]],
    ) -> None:
        """Has begun what takes time. What is asked for alone is waited for on the spot."""
        self.out += len(checks) + len(calls)
        alone = len(self.works) == 1
        for ref, call in calls.items():
            (self.calls.make if alone else self.calls.add)(ref, call)
        if checks:
            self._measure(checks) if alone else self.crew.pool.submit(self._measure, checks)

    def _measure(self, checks: Mapping[CanaryRef, Sequence[Check]]) -> None:
        """Measures what can be together, and each alone whom a defect has kept from its results."""
        unmeasured = dict(checks)
        try:
            for wave in self.crew.reader.measure_each(checks):
                for each in wave.items():
                    del unmeasured[each[0]]
                    self.done.put(each)
        except Exception as defect:  # noqa: BLE001 - it is told to the steps that asked
            for ref, asked in unmeasured.items():
                if len(checks) == 1:
                    self.done.put((ref, defect))
                else:
                    self.crew.pool.submit(self._measure, {ref: asked})

    def _arrived(self) -> list[_Answered]:
        """The answers that have come, at least one, and those that come right after it."""
        if not self.out:
            return []
        answers = [self._first()]
        if self.out > 1:  # asleep meanwhile: to be woken by each answer would cost more than it
            threading.Event().wait(TOGETHER_SECONDS)
        with suppress(Empty):
            while len(answers) < self.out:
                answers.append(self.done.get_nowait())
        self.out -= len(answers)
        return answers

    def _first(self) -> _Answered:
        """The next answer; while there is none, slow calls are given company."""
        while True:
            try:
                return self.done.get(timeout=PATIENCE_SECONDS)
            except Empty:
                self._send(*self.nudged)
                self.calls.give_company()
