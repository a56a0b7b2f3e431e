"""Messages through a real queue: workers on threads, a real Valkey, services that note their calls.

What unit tests cannot show: that every message finds its task, that an
odd message does no harm, and what a publisher gets when the broker is away.
"""

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from pydantic import SecretStr
from redis import Redis

from analysis.effects import Lane
from clients import errors
from clients.fair_threads import FairThreads
from clients.instruments import SILENT, Instruments
from clients.redis.records import Asked
from config.ranks import Rank
from config.refs import CanaryRef
from config.roles import Queue
from config.settings.groups import RedisSettings
from config.settings.settings import Settings
from tasks import app as apps
from tasks import publishing, queues, serving, transport, wiring
from tasks.intake import Intake
from tasks.serving import Line
from tests import patience
from tests.patience import until
from tests.services import valkey as valkeys
from tests.services.valkey import Valkey

REF: Final = CanaryRef("shop", "cart")
PATIENCE_SECONDS: Final = patience.SECONDS
THREADS: Final = 4


@dataclass(frozen=True)
class Reconciler:
    """Notes under the name of its lane what it was asked to reconcile."""

    noted: "Noted"
    lane: str

    def reconcile(self, *refs: CanaryRef, if_due: bool = False) -> None:  # noqa: ARG002
        """Notes each of them."""
        if slow := self.noted.slow.get(self.lane):
            slow.wait(PATIENCE_SECONDS)
        for ref in refs:
            self.noted.note(self.lane, ref)


@dataclass
class Noted:
    """Services that only note who was called with what."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)
    hook: Callable[[], object] | None = None
    failure: Exception | None = None
    threads: FairThreads | None = None
    slow: dict[str, threading.Event] = field(default_factory=dict)
    """By lane: what its reconciler waits for."""
    instruments: Instruments = SILENT

    def note(self, *call: Any) -> None:
        """Keeps a call."""
        with self.came:
            self.calls.append(call)
            self.came.notify_all()

    def wait(self, count: int) -> list[tuple[Any, ...]]:
        """The first `count` calls."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.calls) >= count, PATIENCE_SECONDS), (
                self.calls
            )
            return list(self.calls)

    # One object for both: their methods differ.

    @property
    def analyst(self) -> "Noted":
        """This object."""
        return self

    caller = analyst

    @property
    def route(self) -> "Reconciler":
        """The reconciler of routes."""
        return Reconciler(self, "route")

    @property
    def workload(self) -> "Reconciler":
        """The reconciler of workloads."""
        return Reconciler(self, "workload")

    @property
    def status(self) -> "Reconciler":
        """The reconciler of the status."""
        return Reconciler(self, "status")

    def tick(self, *refs: CanaryRef) -> dict[str, str]:
        """Notes each; fails where it is told to."""
        for ref in refs:
            self.note("tick", ref)
        if self.failure:
            raise self.failure
        return {str(ref): "Advanced, 80/20" for ref in refs}

    def call(self, *asked: Asked) -> None:
        """Notes each, after whatever the test has it wait for."""
        for each in asked:
            if self.threads:
                self.threads.submit(each.ref, partial(self._make, each))
            else:
                self._make(each)

    def _make(self, asked: Asked) -> None:
        if self.hook:
            self.hook()
        self.note("call", asked.ref, asked.round, asked.key)


def connected(url: str) -> Celery:
    """The application over the server at `url`."""
    return apps.make_app(replace(Settings(), redis=RedisSettings(url=SecretStr(url))))


@contextlib.contextmanager
def working(
    app: Celery, *served: Queue, threads: int = THREADS, calls: FairThreads | None = None
) -> Iterator[Noted]:
    """A worker of the `served` queues (all by default), and what it was asked to do.

    Jobs of hooks leave their calls to the threads `calls`, if there are any.
    """
    noted = Noted()
    noted.threads = calls
    wiring.install(noted)  # type: ignore[arg-type]  # has the methods, is none of the classes
    always_open = Intake(lambda: None)
    lines = [
        Line(queue, threads, always_open, calls if queue is Queue.HOOKS else None)
        for queue in served or Queue
    ]
    with start_worker(
        app,
        **serving.serve(app, lines),
        perform_ping_check=False,
        loglevel="warning",
        shutdown_timeout=10.0,
    ):
        yield noted


