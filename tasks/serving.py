"""How one worker process serves its queues: none of them ever waits for another.

Each queue has threads of its own, and a channel of its own, by which it takes a message only while
one of its threads could carry it out. Webhooks that hang keep the threads of their queue, and
nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from celery import Celery, bootsteps
from celery.concurrency import thread
from celery.concurrency.base import apply_target
from celery.concurrency.thread import TaskPool
from celery.worker import control, request
from celery.worker.consumer.tasks import Tasks
from kombu.asynchronous import get_event_loop
from kombu.common import ignore_errors

from clients.clock import Clock, SystemClock
from clients.fair_threads import FairThreads
from config.roles import Queue
from tasks import queues
from tasks.intake import Intake


@dataclass(slots=True)
class Line:
    """One queue of a worker, and the threads that serve it while its intake is open."""

    queue: Queue
    threads: int
    intake: Intake
    calls: FairThreads | None = None
    """Threads that go on with what jobs of this queue have begun; there is room in them, too."""
    executor: ThreadPoolExecutor = field(init=False)
    jobs: set[Future[Any]] = field(default_factory=set)
    """Taken from the queue and not finished; none waits for a thread: an idle worker could do it,
    and a more urgent one that comes to the queue would wait behind it."""
    changing: Lock = field(default_factory=Lock)
    clock: Clock = field(default_factory=SystemClock)
    turned_at: float = field(init=False)
    """When the worker's loop last looked for room."""

    def __post_init__(self) -> None:
        self.turned_at = self.clock.monotonic()
        self.executor = ThreadPoolExecutor(self.threads, self.queue.value)
        if self.calls:
            self.calls.freed = _wake

    def has_room(self) -> bool:
        """Whether a message may be taken from the queue."""
        has_room = self.calls is None or self.calls.has_room(len(self.jobs))
        return has_room and self.intake.is_open and len(self.jobs) < self.threads

    def turn(self) -> bool:
        """The same, asked by the worker's loop: before each wait for messages, of a second."""
        self.turned_at = self.clock.monotonic()
        return self.has_room()

    def still_seconds(self) -> float:
        """How long ago the worker's loop looked for room."""
        return self.clock.monotonic() - self.turned_at

    def carry_out(self, *call: Any) -> Future[Any]:
        """Has a job, the arguments of `apply_target`, done by the next free thread."""
        job = self.executor.submit(apply_target, *call)
        with self.changing:
            self.jobs.add(job)
        job.add_done_callback(self._end)
        return job

    def _end(self, job: Future[Any]) -> None:
        with self.changing:  # of all that end at a time, one must find that there was no room
            was_full = not self.has_room()
            self.jobs.discard(job)
        if was_full:
            _wake()

    def close(self) -> None:
        """Ends all threads, once they have done what they are at."""
        self.executor.shutdown()
        if self.calls:
            self.calls.close()


def _wake() -> None:
    """Has the worker's loop look for room: it does when something wakes it."""
    loop = get_event_loop()
    if loop is not None:
        loop.call_soon(_nothing)


class Taken(request.Request):
    """A request of a message that left Redis when it was taken."""

    def acknowledge(self) -> None:
        """Wakes nobody: Celery would have its loop acknowledge what is gone."""
        self.acknowledged = True


def serve(app: Celery, lines: Sequence[Line]) -> dict[str, Any]:
    """Has the worker of `app` serve `lines`; gives what it must be told besides: see `Worker`."""
    first, *others = lines
    _tell_queues(app, lines)
    app.steps["consumer"].update({_limited(first), *map(_channel_of, others)})
    return {
        "pool": _pool_of(lines),
        "concurrency": sum(line.threads for line in lines),
        "queues": [first.queue.value],
    }


def _tell_queues(app: Celery, lines: Sequence[Line]) -> None:
    """Has whoever asks for this worker's queues, as Flower does, be told of all `lines`."""

    @control.inspect_command(name="active_queues")
    def told(_: Any) -> list[dict[str, Any]]:
        """Lists the queues; Celery's own command knows the consumer of the first."""
        return [app.amqp.queues[line.queue.value].as_dict(recurse=True) for line in lines]


def _pool_of(lines: Sequence[Line]) -> type[TaskPool]:
    by_queue = {line.queue: line for line in lines}

    class Pool(TaskPool):
        """The threads of all lines."""

        def on_apply(
            self,
            target: Any,
            args: Any = None,
            kwargs: Any = None,
            callback: Any = None,
            accept_callback: Any = None,
            **_: Any,
        ) -> Any:
            """Has the task `args[0]` carried out by the line that its name belongs to."""
            queue = queues.QUEUES.get(args[0], lines[0].queue)
            line = by_queue.get(queue, lines[0])
            job = line.carry_out(target, args, kwargs, callback, accept_callback)
            return thread.ApplyResult(job)  # type: ignore[attr-defined]  # missing in its stubs

        def on_stop(self) -> None:
            """Ends all threads, once they have done what they are at."""
            for line in lines:
                line.executor.shutdown(wait=False)
            for line in lines:
                line.close()
            super().on_stop()

    return Pool


def _limited(line: Line) -> type[bootsteps.StartStopStep]:
    """A step that puts `line` between Celery's own consumer and its queue."""

    class Limited(bootsteps.StartStopStep):
        """Is repeated at every connection."""

        requires = (Tasks,)

        def start(self, consumer: Any) -> None:
            """Replaces Celery's own limit on reserved messages, and its acknowledgements."""
            consumer.task_consumer.no_ack = True
            _limit(consumer.task_consumer.channel, line)

    return Limited


def _channel_of(line: Line) -> type[bootsteps.ConsumerStep]:
    """A step that takes messages for `line` by a channel of their own."""

    class OwnChannel(bootsteps.ConsumerStep):
        """Is repeated at every connection."""

        name = f"channel of {line.queue}"
        requires = (Tasks,)

        def start(self, consumer: Any) -> None:
            """Takes messages as Celery's own consumer does."""
            self._worker = consumer
            super().start(consumer)

        def get_consumers(self, channel: Any) -> list[Any]:
            """The one consumer."""
            _limit(channel, line)
            return [_consumer(self._worker, channel, line)]

        def stop(self, consumer: Any) -> None:
            """Takes no more."""
            for own in self.consumers or []:
                ignore_errors(consumer.connection, own.cancel)

        def shutdown(self, consumer: Any) -> None:
            """Closes the channel, which a connection that is lost has taken along."""
            if consumer.connection is not None:
                super().shutdown(consumer)

    return OwnChannel


def _consumer(worker: Any, channel: Any, line: Line) -> Any:
    """Takes messages of `line` from `channel`, as the worker's own consumer does of the first."""
    amqp = worker.app.amqp
    own = amqp.TaskConsumer(
        channel,
        queues=[amqp.queues[line.queue.value]],
        no_ack=True,
        on_decode_error=worker.on_decode_error,
    )
    own.on_message = worker.create_task_handler()
    return own


def _limit(channel: Any, line: Line) -> None:
    channel.qos.can_consume = line.turn


def _nothing() -> None:
    """Wakes whoever calls it."""
