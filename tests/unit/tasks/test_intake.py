"""When a worker's intake looks again, and what counts as a failure.

Left out: what it does to messages (tests/contract/test_intake.py).
"""

import itertools
import time
from typing import Final

import pytest

from clients import errors
from clients.clock import ManualClock
from clients.redis.store import Store
from tasks import intake as intakes
from tasks.intake import Intake
from tests.fakes import memory_redis
from tests.fakes.faults import Fault
from tests.fakes.kube import FakeKube
from tests.stage.stage import START

RETRY: Final = 0.03
PATIENCE_SECONDS: Final = 10.0


def test_an_outage_is_looked_at_once_in_a_while_until_it_is_over() -> None:
    """Not as fast as the machine can, however many jobs fail meanwhile."""
    looks: list[tuple[float, bool]] = []

    def probe() -> None:
        looks.append((time.monotonic(), intake.is_open))
        if len(looks) < 4:
            raise errors.Transient("away")

    intake = Intake(probe, retry=RETRY)
    for _ in range(5):
        intake.doubt()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(looks) < 4 or not intake.is_open:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [is_open for _, is_open in looks] == [True, False, False, False]
    times = [at for at, _ in looks]
    assert all(after - before >= RETRY for before, after in itertools.pairwise(times))


def test_missing_rights_are_told_where_they_are_needed_and_stop_nobody() -> None:
    """An API server that does not know us at all stops the worker."""
    store, kube = Store(memory_redis.connect()), FakeKube(ManualClock(START))
    kube.faults.add(Fault(errors.Permanent("forbidden", status=403), verb="get"))
    intakes.probe(store, kube, None)
    kube.faults.add(Fault(errors.Permanent("who are you", status=401), verb="get"))
    with pytest.raises(errors.Permanent, match="who are you"):
        intakes.probe(store, kube, None)