@pytest.fixture
def app(valkey: Valkey) -> Iterator[Celery]:
    """The application over an empty server."""
    app = connected(valkey.url)
    yield app
    app.close()


def test_every_message_finds_its_task(app: Celery) -> None:
    """Ticks and each kind of effect."""
    publisher = publishing.CeleryDispatcher(app)
    with working(app) as noted:
        publisher.tick([REF], Rank.CHECK)
        for effect in Lane:
            publisher.reconcile([REF], effect, Rank.REVISION)
        calls = noted.wait(4)
    expected = {(name, REF) for name in ("tick", "route", "workload", "status")}
    assert set(calls) == expected


def test_messages_wait_in_the_queue_of_their_worker(app: Celery, valkey: Valkey) -> None:
    """Routing workers alone get traffic: nobody else has the rights to write it."""
    publisher = publishing.CeleryDispatcher(app)
    publisher.tick([REF], Rank.CHECK)
    publisher.call([Asked(REF, 7, "a")], Rank.STEP)
    for effect in Lane:
        publisher.reconcile([REF], effect, Rank.REVISION)
    waiting = {"analysis": 2, "hooks": 1, "routing": 1, "report": 1}
    with contextlib.closing(valkey.client()) as client:
        assert {queue: _length(client, queue) for queue in Queue} == waiting
    assert publisher.waiting() == waiting


def test_the_most_urgent_message_is_taken_first(valkey: Valkey) -> None:
    """Whatever came before it to its queue; of one priority in their order."""
    app = connected(valkey.url)
    publisher = publishing.CeleryDispatcher(app)
    for number, rank in enumerate(sorted(Rank, reverse=True) * 2):
        publisher.tick([CanaryRef("shop", f"c{number}")], rank)
        publisher.reconcile([CanaryRef("shop", f"c{number}")], Lane.ROUTE, rank)
    with working(app, threads=1) as noted:
        calls = noted.wait(24)
    app.close()
    for kind in ("tick", "route"):
        numbers = [int(ref.name[1:]) for name, ref in calls if name == kind]
        assert numbers == [5, 11, 3, 4, 9, 10, 0, 1, 2, 6, 7, 8]


def test_an_urgent_message_passes_all_that_wait_for_a_busy_worker(
    app: Celery, valkey: Valkey
) -> None:
    """It keeps nothing back for its threads that it could not begin at once."""
    publisher, go_on = publishing.CeleryDispatcher(app), threading.Event()
    refs = [CanaryRef("shop", f"c{number}") for number in range(5)]
    with (
        working(app, Queue.ROUTING, threads=1) as noted,
        contextlib.closing(valkey.client()) as client,
    ):
        noted.slow = {"route": go_on}
        publisher.reconcile(refs[:1], Lane.ROUTE, Rank.RESYNC)
        until(lambda: _length(client, "routing") == 0)
        publisher.reconcile(refs[1:4], Lane.ROUTE, Rank.RESYNC)
        time.sleep(0.5)
        publisher.reconcile(refs[4:], Lane.ROUTE, Rank.ROLLBACK)
        go_on.set()
        calls = noted.wait(5)
    assert calls == [("route", refs[number]) for number in (0, 4, 1, 2, 3)]


def test_canaries_being_initialised_are_written_a_few_at_a_time(app: Celery) -> None:
    """Each is many requests, behind which what is urgent would wait; others travel together."""
    publisher = publishing.CeleryDispatcher(app)
    refs = [CanaryRef("shop", f"c{number}") for number in range(12)]
    publisher.reconcile(refs, Lane.ROUTE, Rank.CHECK)
    assert publisher.waiting()[Queue.ROUTING] == 1
    publisher.reconcile(refs, Lane.ROUTE, Rank.INITIALIZATION)
    assert publisher.waiting()[Queue.ROUTING] == 1 + 3
    with working(app, Queue.ROUTING, threads=1) as noted:
        assert noted.wait(24) == [("route", ref) for ref in refs] * 2


