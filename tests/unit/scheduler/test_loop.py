"""Any number of beats act as one that cannot be stopped.

Tested in simulated time over an in-memory Redis: who leads, fail-over, lost epochs, no tick twice,
outages of Redis and of the queue, health. Left out: Celery around it (test_beat.py).
"""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from clients import errors, instruments
from clients.documents.world import World
from clients.kube import resources
from clients.redis.records import Work
from clients.redis.scripts import Invocation
from config.ranks import Rank
from config.refs import CanaryRef
from scheduler.health import Health, Role
from tests.fakes import memory_redis
from tests.fakes.faults import Fault
from tests.fakes.notes import Notes
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP, Beat, Setting

SECOND = timedelta(seconds=1)
MINUTE = 60 * SECOND


def work(setting: Setting, due: timedelta) -> None:
    """Let workers do all queued ticks; each canary is due again after `due`."""
    for ref in setting.sent.ticks:
        begun = setting.store.begin(ref, Work.TICK, timedelta(seconds=30))
        assert begun is not None
        setting.store.finish(ref, Work.TICK, begun.token, setting.clock.now() + due)
    setting.sent.ticks.clear()


def test_what_is_due_is_queued_within_a_poll(setting: Setting) -> None:
    """The lateness of a tick on an idle system is a tenth of a second."""
    setting.create(worlds.a_canary())
    beat = Beat(setting, "first")
    beat.run(SECOND)
    work(setting, due=5 * SECOND)

    beat.run(5 * SECOND)
    assert setting.sent.ticks == []
    beat.run(timedelta(seconds=0.2))

    assert setting.sent.ticks == [SHOP]


def test_while_all_canaries_are_at_rest_the_agenda_is_read_once_a_second(setting: Setting) -> None:
    """And ten times a second as soon as one is not; what a watch sees is not waited for."""
    for name in ("shop", "mall"):
        setting.create(worlds.a_canary(name))
    beat = Beat(setting, "first")
    beat.run(SECOND)
    for ref in setting.sent.ticks:
        begun = setting.store.begin(ref, Work.TICK, timedelta(seconds=30))
        assert begun is not None
        rank = Rank.RESYNC if ref == SHOP else Rank.STEP
        setting.store.finish(ref, Work.TICK, begun.token, setting.clock.now() + MINUTE, rank)
    assert beat.step() == 0.1

    mall = setting.store.begin(CanaryRef("prod", "mall"), Work.TICK, timedelta(seconds=30))
    assert mall is not None
    at_rest = setting.clock.now() + MINUTE
    setting.store.finish(CanaryRef("prod", "mall"), Work.TICK, mall.token, at_rest, Rank.RESYNC)

    assert beat.step() == 1.0
    setting.edit(resources.CANARIES, "shop", {"spec": {"suspend": True}})
    beat.step()
    assert beat.sides[-1].wait(0)
    assert beat.step() == 0.1


def test_two_beats_never_queue_a_canary_twice_in_a_period(setting: Setting) -> None:
    """Even when both believe they lead: a claim is one step in Redis."""
    refs = [CanaryRef("prod", f"shop-{number}") for number in range(10)]
    for ref in refs:
        setting.create(worlds.a_canary(ref.name))
    first, second = Beat(setting, "first"), Beat(setting, "second")
    first.run(SECOND)
    work(setting, due=5 * SECOND)
    setting.redis.delete("coalmine:lease:beat")  # the second gets it, the first does not know yet
    second.step()
    setting.clock.sleep(0.5)
    assert second.loop.health().role is Role.LEADER
    assert first.loop.health().role is Role.LEADER

    for _ in range(60):
        first.step()
        second.step()
        setting.clock.sleep(0.1)

    assert sorted(setting.sent.ticks) == refs


def test_only_the_leader_watches_and_claims(setting: Setting) -> None:
    """A standby asks for the lease once a second and does nothing else."""
    setting.create(worlds.a_canary())
    leader, standby = Beat(setting, "leader"), Beat(setting, "standby")
    leader.step()

    assert standby.step() == 1.0
    assert standby.sides == []
    assert standby.loop.health().role is Role.STANDBY
    assert standby.loop.health().claimed_seconds_ago is None


