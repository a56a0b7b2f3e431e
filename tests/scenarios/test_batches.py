"""One job with several canaries in its hands dies, stalls or loses its connection at its commit."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import redis.exceptions

from tests.stage import fleet
from tests.stage.bag import Message
from tests.stage.stage import Stage
from tests.stage.stalls import Plan
from tests.stage.troubled import TroubledStage
from tests.unit.analysis.worlds import a_manifest

NAMES: Final = fleet.NAMES[:5]
LEASE: Final = timedelta(seconds=8)
INTERVAL: Final = timedelta(seconds=30)
SOON: Final = timedelta(seconds=2)
LONG: Final = timedelta(minutes=10)


class Planned(TroubledStage):
    """A stage on which one job with all canaries stalls, or has its commits cut off."""

    def __init__(self) -> None:
        super().__init__(random.Random(1), batches=True)
        self.plans: dict[str, Plan] = {}
        self.cut_after: int | None = None
        self._is_complete = False

    def deliver(self, message: Message) -> None:
        """As `TroubledStage.deliver`."""
        self._is_complete = len(message.others) == len(NAMES) - 1
        super().deliver(message)

    def _plan(self, kind: str) -> Plan | None:
        return self.plans.pop(kind, None) if self._is_complete else None

    def _carried_out(self, queued: Any, send: Callable[[], Any]) -> Any:
        names = [self._name(command) for command, _ in queued.command_stack]
        after = self.cut_after if set(names) == {"commit"} else None
        if after is None:
            return super()._carried_out(queued, send)
        self.cut_after = None
        commands = [(self._timed(command), options) for command, options in queued.command_stack]
        assert len(commands) == len(NAMES), "the batch is complete"
        queued.command_stack = commands[:after]
        send()
        raise redis.exceptions.ConnectionError("cut")


def weights(stage: Stage) -> set[int | None]:
    """The weights of all canaries."""
    assert isinstance(stage, Planned)
    return {stage.weight_of(fleet.target(name)) for name in NAMES}


def at_20() -> Planned:
    """A stage on which all canaries have taken their first step, and are checked together next."""
    stage = Planned()
    fleet.deployed(stage, a_manifest(), NAMES)
    stage.run(lambda on: set(fleet.phases(on).values()) == {"Initialized"}, within=LONG)
    fleet.released(stage, NAMES)
    stage.run(lambda on: weights(on) == {20}, within=LONG)
    return stage


def succeeded(stage: Stage) -> bool:
    """Whether all are promoted."""
    return set(fleet.phases(stage).values()) == {"Succeeded"}


def test_the_batch_of_a_killed_worker_is_taken_up_when_its_leases_end() -> None:
    """All of it, and each canary takes its step once."""
    stage = at_20()
    stage.plans["tick"] = Plan(1, "send commit", timedelta(milliseconds=1), dies=True)
    stage.run(lambda on: weights(on) == {40}, within=LONG)
    (killed,) = stage.workers.dead
    assert killed.parked_at is not None
    assert LEASE <= stage.clock.now() - killed.started <= LEASE + SOON
    stage.run(succeeded, within=LONG)


def test_a_batch_that_stalls_past_its_leases_decides_nothing_anew() -> None:
    """Others have taken its steps; what it commits then is of versions that are gone."""
    stage = at_20()
    stage.plans["tick"] = Plan(1, "send commit", LEASE + 2 * SOON)
    stage.run(lambda on: weights(on) == {40}, within=LONG)
    versions = {stage.state_of(ref).route.seq for ref in stage.store.agenda()}
    assert stage.workers.parked, "it has not gone on yet"
    stage.wait(3 * SOON)
    assert not stage.workers.parked
    assert weights(stage) == {40}
    assert {stage.state_of(ref).route.seq for ref in stage.store.agenda()} == versions
    stage.run(succeeded, within=LONG)


def test_commits_that_were_cut_off_in_the_middle_are_made_or_made_up_for() -> None:
    """Two of five are carried out, and nobody hears of it.

    The three are taken up with the lease; of the two, the next check notices what is missing.
    """
    stage = at_20()
    stage.cut_after = 2
    began = stage.clock.now()
    stage.run(lambda on: 40 in weights(on), within=LONG)
    by_weight = [stage.weight_of(fleet.target(name)) for name in NAMES]
    assert sorted(each or 0 for each in by_weight) == [20, 20, 40, 40, 40]
    stage.run(lambda on: 20 not in weights(on), within=LONG)
    assert stage.clock.now() - began <= 2 * INTERVAL + LEASE
    stage.run(succeeded, within=LONG)