def test_a_worker_tells_all_its_queues(app: Celery) -> None:
    """Flower shows what it answers; the keys of one are those of Celery's own command."""
    answers: dict[str, Any] = {}

    def asked() -> bool:
        """Whether there was an answer: a question is lost on a worker that does not listen yet."""
        answers.update(app.control.inspect(limit=1).active_queues() or {})
        return bool(answers)

    with working(app, Queue.ROUTING, Queue.REPORT, Queue.HOOKS):
        until(asked)
    (told,) = answers.values()
    assert [queue["name"] for queue in told] == ["routing", "report", "hooks"]
    assert {"name", "exchange", "routing_key", "durable"} <= told[0].keys()


def test_flower_is_told_of_each_task_whom_it_was_about_and_what_came_of_it(app: Celery) -> None:
    """By Celery's own events, which it has workers send."""
    told: dict[str, str] = {}
    publisher, refs = publishing.CeleryDispatcher(app), [REF, CanaryRef("shop", "till")]
    app.conf.worker_send_task_events = True

    def keep(event: Mapping[str, Any]) -> None:
        told[event["type"]] = str(event.get("args") or event.get("result"))

    with working(app, threads=1), app.connection_for_read() as connection:
        types = ("task-received", "task-succeeded")
        receiver = app.events.Receiver(connection, handlers=dict.fromkeys(types, keep))
        with receiver.consumer_context() as (heard_by, *_):

            def heard() -> bool:
                """Asks again: whoever listens from now on has not heard what was told before."""
                publisher.tick(refs, Rank.CHECK)
                with contextlib.suppress(TimeoutError):
                    heard_by.drain_events(timeout=0.2)
                return set(types) <= told.keys()

            until(heard)
    assert told["task-received"] == "({'v': 2, 'canaries': ['shop/cart', 'shop/till']},)"
    came = "{'shop/cart': 'Advanced, 80/20', 'shop/till': 'Advanced, 80/20'}"
    assert told["task-succeeded"] == came


def test_messages_of_a_release_without_priorities_are_taken_too(app: Celery) -> None:
    """During an upgrade; they wait in the list that goes first."""
    for number in range(3):
        message = {"v": 1, "canary": f"shop/old-{number}"}
        app.send_task(queues.TICK, args=(message,))
    publishing.CeleryDispatcher(app).tick([REF], Rank.ROLLBACK)
    with working(app, threads=1) as noted:
        calls = noted.wait(4)
    assert calls == [*(("tick", CanaryRef("shop", f"old-{n}")) for n in range(3)), ("tick", REF)]


def test_the_hooks_of_a_round_are_called_at_once(app: Celery) -> None:
    """Each by a thread of its own: none goes on before all have begun."""
    with working(app) as noted:
        noted.hook = threading.Barrier(3, timeout=PATIENCE_SECONDS).wait
        for key in "abc":
            publishing.CeleryDispatcher(app).call([Asked(REF, 7, key)], Rank.STEP)
        assert sorted(noted.wait(3)) == [("call", REF, 7, key) for key in "abc"]


def test_a_busy_hook_worker_leaves_calls_to_an_idle_one(valkey: Valkey) -> None:
    """7: it takes what it can make at once, and reserves nothing beyond it."""
    app = connected(valkey.url)
    publisher, go_on = publishing.CeleryDispatcher(app), threading.Event()
    with working(app, Queue.HOOKS) as noted, contextlib.closing(valkey.client()) as client:
        noted.hook = lambda: go_on.wait(PATIENCE_SECONDS)
        for number in range(10):
            publisher.call([Asked(REF, 7, str(number))], Rank.STEP)
        until(lambda: _length(client, "hooks") == 6)
        time.sleep(1)
        assert _length(client, "hooks") == 6
        go_on.set()
        assert len(noted.wait(10)) == 10
    app.close()


