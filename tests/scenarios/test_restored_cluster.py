"""The API server's store is restored from a backup: versions and generations go back.

What the backup holds is the truth from then on. Left out: a Redis that goes back, which
tests/scenarios/test_lost_state.py has.
"""

import copy
from collections import defaultdict, deque
from datetime import timedelta

from config.traffic import TrafficSplit
from tests.stage import rollouts
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest


class Backup:
    """The cluster's objects and their versions, at one moment."""

    def __init__(self, stage: Stage) -> None:
        storage = stage.kube.store.storage
        self._objects = copy.deepcopy(dict(storage._objects))
        self._revision = storage._revision

    def restore(self, stage: Stage) -> None:
        """The store goes back to that moment; watchers hear nothing of it."""
        storage = stage.kube.store.storage
        storage._objects = defaultdict(dict, copy.deepcopy(self._objects))
        storage._revision = self._revision
        storage._log = defaultdict(deque)


def test_a_rollout_that_the_backup_does_not_know_is_called_off() -> None:
    """The restored target holds what the primary runs: users get that, and no canary."""
    stage = initialized(a_manifest())
    stage.wait(timedelta(minutes=1))
    backup = Backup(stage)
    stage.release("cart:2")
    rollouts.at_weight(stage, 40)

    backup.restore(stage)
    stage.wait(2 * stage.settings.scheduler.resync_interval)

    assert stage.image("cart-app-primary") == "cart:1"
    assert stage.split == TrafficSplit(100, 0)


def test_after_a_restore_a_release_is_rolled_out_as_ever() -> None:
    """Generations below those of our own writes, which the backup does not hold, block nothing."""
    stage = initialized(a_manifest())
    stage.wait(timedelta(minutes=1))
    backup = Backup(stage)
    stage.release("cart:2")
    rollouts.finish(stage)
    assert stage.image("cart-app-primary") == "cart:2"

    backup.restore(stage)
    stage.wait(2 * stage.settings.scheduler.resync_interval)
    assert stage.image("cart-app-primary") == "cart:1"
    assert stage.split == TrafficSplit(100, 0)

    stage.release("cart:5")
    stage.run(lambda on: on.image("cart-app-primary") == "cart:5", within=rollouts.LONG)
    stage.run(rollouts.ended, within=rollouts.LONG)
    assert stage.phase() == "Succeeded"
