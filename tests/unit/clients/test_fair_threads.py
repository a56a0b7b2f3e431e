"""Threads that canaries share: how many calls run, whose are begun next, what ends the threads.

Calls of the tests end when the test says so. What uses the threads is tested where it does.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from clients import fair_threads
from clients.fair_threads import FairThreads
from config.refs import CanaryRef
from tests import patience
from tests.patience import until


class Calls:
    """Calls that go on until they are let go, and who has some under way."""

    def __init__(self) -> None:
        self.begun: list[CanaryRef] = []
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._under_way = 0
        self.most_at_once = 0

    def hang(self, owner: CanaryRef) -> Callable[[], None]:
        """A call that goes on until all are let go."""

        def call() -> None:
            with self._lock:
                self.begun.append(owner)
                self._under_way += 1
                self.most_at_once = max(self.most_at_once, self._under_way)
            self.over.wait(10)
            with self._lock:
                self._under_way -= 1

        return call


@pytest.fixture
def calls() -> Iterator[Calls]:
    """They all end with the test."""
    made = Calls()
    yield made
    made.over.set()


def ref(name: str, namespace: str = "shop") -> CanaryRef:
    """A canary."""
    return CanaryRef(namespace, name)


def settled(calls: Calls, count: int) -> Counter[CanaryRef]:
    """Whose calls are under way, once there are `count`, and no more come for a while."""
    until(lambda: len(calls.begun) >= count)
    threading.Event().wait(0.02)
    return Counter(calls.begun)


def test_a_canary_has_no_more_calls_under_way_than_it_leaves_threads_to_others(
    calls: Calls,
) -> None:
    """Of sixteen that is nine at most: eight were as many as were left, before the ninth."""
    threads = FairThreads("test", 16)
    for _ in range(100):
        threads.submit(ref("greedy"), calls.hang(ref("greedy")))
    assert settled(calls, 9) == {ref("greedy"): 9}
    threads.submit(ref("modest"), calls.hang(ref("modest")))
    assert settled(calls, 10) == {ref("greedy"): 9, ref("modest"): 1}


def test_a_namespace_leaves_a_quarter_to_others(calls: Calls) -> None:
    """However many canaries it has, each with a call that hangs."""
    threads = FairThreads("test", 16)
    for number in range(100):
        threads.submit(ref(f"c{number}", "crowded"), calls.hang(ref(f"c{number}", "crowded")))
    assert settled(calls, 13).total() == 13
    for number in range(3):
        threads.submit(ref("cart", f"other-{number}"), calls.hang(ref("cart", f"other-{number}")))
    begun = settled(calls, 15)
    assert {owner.namespace for owner in begun} >= {"crowded", "other-0", "other-1", "other-2"}


def test_whatever_waits_is_begun_when_others_end(calls: Calls) -> None:
    """Every call is made once, and never more at once than allowed."""
    threads, everybody = FairThreads("test", 5), [ref(f"c{number % 7}") for number in range(100)]
    for owner in everybody:
        threads.submit(owner, calls.hang(owner))
    calls.over.set()
    until(lambda: len(calls.begun) == len(everybody))
    assert Counter(calls.begun) == Counter(everybody)
    assert 1 < calls.most_at_once <= 5


def test_namespaces_take_turns_and_a_namespace_begins_in_order() -> None:
    """A namespace that comes late does not wait until all that came before it is done."""
    threads, begun, over = FairThreads("test", 1), list[CanaryRef](), threading.Event()

    def made(owner: CanaryRef) -> Callable[[], None]:
        return lambda: begun.append(owner)

    threads.submit(ref("first"), lambda: over.wait(10))
    crowd = [ref(f"c{number}", "crowded") for number in range(4)]
    for owner in (*crowd, ref("cart", "late")):
        threads.submit(owner, made(owner))
    over.set()
    until(lambda: len(begun) == 5)
    assert begun == [crowd[0], ref("cart", "late"), *crowd[1:]]


def test_a_call_that_fails_is_no_thread_less(caplog: pytest.LogCaptureFixture) -> None:
    """A defect is logged, and the next call is made."""
    threads, done = FairThreads("test", 1), threading.Event()

    def fail() -> None:
        raise ZeroDivisionError

    threads.submit(ref("odd"), fail)
    threads.submit(ref("even"), done.set)
    assert done.wait(patience.SECONDS)
    assert "defect of a call" in caplog.text


def test_threads_without_work_end_and_others_begin_when_there_is_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that was asked once keeps no threads for good."""
    monkeypatch.setattr(fair_threads, "IDLE_SECONDS", 0.01)
    threads = FairThreads("brief", 4)
    for _ in range(2):
        done = threading.Event()
        threads.submit(ref("cart"), done.set)
        assert done.wait(patience.SECONDS)
        until(lambda: all(each.name != "brief" for each in threading.enumerate()))


def test_what_is_under_way_when_they_are_closed_is_ended_and_nothing_else_is_begun(
    calls: Calls,
) -> None:
    """As a worker does that is told to end: what it has not begun is others' to do."""
    threads, closed = FairThreads("test", 2), threading.Event()
    for number in range(8):
        threads.submit(ref("cart", f"team-{number}"), calls.hang(ref("cart", f"team-{number}")))
    until(lambda: len(calls.begun) == 2)

    def close() -> None:
        threads.close()
        closed.set()

    threading.Thread(target=close).start()
    assert not closed.wait(0.1)
    calls.over.set()
    assert closed.wait(patience.SECONDS)
    assert {owner.namespace for owner in calls.begun} == {"team-0", "team-1"}
