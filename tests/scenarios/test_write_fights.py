"""Others who write what we write, again and again: mended, but at a bounded pace."""

from datetime import timedelta

from analysis.effects import Lane
from analysis.news import OWN_WRITES
from clients.kube import resources
from scheduler.drifts import PAUSE
from scheduler.watching import WatchSide
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP, Setting

STEP = timedelta(milliseconds=100)


def watching(*names: str) -> tuple[Setting, WatchSide]:
    """A leader that knows canaries of these names, with their routes, and has stored them."""
    setting = Setting()
    for name in names:
        setting.create(worlds.a_canary(name))
        setting.create(worlds.a_virtual_service(name))
    side = setting.side()
    side.pump()
    setting.sent.effects.clear()
    return setting, side


def relabel(setting: Setting, name: str, value: int) -> None:
    """Another tool writes its label once more."""
    patch = {"metadata": {"labels": {"tool": str(value)}}}
    setting.edit(resources.VIRTUAL_SERVICES, name, patch)


def test_a_tool_that_writes_a_route_all_the_time_is_answered_at_a_bounded_pace() -> None:
    """Ten edits a second for 20 s make about one look per pause, not two hundred."""
    setting, side = watching("shop")
    span = timedelta(seconds=20)
    for number in range(span // STEP):
        relabel(setting, "shop", number)
        side.pump()
        setting.clock.advance(STEP)

    looks = len(setting.sent.effects)
    assert span / PAUSE - 1 <= looks <= span / PAUSE + 1


def look(setting: Setting, side: WatchSide) -> None:
    """Lets the leader see what has happened, and as much time pass as it waits to be sure."""
    side.pump()
    setting.clock.advance(OWN_WRITES)
    side.pump()


def test_the_first_drift_is_looked_at_soon_and_the_last_not_forgotten() -> None:
    """The pace delays a look, and loses none: what was changed last is mended too."""
    setting, side = watching("shop")
    relabel(setting, "shop", 1)
    look(setting, side)
    assert setting.sent.effects == [(SHOP, Lane.ROUTE)]

    relabel(setting, "shop", 2)
    look(setting, side)
    assert len(setting.sent.effects) == 1

    setting.clock.advance(PAUSE)
    side.pump()
    assert setting.sent.effects == [(SHOP, Lane.ROUTE)] * 2


def test_a_fight_over_one_route_does_not_delay_another_canary() -> None:
    """The pace is per canary."""
    setting, side = watching("shop", "other")
    relabel(setting, "shop", 1)
    look(setting, side)
    relabel(setting, "shop", 2)
    relabel(setting, "other", 1)
    look(setting, side)

    assert [ref.name for ref, _ in setting.sent.effects] == ["shop", "other"]