def test_a_standby_takes_over_from_a_silent_leader_within_ten_seconds(setting: Setting) -> None:
    """Below the shortest interval: no check is missed."""
    setting.create(worlds.a_canary())
    leader, standby = Beat(setting, "leader"), Beat(setting, "standby")
    leader.run(2 * SECOND)
    standby.step()
    work(setting, due=timedelta(0))

    died = setting.clock.now()
    while not setting.sent.ticks:
        setting.clock.sleep(max(0.01, standby.step()))
        assert setting.clock.now() - died < 10 * SECOND
    assert standby.loop.health().role is Role.LEADER


def test_a_term_that_another_ended_is_told(setting: Setting) -> None:
    """Once for each, and not when a beat resigns."""
    notes = Notes()
    silent, other = Beat(setting, "silent"), Beat(setting, "other")
    for beat in (silent, other):
        beat.loop._tell = notes
        beat.step()
    setting.clock.advance(MINUTE)
    other.step()
    silent.step()
    silent.step()
    assert notes.counts == {instruments.TERMS_LOST: {(): 1}}

    other.loop.close()
    assert notes.counts == {instruments.TERMS_LOST: {(): 1}}


def test_a_leader_that_ends_in_order_is_replaced_within_two_seconds(setting: Setting) -> None:
    """It stops writing before it lets go of the lease."""
    leader, standby = Beat(setting, "leader"), Beat(setting, "standby")
    leader.run(SECOND)
    standby.step()

    leader.loop.close()
    assert leader.sides[0].stopped
    setting.clock.sleep(1)
    standby.step()

    assert standby.loop.health().role is Role.LEADER


def test_a_leader_that_was_asleep_stops_at_once(setting: Setting) -> None:
    """A paused process finds another one leading, and neither publishes nor stores."""
    setting.create(worlds.a_canary())
    sleeper, standby = Beat(setting, "sleeper"), Beat(setting, "standby")
    sleeper.run(2 * SECOND)
    work(setting, due=timedelta(minutes=5))

    setting.clock.sleep(6)
    assert sleeper.loop.health().role is Role.STANDBY
    standby.run(SECOND)
    setting.sent.ticks.clear()
    setting.store.poke(SHOP)
    assert sleeper.step() == 1.0

    assert sleeper.sides[0].stopped
    assert setting.sent.ticks == []


def test_an_emptied_redis_is_filled_again_from_new_lists(setting: Setting) -> None:
    """A lost epoch is seen with the next claim, also when the lease was lost with it.

    Each kind is listed once: what is known of one may be older than what is known of another.
    """
    setting.create(worlds.a_canary())
    beat = Beat(setting, "first")
    beat.run(2 * SECOND)
    lists = [call.resource for call in setting.kube.calls if call.verb == "list"]
    setting.sent.ticks.clear()

    setting.redis.flushall()
    beat.run(3 * SECOND)

    assert "canary" in setting.world()
    assert SHOP in setting.sent.ticks
    assert [call.resource for call in setting.kube.calls if call.verb == "list"] == lists * 2
    assert len(beat.sides) == 1


def test_of_canaries_that_redis_has_lost_those_with_traffic_go_first(setting: Setting) -> None:
    """By the status: there is no state that says it."""
    status = {"phase": "Progressing", "canaryWeight": 10}
    setting.create(worlds.a_canary())
    setting.create(worlds.a_canary("busy", status=status))
    beat = Beat(setting, "first")
    for _ in range(2):
        beat.run(3 * SECOND)
        busy = CanaryRef("prod", "busy")
        assert setting.store.ranks() == {SHOP: Rank.INITIALIZATION, busy: Rank.CHECK}
        setting.redis.flushall()


