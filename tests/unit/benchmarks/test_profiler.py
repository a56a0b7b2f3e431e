"""The profiler: whose time is counted as whose.

Left out: the signals, and running a module under it.
"""

import json
import sys
import threading
from pathlib import Path

from benchmarks import profiler
from tests import patience


def busy(rounds: int) -> int:
    """A sum that takes a while."""
    return sum(number * number for number in range(rounds))


def test_a_thread_that_waits_costs_nothing(tmp_path: Path) -> None:
    """Time is processor time: the one who works has it, the one who waits has not."""
    waited = threading.Event()
    profile = profiler.Profile(tmp_path / "costs")

    def doze() -> None:
        waited.wait(patience.SECONDS)

    def work() -> None:
        busy(20_000)
        waited.set()

    before = sys.getprofile()
    threading.setprofile(profile.begin_thread)
    try:
        threads = [threading.Thread(target=each) for each in (doze, work)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        threading.setprofile(before)
    profile.write()
    costs = profiler.read([tmp_path / "costs"])
    (waiting,) = (cost for place, cost in costs.items() if place.endswith(".doze"))
    (working,) = (cost for place, cost in costs.items() if place.endswith(":busy"))
    assert waiting.whole < working.whole / 2
    assert working.own < working.whole


def test_costs_of_several_processes_add_up(tmp_path: Path) -> None:
    """Two workers of one role are one role."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(json.dumps({"tasks/analysis.py:tick": [1.0, 2.0, 3]}))
    costs = profiler.read([tmp_path / "one", tmp_path / "two"])
    assert costs == {"tasks/analysis.py:tick": profiler.Cost(2.0, 4.0, 6)}