def test_a_worker_takes_jobs_while_it_has_threads_for_their_calls(valkey: Valkey) -> None:
    """Jobs end before their calls do; what is left in the queue is taken as soon as one ends."""
    app = connected(valkey.url)
    publisher, go_on = publishing.CeleryDispatcher(app), threading.Semaphore(0)
    threads = FairThreads("hooks", 2)
    with (
        working(app, Queue.HOOKS, calls=threads) as noted,
        contextlib.closing(valkey.client()) as client,
    ):
        noted.hook = lambda: go_on.acquire(timeout=PATIENCE_SECONDS)
        for number in range(8):
            ref = CanaryRef(f"team-{number}", "cart")
            publisher.call([Asked(ref, 7, "a")], Rank.STEP)
            until(lambda: _length(client, "hooks") == max(0, number - 1))  # noqa: B023
        began = time.monotonic()
        for left in range(5, -1, -1):
            go_on.release()
            until(lambda: _length(client, "hooks") == left)  # noqa: B023
        assert time.monotonic() - began < 5  # who looks once a second takes six
        go_on.release(2)
        assert len(noted.wait(8)) == 8
    app.close()


def test_hooks_that_hang_delay_nothing_else(app: Celery, valkey: Valkey) -> None:
    """One process serves all queues: five times as many calls as it has threads for, and all hang.

    Ticks, routes, workloads and reports are done meanwhile, and the calls that cannot be made yet
    wait in their queue; when the calls end, the next ones begin at once.
    """
    publisher, go_on = publishing.CeleryDispatcher(app), threading.Event()
    with working(app) as noted, contextlib.closing(valkey.client()) as client:
        noted.hook = lambda: go_on.wait(PATIENCE_SECONDS)
        for number in range(5 * THREADS):
            publisher.call([Asked(REF, 7, str(number))], Rank.STEP)
        until(lambda: _length(client, "hooks") == 4 * THREADS)
        refs = [CanaryRef("shop", f"c{number}") for number in range(40)]
        began = time.monotonic()
        for ref in refs:
            publisher.tick([ref], Rank.CHECK)
            for lane in Lane:
                publisher.reconcile([ref], lane, Rank.REVISION)
        done = noted.wait(len(refs) * 4)
        assert time.monotonic() - began < PATIENCE_SECONDS / 2
        assert sorted(done) == sorted(
            (name, ref) for ref in refs for name in ("tick", "route", "workload", "status")
        )
        assert _length(client, "hooks") == 4 * THREADS

        began = time.monotonic()
        go_on.set()
        noted.wait(len(done) + 5 * THREADS)
        assert time.monotonic() - began < 4  # one round after the other, without a pause


@pytest.mark.parametrize("stuck", [Lane.ROUTE, Lane.STATUS])
def test_a_queue_that_is_stuck_delays_no_other(app: Celery, stuck: Lane) -> None:
    """Not even when more messages wait in it than there are threads in the whole process."""
    publisher, go_on = publishing.CeleryDispatcher(app), threading.Event()
    with working(app) as noted:
        noted.slow = {stuck.value: go_on}
        for number in range(10 * THREADS):
            publisher.reconcile([CanaryRef("shop", f"c{number}")], stuck, Rank.REVISION)
        for _ in range(10):
            publisher.tick([REF], Rank.CHECK)
            publisher.call([Asked(REF, 7, "a")], Rank.STEP)
        done = noted.wait(20)
        go_on.set()
        noted.wait(20 + 10 * THREADS)
    assert sorted(done, key=str) == [("call", REF, 7, "a")] * 10 + [("tick", REF)] * 10


def test_a_message_of_another_release_is_dropped_with_a_line(
    app: Celery, caplog: pytest.LogCaptureFixture
) -> None:
    """And the worker goes on."""
    with working(app) as noted, caplog.at_level(logging.WARNING):
        app.send_task(queues.TICK, args=({"v": 3, "canary": "shop/cart"},))
        app.send_task(queues.TICK, args=(["shop/cart"],))
        publishing.CeleryDispatcher(app).tick([REF], Rank.CHECK)
        assert noted.wait(1) == [("tick", REF)]
        until(lambda: len(_dropped(caplog)) == 2)
    assert sorted(_dropped(caplog)) == [
        "message ['shop/cart']; allowed: a JSON object",
        "message version 3; allowed: 1 or 2",
    ]


def test_a_task_that_fails_is_not_tried_again(app: Celery) -> None:
    """The agenda asks again; the queue must not."""
    with working(app) as noted:
        noted.failure = errors.Transient("away")
        publishing.CeleryDispatcher(app).tick([REF], Rank.CHECK)
        noted.wait(1)
        time.sleep(0.3)
        assert noted.calls == [("tick", REF)]


