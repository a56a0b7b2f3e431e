"""Gates: one suite over memory, a Redis in memory, Valkey and Redis."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from redis import Redis

from clients.clock import ManualClock
from clients.gates import Gate, GateId, GateKind, Gates, MemoryGates, TooManyGates
from clients.redis import keys
from clients.redis.gates import RedisGates
from clients.redis.scripts import Door
from config.refs import ObjectRef

Make = Callable[[int], Gates]


@pytest.fixture(params=["memory", "redis"])
def make(request: pytest.FixtureRequest, client: "Redis[str]", clock: ManualClock) -> Make:
    """Gates of which so many are kept, on `clock`."""
    if request.param == "memory":
        return lambda limit: MemoryGates(clock.now, limit)
    return lambda limit: RedisGates(Door(client, clock.now), limit)


def gate(name: str, *, is_open: bool, kind: GateKind = GateKind.GATE) -> Gate:
    """As somebody sets it."""
    of = GateId(kind, ObjectRef("prod", name))
    return Gate(of, is_open=is_open, who="ann", address="10.0.0.7", why='it "looks" good: ✓')


def test_gates_are_closed_until_opened_and_until_closed_again(make: Make) -> None:
    """Each kind of each canary for itself, however names read."""
    gates = make(100)
    rollback = gate("shop", is_open=True, kind=GateKind.ROLLBACK)
    odd = Gate(
        GateId(GateKind.GATE, ObjectRef("a/b", 'c"]')), is_open=True, who="", address="", why=""
    )
    for one in (gate("shop", is_open=True), rollback, odd):
        assert not gates.is_open(one.id)
        gates.put(one)
        assert gates.is_open(one.id)
    gates.put(gate("shop", is_open=False))
    assert not gates.is_open(gate("shop", is_open=False).id)
    assert gates.is_open(rollback.id)
    assert gates.is_open(odd.id)
    assert not gates.is_open(GateId(GateKind.GATE, ObjectRef("a", 'b/c"]')))


def test_all_that_is_known_of_a_gate_is_kept(make: Make, clock: ManualClock) -> None:
    """With the time of its last change."""
    gates = make(100)
    gates.put(gate("a", is_open=True))
    clock.advance(timedelta(minutes=5))
    gates.put(gate("b", is_open=False))
    kept = {each.id.ref.name: each for each in gates.all()}
    assert {name: each.at for name, each in kept.items()} == {
        "a": clock.now() - timedelta(minutes=5),
        "b": clock.now(),
    }
    assert kept == {
        name: replace(gate(name, is_open=name == "a"), at=each.at) for name, each in kept.items()
    }


def test_of_too_many_the_one_closed_for_longest_is_forgotten(
    make: Make, clock: ManualClock
) -> None:
    """An open gate never is; when all are open, no other is opened, and those stay as they are."""
    gates = make(3)
    for name, is_open in (("open", True), ("new", False), ("old", False), ("new", False)):
        clock.advance(timedelta(minutes=1))
        gates.put(gate(name, is_open=is_open))
    gates.put(gate("old-2", is_open=True))
    assert names(gates) == {"open", "new", "old-2"}
    gates.put(gate("open-2", is_open=True))
    assert names(gates) == {"open", "old-2", "open-2"}
    with pytest.raises(TooManyGates, match="3 gates are open already"):
        gates.put(gate("open-3", is_open=True))
    assert names(gates) == {"open", "old-2", "open-2"}
    gates.put(gate("open", is_open=False))
    gates.put(gate("open-3", is_open=True))
    assert names(gates) == {"open-3", "old-2", "open-2"}


def test_a_hundredth_is_forgotten_at_a_time(make: Make, clock: ManualClock) -> None:
    """To find the oldest costs a look at all, which is not for every new gate."""
    gates = make(101)
    for number in range(101):
        clock.advance(timedelta(seconds=1))
        gates.put(gate(f"c{number}", is_open=number == 0))
    gates.put(gate("new", is_open=True))
    assert names(gates) == {"c0", "new", *(f"c{number}" for number in range(3, 101))}


def names(gates: Gates) -> set[str]:
    """The canaries whose gates are kept."""
    return {each.id.ref.name for each in gates.all()}


def test_two_processes_see_the_same_gates(client: "Redis[str]") -> None:
    """What one opens is open for the other; the time is the server's."""
    here, there = RedisGates(Door(client)), RedisGates(Door(client))
    here.put(gate("shop", is_open=True))
    assert there.is_open(gate("shop", is_open=True).id)
    there.put(gate("shop", is_open=False))
    assert not here.is_open(gate("shop", is_open=True).id)
    (kept,) = here.all()
    assert abs(kept.at - Door(client).now()) < timedelta(minutes=1)
    assert {key: client.execute_command("TYPE", key) for key in client.scan_iter()} == {
        keys.GATES.pattern: keys.GATES.type
    }
