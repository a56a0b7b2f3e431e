"""The supervisor in simulated time: restarts, pauses, and the end of everything."""

import itertools
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from cli import exits, supervisor
from cli.processes import Command
from cli.supervisor import Supervisor
from cli.up import ProcessSet
from clients.clock import ManualClock


@dataclass
class FakeChild:
    """A child that ends when a test says so, or on the signals it does not ignore."""

    pid: int
    ignores: frozenset[signal.Signals] = frozenset()
    code: int | None = None
    got: list[signal.Signals] = field(default_factory=list)

    def ended(self) -> int | None:
        """The exit code, if any."""
        return self.code

    def signal(self, number: signal.Signals) -> None:
        """Notes the signal, and ends unless it is ignored."""
        if self.code is None:
            self.got.append(number)
            self.code = None if number in self.ignores else -number


class Room:
    """Starts fake children and remembers when; `then` runs on each turn of the clock."""

    def __init__(self, *, ignores: frozenset[signal.Signals] = frozenset()) -> None:
        self.clock = TurningClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.children: list[FakeChild] = []
        self.times: list[float] = []
        self.environ: Mapping[str, str] = {}
        self._ignores = ignores

    def start(self, command: Command, environ: Mapping[str, str]) -> FakeChild:
        """A new child."""
        del command
        self.environ = environ
        self.times.append(round(self.clock.monotonic(), 2))
        self.children.append(FakeChild(len(self.children) + 1, self._ignores))
        return self.children[-1]

    def run(self, count: int = 1) -> int:
        """The exit code of a supervisor over `count` children."""
        commands = [Command(f"child-{number}", "cli", ()) for number in range(count)]
        watched = Supervisor(commands, self.clock, self.start)
        watched.listen()
        return watched.run({"COALMINE_LOG_LEVEL": "info"})


class TurningClock(ManualClock):
    """Calls `then` after each sleep: where a test makes things happen."""

    then: Callable[[float], None] = staticmethod(lambda _: None)

    def sleep(self, seconds: float) -> None:
        """Move on, and let things happen."""
        super().sleep(seconds)
        self.then(self.monotonic())


@pytest.fixture(autouse=True)
def _signals_restored() -> Iterator[None]:
    """Leaves the handlers of the test process as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def at(moment: float, number: signal.Signals = signal.SIGTERM) -> Callable[[float], None]:
    """Raises a signal in this process once, at `moment`."""
    done: list[float] = []

    def then(now: float) -> None:
        if now >= moment and not done:
            done.append(now)
            signal.raise_signal(number)

    return then


def test_a_killed_child_is_back_at_once() -> None:
    """The first loss costs no pause, far within two seconds."""
    room = Room()
    end = at(3)

    def then(now: float) -> None:
        if now >= 1 and len(room.children) == 1:
            room.children[0].code = -9
        end(now)

    room.clock.then = then
    assert room.run() == exits.OK
    assert len(room.children) == 2
    assert room.times[1] - 1 < 0.2


def test_a_child_that_ends_again_and_again_is_started_ever_more_seldom() -> None:
    """A broken process must not keep a machine busy."""
    room = Room()
    end = at(200)

    def then(now: float) -> None:
        room.children[-1].code = 1
        end(now)

    room.clock.then = then
    room.run()

    pauses = [b - a for a, b in itertools.pairwise(room.times)]
    assert all(b > a - 2 * supervisor.POLL_SECONDS for a, b in itertools.pairwise(pauses))
    assert max(pauses) == pytest.approx(supervisor.pause(100), abs=0.2)


def test_a_child_that_cannot_be_started_for_now_is_started_later() -> None:
    """A machine short of memory keeps the processes it has, and gets the missing one back."""
    room = Room()
    start, refused = room.start, [OSError(12, "Cannot allocate memory")]

    def starting(command: Command, environ: Mapping[str, str]) -> FakeChild:
        if room.children and refused:
            raise refused.pop()
        return start(command, environ)

    room.start = starting  # type: ignore[method-assign]
    room.clock.then = at(3)

    assert room.run(count=2) == exits.OK
    assert len(room.children) == 2
    assert 0 < room.times[1] < 1


def test_a_child_that_cannot_work_ends_the_whole_set() -> None:
    """Settings that one process refuses will not get better by starting it again."""
    room = Room()

    def then(now: float) -> None:
        if now >= 1:
            room.children[0].code = room.children[0].code or exits.UNUSABLE

    room.clock.then = then
    assert room.run(3) == exits.UNUSABLE
    assert len(room.children) == 3
    assert all(child.code is not None for child in room.children)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_children_are_asked_to_end(number: signal.Signals) -> None:
    """Either signal ends all, in order, with code 0."""
    room = Room()
    room.clock.then = at(1, number)

    assert room.run(3) == exits.OK
    assert all(child.got == [signal.SIGTERM] for child in room.children)


def test_children_that_do_not_listen_are_killed_within_ten_seconds() -> None:
    """The promise of `coalmine up` about SIGTERM."""
    room = Room(ignores=frozenset({signal.SIGTERM}))
    room.clock.then = at(1)

    assert room.run(2) == exits.OK
    assert all(child.got == [signal.SIGTERM, signal.SIGKILL] for child in room.children)
    assert room.clock.monotonic() < 11


def test_a_second_ctrl_c_kills_at_once() -> None:
    """Nobody waits twice."""
    room = Room(ignores=frozenset({signal.SIGTERM}))
    first, second = at(1, signal.SIGINT), at(1.5, signal.SIGINT)

    def then(now: float) -> None:
        first(now)
        second(now)

    room.clock.then = then
    room.run(2)

    assert room.clock.monotonic() < 2


def test_children_get_the_environment_they_are_run_with() -> None:
    """Settings reach them that way alone."""
    room = Room()
    room.clock.then = at(1)
    room.run()

    assert room.environ == {"COALMINE_LOG_LEVEL": "info"}


def test_the_whole_set_is_what_the_design_says() -> None:
    """Two beats, two analysis workers, one of each other role; Flower only when asked for."""
    names = [command.name for command in ProcessSet().commands()]

    assert names == [
        "beat-1",
        "beat-2",
        "analysis-1",
        "analysis-2",
        "hooks-1",
        "routing-1",
        "report-1",
    ]
    assert ProcessSet(flower_port=0).commands()[-1].name == "flower"
