"""What an Alertmanager is told while things change; all else is in tests/scenarios/test_alerts."""

from datetime import UTC, datetime

import pytest

from clients.documents.confirmed import Confirmed
from clients.documents.world import World
from clients.redis.firing import FiringAlerts
from clients.redis.records import Snapshot
from clients.redis.scripts import Door
from config.refs import CanaryRef
from notify.channels.alertmanager import LASTS, Alarm, Firing, Levels
from tasks.levels import TRIES, Alertmanager
from tasks.teller import NotYet
from tests.fakes import memory_redis

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FAILED = Firing(Alarm.FAILED, NOW, "It failed.")


def test_what_changes_with_each_push_is_told_soon() -> None:
    """Nobody is kept busy for ever, and it is not taken for told."""
    pushes = list[Levels]()
    snapshot = Snapshot(NOW, 1, {}, Confirmed(), World())
    manager = Alertmanager(
        ref=CanaryRef("shop", "cart"),
        account="alerts:alertmanager",
        memory=FiringAlerts(Door(memory_redis.connect()), LASTS),
        firing=lambda _: (FAILED,) if len(pushes) % 2 == 0 else (),
        read=lambda: snapshot,
        push=pushes.append,
    )
    with pytest.raises(NotYet):
        manager.level(snapshot, is_news=True)
    assert [each.firing for each in pushes] == [(FAILED,), (), (FAILED,)][:TRIES]
