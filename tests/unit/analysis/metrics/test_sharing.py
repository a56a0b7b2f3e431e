"""Queries shared by readers: threads of one process, and processes that meet in Redis.

Redis is in memory; that it and real servers answer alike is tests/contract/store's business.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import fakeredis
import pytest
from redis import Redis

from analysis.backends import Endpoint
from analysis.findings import Absent, CheckResult, Measurement, Sample
from analysis.judges import threshold
from analysis.metrics import sharing
from analysis.metrics.reader import Limits, MetricReader
from analysis.metrics.sharing import Sharing
from analysis.verdicts import Reason, Verdict
from clients.clock import Clock, ManualClock, SystemClock
from clients.redis.answers import RedisAnswers
from tests import patience
from tests.fakes import memory_redis
from tests.readings import measured
from tests.unit.analysis.metrics.builders import a_check
from tests.unit.analysis.metrics.test_reader import DOWN, Backend, builtin

HOLD: Final = timedelta(seconds=20)
PATIENCE: Final = timedelta(seconds=2)
FRESH: Final = sharing.FRESH
NO_DATA: Final = Absent(Verdict.NO_DATA, Reason.NO_VALUES, "no values found")

Ask = Callable[..., Sequence[CheckResult]]


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers stay fresh for as long as any test takes."""
    monkeypatch.setattr(sharing, "FRESH", HOLD)


class Site:
    """Servers that count their queries, and processes with a reader each that share one Redis."""

    def __init__(self, *answers: Callable[[str], Measurement]) -> None:
        self.servers = [Backend(answer) for answer in answers]
        self.memory = memory_redis.MemoryServer()
        self.redis = memory_redis.connect(self.memory)

    def process(self, redis: "Redis[str] | None" = None, clock: Clock | None = None) -> Ask:
        """A reader of its own, as a function of queries and server."""
        told = RedisAnswers(redis or memory_redis.connect(self.memory))
        clock = clock or SystemClock()
        reader = MetricReader(
            lambda endpoint: self.servers[int(endpoint.address.removeprefix("http://"))],
            clock,
            threshold.judge,
            limits=Limits(),
            sharing=Sharing(told, clock, HOLD, PATIENCE),
        )

        def ask(*queries: str, server: int = 0, **options: Any) -> Sequence[CheckResult]:
            endpoint = Endpoint(address=f"http://{server}", **options)
            return measured(reader, [a_check(query=each, endpoint=endpoint) for each in queries])

        return ask


def values(results: Sequence[CheckResult]) -> list[float | None]:
    """What was measured."""
    return [result.value for result in results]


@pytest.mark.parametrize("processes", [1, 3])
def test_a_query_that_is_under_way_is_not_sent_again(processes: int) -> None:
    """By other threads of the process, and by other processes: all get its answer."""
    all_ask, number = threading.Barrier(6), iter(range(1, 100))

    def answer(query: str) -> Measurement:
        time.sleep(0.1)
        return Sample(next(number))

    site = Site(answer)
    readers = [site.process() for _ in range(processes)]

    def ask(index: int) -> Sequence[CheckResult]:
        all_ask.wait(patience.SECONDS)
        return readers[index % processes]("up", "down")

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(ask, range(6)))

    assert sorted(site.servers[0].asked) == ["down", "up"]
    assert len({tuple(values(result)) for result in results}) == 1
    assert {*values(results[0])} == {1, 2}


@pytest.mark.parametrize(
    "answer",
    [Sample(0.1 + 0.2), Sample(5e-324), Sample(float("-inf")), Sample(99.0), NO_DATA],
    ids=str,
)
def test_a_shared_answer_is_the_answer_to_the_last_digit(answer: Measurement) -> None:
    """Verdict and reason as well; there is nothing to tell who asked."""
    site = Site(lambda _: answer)
    first, second = site.process()("up"), site.process()("up")

    assert site.servers[0].asked == ["up"]
    assert [replace(each, took=timedelta(0)) for each in first] == [
        replace(each, took=timedelta(0)) for each in second
    ]


def test_an_answer_is_shared_for_half_a_second() -> None:
    """A twentieth of the shortest interval; after that it is measured anew."""
    number = iter(range(1, 100))
    site = Site(lambda _: Sample(next(number)))
    ask = site.process()

    assert [values(ask("up")), values(ask("up"))] == [[1], [1]]
    assert timedelta(seconds=0.5) == FRESH
    (key,) = site.redis.keys()
    assert 0 < site.redis.pttl(key) <= HOLD / timedelta(milliseconds=1)
    site.redis.delete(key)
    assert values(ask("up")) == [2]