def test_nudges_leave_nothing_behind(app: Celery, valkey: Valkey) -> None:
    """No result, no waiting message."""
    with working(app) as noted:
        publishing.CeleryDispatcher(app).tick([REF], Rank.CHECK)
        publishing.CeleryDispatcher(app).call([Asked(REF, 7, "a")], Rank.STEP)
        noted.wait(2)
    with contextlib.closing(valkey.client()) as client:
        left = [key.decode() for key in client.scan_iter("*")]
    assert not [key for key in left if not key.startswith("cq:_kombu.")]


def test_a_message_costs_two_commands(app: Celery, valkey: Valkey) -> None:
    """One that puts it into its queue and one that takes it out; nothing is kept about it.

    Every further one is a round trip of the publisher or of the loop that takes messages.
    """
    publisher, most = publishing.CeleryDispatcher(app), 40
    with working(app) as noted, contextlib.closing(valkey.client()) as client:
        publisher.tick([REF], Rank.CHECK)
        publisher.reconcile([REF], Lane.ROUTE, Rank.REVISION)
        noted.wait(2)  # connections are made and queues measured
        before = _commands(client)
        for _ in range(most // 2):
            publisher.tick([REF], Rank.CHECK)
            publisher.reconcile([REF], Lane.ROUTE, Rank.REVISION)
        noted.wait(2 + most)
        used = _commands(client)
    used.subtract(before)
    assert used["lpush"] == most
    # Each queue's worker asks again after a second without a message, and queues are measured.
    assert used.total() < 2 * most + 30, used


def test_a_message_that_is_taken_is_in_redis_no_more(app: Celery, valkey: Valkey) -> None:
    """Also while it is carried out: no list of messages that somebody has."""
    go_on = threading.Event()
    with working(app) as noted, contextlib.closing(valkey.client()) as client:
        noted.hook = lambda: go_on.wait(PATIENCE_SECONDS)
        publishing.CeleryDispatcher(app).call([Asked(REF, 7, "a")], Rank.STEP)
        until(lambda: _length(client, "hooks") == 0)
        time.sleep(0.2)
        left = {key.decode() for key in client.scan_iter("*")}
        go_on.set()
        noted.wait(1)
    assert {key for key in left if not key.startswith("cq:_kombu.")} == set()


def test_a_job_whose_thread_is_slow_to_begin_is_done_by_a_worker_that_ends(app: Celery) -> None:
    """Its message has left Redis: nobody else would do it."""
    begun, done = threading.Event(), list[str]()
    line = Line(Queue.REPORT, 1, Intake(lambda: None))
    line.executor = ThreadPoolExecutor(1, initializer=begun.wait)
    pool = serving.serve(app, [line])["pool"](1, app=app)
    pool.on_start()
    line.carry_out(done.append, ("status",), {}, lambda _: None)
    threading.Timer(0.1, begun.set).start()
    pool.on_stop()
    assert done == ["status"]


def test_a_worker_that_ends_leaves_what_it_does_not_carry_out(valkey: Valkey) -> None:
    """In the queue, also what Redis gave it in that moment: the next worker takes it."""
    publishing_app, ended = connected(valkey.url), threading.Event()
    sent: list[tuple[str, CanaryRef]] = []

    def publish() -> None:
        publisher = publishing.CeleryDispatcher(publishing_app)
        while not ended.is_set():
            ref = CanaryRef("shop", f"c{len(sent)}")
            publisher.tick([ref], Rank.CHECK)
            publisher.reconcile([ref], Lane.STATUS, Rank.REVISION)
            sent.extend((lane, ref) for lane in ("tick", "status"))
            time.sleep(0.05)  # one that ends waits for the next message of a queue

    done = []
    thread = threading.Thread(target=publish)
    thread.start()
    for _ in range(3):
        app = connected(valkey.url)
        with working(app, Queue.ANALYSIS, Queue.REPORT) as noted:
            noted.wait(20)
        done += noted.calls
        app.close()
    ended.set()
    thread.join()
    with working(publishing_app, Queue.ANALYSIS, Queue.REPORT) as noted:
        rest = len(sent) - len(done)
        assert sorted(done + noted.wait(rest)) == sorted(sent)
    publishing_app.close()


def test_clients_of_the_broker_are_made_once(app: Celery) -> None:
    """Of a channel; another one has another."""
    with app.connection() as connection:
        channel: Any = connection.default_channel
        assert type(channel) is transport.Channel
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
        with channel.conn_or_acquire("another") as asked_for:
            assert asked_for == "another"
    with app.connection() as connection:
        channel = connection.default_channel
        with channel.conn_or_acquire() as later:
            assert later is not first
            assert later.ping()


def test_a_broker_that_is_away_is_transient(tmp_path: Path) -> None:
    """For nudges and for hooks, and in seconds."""
    with valkeys.running(tmp_path) as server:
        app = connected(server.url)
        publishing.CeleryDispatcher(app).tick([REF], Rank.CHECK)
    try:
        started = time.monotonic()
        publisher = publishing.CeleryDispatcher(app)
        with pytest.raises(errors.Transient):
            publisher.tick([REF], Rank.CHECK)
        with pytest.raises(errors.Transient):
            publisher.reconcile([REF], Lane.ROUTE, Rank.REVISION)
        with pytest.raises(errors.Transient):
            publisher.call([Asked(REF, 7, "a")], Rank.STEP)
        assert time.monotonic() - started < 10
    finally:
        app.close()


def test_a_worker_outlives_a_busy_broker_that_is_killed(app: Celery, valkey: Valkey) -> None:
    """And takes messages of every queue again when it is back, with nothing in it."""
    publisher, ended = publishing.CeleryDispatcher(app), threading.Event()
    after = CanaryRef("shop", "after")

    def publish(ref: CanaryRef) -> None:
        publisher.tick([ref], Rank.CHECK)
        for lane in Lane:
            publisher.reconcile([ref], lane, Rank.REVISION)

    def keep_busy() -> None:
        while not ended.wait(0.001):
            with contextlib.suppress(errors.Transient):
                publish(REF)

    busy = threading.Thread(target=keep_busy)
    with working(app) as noted:
        busy.start()
        try:
            for _ in range(2):
                noted.wait(len(noted.calls) + 50)
                with valkey.process.down():
                    time.sleep(0.1)
        finally:
            ended.set()  # a worker that is slower than it would never come to what is less urgent
            busy.join()
        publish(after)
        expected = {(name, after) for name in ("tick", "route", "workload", "status")}
        # Celery waits longer after each attempt to reach a broker that is away.
        until(lambda: expected <= set(noted.calls), seconds=60)


def test_a_worker_outlives_a_broker_that_is_made_a_replica(app: Celery, valkey: Valkey) -> None:
    """R-85: at each failover that was planned all workers ended, as none had been told to."""
    publisher, after = publishing.CeleryDispatcher(app), CanaryRef("shop", "after")
    with working(app) as noted, contextlib.closing(valkey.client()) as client:
        publisher.tick([REF], Rank.CHECK)
        noted.wait(1)
        client.replicaof("127.0.0.1", "1")
        try:
            with pytest.raises(errors.Transient):
                publisher.tick([REF], Rank.CHECK)
            time.sleep(0.2)
        finally:
            client.replicaof("NO", "ONE")
        publisher.tick([after], Rank.CHECK)
        until(lambda: ("tick", after) in noted.calls, seconds=30)


def test_a_worker_ends_while_its_broker_is_away(tmp_path: Path) -> None:
    """Without a word of failure: there is no connection whose channels it could close."""
    with valkeys.running(tmp_path) as server:
        app = connected(server.url)
        with working(app) as noted:
            publishing.CeleryDispatcher(app).tick([REF], Rank.CHECK)
            noted.wait(1)
            server.process.kill()
            time.sleep(1)
        app.close()


def _length(client: "Redis[bytes]", queue: str) -> int:
    """The messages that wait in the lists of all priorities."""
    return sum(client.llen(key) for key in client.scan_iter(f"cq:{queue}*", _type="LIST"))


def _commands(client: "Redis[bytes]") -> Counter[str]:
    """How often each command was sent to the server."""
    information: Mapping[str, Any] = client.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): of["calls"] for name, of in information.items()})


def _dropped(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        str(vars(record)["error"])
        for record in caplog.records
        if record.getMessage() == "message dropped"
    ]