def test_a_redis_that_lost_only_the_epoch_is_filled_again(setting: Setting) -> None:
    """Whatever else it lost; the lease may be younger than the loss."""
    setting.create(worlds.a_canary())
    beat = Beat(setting, "first")
    beat.run(2 * SECOND)
    term = setting.redis.get("coalmine:lease:beat")

    setting.redis.delete("coalmine:epoch", "coalmine:{prod/shop}:world", "coalmine:agenda")
    beat.run(SECOND)

    assert str(setting.redis.get("coalmine:lease:beat")).split()[0] == str(term).split()[0]
    assert "canary" in setting.world()
    assert SHOP in setting.store.agenda()


def a_new_process(setting: Setting, beat: Beat) -> Beat:
    """Another one leads."""
    beat.loop.close()
    return setting.beat("second")


def a_term_between(setting: Setting, beat: Beat) -> Beat:
    """Another one may have led for a moment."""
    setting.redis.delete("coalmine:lease:beat")
    setting.clock.sleep(2)
    return beat


def a_failover(setting: Setting, beat: Beat) -> Beat:
    """Redis comes back as it was, as far as it goes."""
    memory_redis.fail_over(setting.redis, memory_redis.copied(setting.redis))
    return beat


def a_loss(setting: Setting, beat: Beat) -> Beat:
    """Redis comes back with the agenda alone."""
    setting.redis.flushall()
    setting.store.poke(SHOP)
    return beat


@pytest.mark.parametrize("happens", [a_new_process, a_term_between, a_failover, a_loss])
def test_nothing_is_queued_before_everything_is_stored_and_confirmed(
    setting: Setting, happens: Callable[[Setting, Beat], Beat]
) -> None:
    """In no new term, and in none that has gone on over a failover or a loss of Redis."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_deployment())
    beat = setting.beat("first")
    beat.run(2 * SECOND)
    work(setting, due=10 * SECOND)
    setting.store.poke(SHOP)
    setting.edit(resources.DEPLOYMENTS, "shop", {"spec": {"replicas": 0}})

    beat = happens(setting, beat)
    for _ in range(5):  # the loop is faster than its watches
        beat.loop.step()
    assert setting.sent.ticks == []

    beat.run(SECOND)
    assert setting.sent.ticks == [SHOP]
    assert setting.world()["target"].replicas == 0


def test_what_a_leader_stores_that_stalled_past_its_lease_changes_nothing(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its view is older than that of its successor, which it must not overwrite."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_deployment())
    stale, successor = setting.beat("stale"), setting.beat("successor")
    stale.run(2 * SECOND)
    setting.edit(resources.DEPLOYMENTS, "shop", {"spec": {"replicas": 3}})
    run_all = setting.store.run_all
    stalled: list[Invocation[Any]] = []

    def stalls(asked: Sequence[Invocation[Any]]) -> list[Any]:
        if not stalled:
            stalled.extend(asked)
            setting.clock.sleep(6)
            setting.edit(resources.DEPLOYMENTS, "shop", {"spec": {"replicas": 4}})
            successor.run(SECOND)
        return run_all(asked)

    monkeypatch.setattr(setting.store, "run_all", stalls)
    with pytest.raises(errors.Conflict, match="term"):
        stale.sides[-1].pump()

    (late,) = stalled
    seen = next(json.loads(str(text)) for text in late.arguments if '"replicas"' in str(text))
    assert (seen["replicas"], setting.world()["target"].replicas) == (3, 4)


def test_a_leader_that_led_before_mends_what_was_stored_between(setting: Setting) -> None:
    """Another token means that another beat may have been here."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_deployment())
    beat = Beat(setting, "first")
    beat.run(2 * SECOND)

    setting.store.put_world(SHOP, World(), ["target"])
    setting.redis.delete("coalmine:lease:beat")
    beat.run(3 * SECOND)

    assert "target" in setting.world()


