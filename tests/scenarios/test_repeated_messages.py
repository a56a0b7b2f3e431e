"""Messages that ask again for what has been brought about cost next to nothing.

Here a lane has a long queue: it is asked again and again for what waits in it already.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis.effects import Lane
from clients.redis.scripts import Invocation
from clients.redis.store import Store
from tests.stage import fleet
from tests.stage.bag import Message
from tests.stage.stage import Stage
from tests.unit.analysis.worlds import a_manifest

LONG = timedelta(minutes=5)
QUEUED = timedelta(seconds=20)
"""How long messages of the slow lane wait."""
NAMES = fleet.NAMES[:2]
INTENTS = {Lane.ROUTE: 2, Lane.WORKLOAD: 2, Lane.STATUS: 3}
"""Of one initialisation: its Services, then its route; a primary, then no pods of the target; new,
initializing, initialized."""


class Counting(Store):
    """A store that counts the scripts that batches run."""

    ran: Counter[str]

    def run_all(self, asked: Sequence[Invocation[Any]]) -> list[Any]:
        """As `Store.run_all`."""
        self.ran.update(each.name for each in asked)
        return super().run_all(asked)


class Slow(Stage):
    """A stage on which the messages of one lane wait for a while."""

    def __init__(self, lane: Lane) -> None:
        super().__init__()
        self.lane, self.taken = lane, 0
        self.waiting: list[Message] = []
        self.counting = Counting(self.redis, self.clock.now)
        self.counting.ran = Counter()
        writer = getattr(self.services, lane.value)
        counted = replace(writer, crew=replace(writer.crew, store=self.counting))
        self.services = replace(self.services, **{lane.value: counted})

    def deliver(self, message: Message) -> None:
        """As `Stage.deliver`, unless it is of the slow lane."""
        if message.kind == self.lane.value:
            self.waiting.append(message)
        else:
            super().deliver(message)

    def serve(self) -> None:
        """Lets a worker take all that waits."""
        waiting, self.waiting = self.waiting, []
        self.taken += len(waiting)
        for message in waiting:
            super().deliver(message)


@pytest.mark.parametrize("lane", list(Lane))
def test_a_canary_is_initialised_by_no_more_runs_than_it_has_intents(lane: Lane) -> None:
    """Of each message more it is seen in one script, with all others of its job, that it is old."""
    stage = Slow(lane)
    fleet.deployed(stage, a_manifest(), NAMES)
    began = stage.clock.now()
    while set(fleet.phases(stage).values()) != {"Initialized"} or stage.waiting:
        stage.wait(QUEUED)
        stage.serve()
        assert stage.clock.now() < began + LONG

    ran, runs = stage.counting.ran, len(NAMES) * INTENTS[lane]
    assert stage.taken > runs, "it was asked for more often than there was something to do"
    assert len(NAMES) <= ran["confirm"] <= runs
    assert ran == {"begin": stage.taken, "confirm": ran["confirm"], "finish": ran["confirm"]}