def test_only_the_same_text_to_the_same_server_is_the_same_query() -> None:
    """What is sent along with it tells servers apart as well."""
    site = Site(lambda _: Sample(1), lambda _: Sample(2))
    ask = site.process()

    assert values(ask("up", "up{}")) == [1, 1]
    assert values(ask("up", server=1)) == [2]
    assert values(ask("up", headers=(("X-Scope-OrgID", ("team",)),))) == [1]
    assert [server.asked for server in site.servers] == [["up", "up{}", "up"], ["up"]]


def test_whoever_waits_for_a_dead_process_asks_in_time() -> None:
    """Long before the claim of the dead expires; and everybody gets its answer then."""
    site = Site(lambda _: Sample(7))
    site.process()("up")
    (key,) = site.redis.keys()
    site.redis.set(key, "?", px=HOLD)

    began = time.monotonic()
    assert values(site.process()("up", "other")) == [7, 7]
    waited = time.monotonic() - began
    assert PATIENCE.total_seconds() <= waited < HOLD.total_seconds()
    assert values(site.process()("up")) == [7]
    assert sorted(site.servers[0].asked) == ["other", "up", "up"]


def test_nobody_is_told_an_answer_of_long_ago() -> None:
    """That of a process which was frozen with it, and goes on: the traffic is another by now."""
    clock, number = ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), iter(range(1, 100))

    def answer(query: str) -> Measurement:
        value = next(number)
        if value == 1:
            clock.advance(timedelta(minutes=1))
        return Sample(value)

    site = Site(answer)
    site.process(clock=clock)("up")
    assert values(site.process()("up")) == [2]


def test_an_error_is_met_by_each_for_itself() -> None:
    """A process that cannot reach the server spoils no other's check, nor keeps it waiting."""
    replies: Iterator[Measurement] = iter([DOWN, Sample(1)])
    site = Site(lambda _: next(replies))

    assert [each.verdict for each in site.process()("up")] == [Verdict.ERROR]
    began = time.monotonic()
    assert values(site.process()("up")) == [1]
    assert time.monotonic() - began < PATIENCE.total_seconds()


def test_without_redis_everybody_asks() -> None:
    """Measuring never fails for want of somebody to share with."""
    site = Site(lambda _: Sample(1))
    site.memory.connected = False

    assert values(site.process()("up")) == [1]
    assert values(site.process()("up")) == [1]
    assert site.servers[0].asked == ["up", "up"]


def test_nothing_but_digests_and_numbers_is_stored_and_all_of_it_expires() -> None:
    """Headers, addresses and texts of queries may hold what is nobody else's business."""
    site = Site(lambda _: Sample(12.5))
    site.process()("secret{}", headers=(("Authorization", ("Bearer hush",)),))

    (key,) = site.redis.keys()
    assert key.startswith("coalmine:query:")
    assert len(key) == len("coalmine:query:") + 64
    assert site.redis.get(key) == "12.5"
    assert 0 < site.redis.pttl(key) <= HOLD / timedelta(milliseconds=1)


def test_queries_of_a_wave_are_shared_in_two_round_trips_and_builtin_ones_in_none() -> None:
    """However many: one to claim them all, one to tell their answers."""
    trips: list[int] = []

    class Counted(fakeredis.FakeRedis):
        def pipeline(self, *args: Any, **options: Any) -> Any:
            pipeline = super().pipeline(*args, **options)
            execute = pipeline.execute

            def executed(*args: Any, **options: Any) -> Any:
                trips.append(len(pipeline.command_stack))
                return execute(*args, **options)

            pipeline.execute = executed  # type: ignore[method-assign]
            return pipeline

    site = Site(lambda _: Sample(1))
    redis: Redis[str] = Counted(server=site.memory, decode_responses=True)
    site.process(redis)(*map(str, range(20)))
    assert trips == [3 * 20, 20]

    clock = SystemClock()
    sharing_one = Sharing(RedisAnswers(redis), clock, HOLD, PATIENCE)
    reader = MetricReader(lambda _: site.servers[0], clock, threshold.judge, sharing=sharing_one)
    measured(reader, [builtin("cart"), builtin("search")])
    assert trips == [3 * 20, 20]