def test_a_beat_outlives_an_outage_of_redis(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, tries about once a second, and goes on by itself."""
    setting.create(worlds.a_canary())
    beat = Beat(setting, "first")
    beat.run(2 * SECOND)
    work(setting, due=10 * SECOND)

    def away(*_args: Any, **_kwargs: Any) -> Any:
        raise errors.Transient("Redis is away")

    with monkeypatch.context() as patched:
        for name in ("acquire", "claim"):
            patched.setattr(setting.store, name, away)
        beat.run(timedelta(minutes=1))
        assert not beat.loop.health().redis
        assert not beat.loop.health().is_ready()
        assert beat.step() == 1.0
    beat.run(2 * SECOND)

    assert setting.sent.ticks == [SHOP]
    assert beat.loop.health().redis
    assert [record.message for record in caplog.records].count("not beating") == 1


def test_what_could_not_be_queued_is_queued_when_the_queue_is_back(setting: Setting) -> None:
    """D-26: what was claimed is not lost until its retry."""
    for number in range(5):
        setting.create(worlds.a_canary(f"shop-{number}"))
    beat = Beat(setting, "first")
    beat.step()
    setting.clock.sleep(0.1)

    setting.sent.broken = True
    beat.step()
    setting.sent.broken = False
    setting.clock.sleep(0.2)
    beat.step()

    assert len(setting.sent.ticks) == len(set(setting.sent.ticks)) == 5


def test_health_tells_an_unsynced_leader_from_a_synced_one(setting: Setting) -> None:
    """D-100: ready means that there is a full picture."""
    beat = Beat(setting, "first")
    beat.loop.step()
    unsynced = beat.loop.health()
    beat.step()
    setting.clock.sleep(3)
    synced = beat.loop.health()

    assert (unsynced.role, unsynced.synced, unsynced.is_ready()) == (Role.LEADER, False, False)
    assert (synced.role, synced.synced, synced.is_ready()) == (Role.LEADER, True, True)
    assert {each.resource for each in synced.watches} == {
        "alertproviders",
        "canaries",
        "daemonsets",
        "deployments",
        "horizontalpodautoscalers",
        "metrictemplates",
        "scaledobjects",
        "services",
        "virtualservices",
        "destinationrules",
    }
    assert {each.silent_seconds for each in synced.watches} == {3.0}
    assert synced.claimed_seconds_ago == 3.0


def test_a_leader_that_cannot_list_a_kind_leads_but_is_not_ready(setting: Setting) -> None:
    """Ready means a full picture; what is missing of it, and why, is in the answer."""
    forbidden = errors.Permanent("list: forbidden", status=403)
    setting.kube.faults.add(Fault(forbidden, verb="list", resource="services", times=10**6))
    setting.create(worlds.a_canary())
    beat = Beat(setting, "first")
    beat.run(2 * SECOND)
    health = beat.loop.health()

    assert setting.sent.ticks == [SHOP]
    assert (health.is_live(30 * SECOND), health.is_ready()) == (True, False)
    assert {each.resource: each.trouble for each in health.watches if each.trouble} == {
        "services": "list: forbidden"
    }


@pytest.mark.parametrize("seconds", [3, 300])
def test_health_tells_a_beat_that_hangs(setting: Setting, seconds: int) -> None:
    """D-100, R-108: one whose loop stands still is not alive, also when its lease is over."""
    beat, standby = Beat(setting, "first"), Beat(setting, "second")
    beat.step()
    standby.step()
    longest = 2 * SECOND

    assert beat.loop.health().is_live(longest)
    setting.clock.sleep(seconds)
    standby.step()

    assert not beat.loop.health().is_live(longest)
    assert standby.loop.health().is_live(longest)


def test_a_beat_is_alive_from_its_first_moment_as_leader_on(setting: Setting) -> None:
    """R-108: until it had read the agenda it was dead to whoever asked in between."""
    beat, seen = Beat(setting, "first"), list[Health]()
    run_all = setting.store.run_all

    def looked(asked: Sequence[Invocation[Any]]) -> list[Any]:
        seen.append(beat.loop.health())
        return run_all(asked)

    setting.store.run_all = looked  # type: ignore[method-assign]
    for _ in range(2):
        beat.step()
        setting.clock.sleep(60)

    assert {each.role for each in seen} == {Role.STANDBY, Role.LEADER}
    assert all(each.is_live(30 * SECOND) for each in seen)
