"""Beats that share out the namespaces: each leads its own shard, and no other.

Tested in simulated time over an in-memory cluster and Redis: who stores, queues and forgets what;
a leader that is missing; another number of shards. Left out: the scripts (tests/contract/store),
whole rollouts (tests/scenarios/test_shards.py).
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from clients.documents.world import World
from clients.kube import resources
from clients.kube.protocol import WatchEvent, WatchType
from clients.redis.records import Work
from config.refs import CanaryRef
from config.shards import WHOLE, Shard
from scheduler.health import Role
from scheduler.sharded import Sharded
from tests.fakes.shards import in_shard, parts
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import Beat, Setting

SECOND = timedelta(seconds=1)


def a_beat(setting: Setting, shard: Shard, holder: str = "") -> Beat:
    """A beat process of a shard."""
    scheduler = replace(setting.settings.scheduler, shard=shard)
    setting.settings = replace(setting.settings, scheduler=scheduler)
    return Beat(setting, holder or f"of {shard}")


def canaries(setting: Setting, count: int, *names: str) -> list[CanaryRef]:
    """Canaries of these names in each shard of so many."""
    refs = [in_shard(shard, name) for name in names for shard in parts(count)]
    namespaces(setting, *{ref.namespace for ref in refs})
    for ref in refs:
        setting.create(worlds.a_canary(ref.name, namespace=ref.namespace, uid=f"uid-{ref}"))
    return sorted(refs)


def namespaces(setting: Setting, *names: str) -> None:
    """Creates namespaces."""
    for name in names:
        setting.kube.create(resources.NAMESPACES, None, {"metadata": {"name": name}})


def run(span: timedelta, *beats: Beat, pause: float = 0.1) -> None:
    """Lets all step for a while, with so many seconds between the steps."""
    clock = beats[0].setting.clock
    end = clock.now() + span
    while clock.now() < end:
        for beat in beats:
            beat.step()
        clock.sleep(pause)


def test_each_leader_stores_and_queues_what_is_its_own(setting: Setting) -> None:
    """All canaries once, none twice; and none is remembered by a leader that it is not of."""
    refs = canaries(setting, 3, "cart", "till")
    beats = [a_beat(setting, shard) for shard in parts(3)]
    run(2 * SECOND, *beats)

    assert sorted(setting.sent.ticks) == refs
    assert all(setting.world(ref)["canary"] for ref in refs)
    for shard, beat in zip(parts(3), beats, strict=True):
        owned = {ref for ref in refs if shard.owns(ref.namespace)}
        assert beat.sides[0]._backlog.refs() == owned
        assert beat.loop.health().is_ready()
        assert beat.loop.health().shard == str(shard)

    moved = in_shard(Shard(1, 3), "late")
    setting.create(worlds.a_canary(moved.name, namespace=moved.namespace, uid="uid-late"))
    run(SECOND, *beats)
    assert sorted(setting.sent.ticks) == sorted([*refs, moved])


def test_one_missing_leader_stops_its_own_canaries_until_its_standby_leads(
    setting: Setting,
) -> None:
    """Redis is emptied meanwhile; the standby takes over within ten seconds, as ever."""
    refs = canaries(setting, 2, "cart")
    led, missing = (in_shard(shard) for shard in parts(2))
    leader, dead = (a_beat(setting, shard) for shard in parts(2))
    standby = a_beat(setting, Shard(1, 2), "standby")
    run(2 * SECOND, leader, dead, standby)
    assert sorted(setting.sent.ticks) == refs
    assert standby.loop.health().role is Role.STANDBY
    setting.sent.ticks.clear()

    setting.redis.flushall()
    setting.store.acquire("of 1/2", timedelta(seconds=5), Shard(1, 2))  # it died thereafter
    run(4 * SECOND, leader, standby)
    assert set(setting.sent.ticks) == {led}
    assert setting.world(missing) == {}
    assert setting.store.begin(missing, Work.TICK, SECOND) is None

    run(6 * SECOND, leader, standby)
    assert standby.loop.health().role is Role.LEADER
    assert set(setting.sent.ticks) == {led, missing}
    assert setting.world(missing)["canary"]


def test_a_leader_forgets_no_canary_of_another_shard(setting: Setting) -> None:
    """Of those that were deleted while nobody watched, those of its own."""
    ours, theirs = (in_shard(shard, "gone") for shard in parts(2))
    for ref in (ours, theirs):
        setting.store.put_world(ref, World(canary={"kind": "Canary"}))
        setting.store.poke(ref)
    run(SECOND, a_beat(setting, Shard(0, 2)))
    assert set(setting.store.agenda()) == {theirs}
    assert setting.world(theirs)
    run(SECOND, a_beat(setting, Shard(1, 2)))
    assert setting.store.agenda() == {}


@pytest.mark.parametrize(("office", "other"), [(Shard(0, 3), Shard(1, 2)), (WHOLE, Shard(0, 2))])
def test_a_beat_of_another_number_of_shards_does_not_lead_and_says_so(
    setting: Setting, caplog: pytest.LogCaptureFixture, office: Shard, other: Shard
) -> None:
    """In the log, once a minute, and in the probe's details; it leads when the others have ended.

    It is ready for that: an update of a Deployment ends those when it is, and would end never.
    """
    leader, misplaced = a_beat(setting, office), a_beat(setting, other)
    run(100 * SECOND, leader, misplaced, pause=1)

    health = misplaced.loop.health()
    text = f"shard {other}: there are leaders of {office.count} shards"
    assert (health.role, health.is_ready(), health.is_live(2 * SECOND)) == (
        Role.STANDBY,
        True,
        True,
    )
    assert text in health.refusal
    assert leader.loop.health().is_ready()
    told = [vars(each)["error"] for each in caplog.records if each.message == "not leading"]
    assert len(told) == 2
    assert text in told[0]

    leader.loop.close()
    run(2 * SECOND, misplaced)
    health = misplaced.loop.health()
    assert (health.role, health.is_ready(), health.refusal) == (Role.LEADER, True, "")


def test_a_leader_of_all_that_stalls_past_its_lease_leaves_the_shards_alone(
    setting: Setting,
) -> None:
    """It neither queues nor stores once it goes on, not even what it had claimed before."""
    refs = canaries(setting, 2, "cart")
    stale = a_beat(setting, WHOLE)
    run(2 * SECOND, stale)
    for ref in refs:
        setting.store.poke(ref)
    setting.clock.sleep(6)
    beats = [a_beat(setting, shard) for shard in parts(2)]
    run(SECOND, *beats)
    setting.sent.ticks.clear()
    stored = {ref: setting.store.read(ref) for ref in refs}

    stale.step()
    stale.step()
    assert stale.sides[0].stopped
    assert setting.sent.ticks == []
    assert stale.loop.health().refusal
    assert {ref: replace(setting.store.read(ref), now=stored[ref].now) for ref in refs} == stored


def test_shards_that_nobody_leads_are_logged(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    """Once a minute, by those who lead the others."""
    run(100 * SECOND, a_beat(setting, Shard(1, 4)), a_beat(setting, Shard(2, 4)), pause=1)
    told = [vars(each)["shards"] for each in caplog.records if "nobody leads" in each.message]
    assert told == [["0/4", "3/4"]] * 4
    caplog.clear()
    run(100 * SECOND, *(a_beat(setting, shard, f"new {shard}") for shard in parts(4)), pause=1)
    assert [each for each in caplog.records if "nobody leads" in each.message] == []


def test_all_leaders_together_look_at_two_canaries_at_rest_a_second(setting: Setting) -> None:
    """A shard with few does not look at them the more often: 120 have a minute."""
    scheduler = replace(setting.settings.scheduler, resync_interval=10 * SECOND)
    setting.settings = replace(setting.settings, scheduler=scheduler)
    ours, theirs = (in_shard(shard) for shard in parts(2))
    canaries(setting, 2, "cart")
    beat = a_beat(setting, Shard(0, 2))
    beat.run(SECOND)
    later = setting.clock.now() + 60 * SECOND
    for number in range(119):
        setting.store.poke(CanaryRef(theirs.namespace, f"cart-{number}"), later)
    begun = setting.store.begin(ours, Work.TICK, SECOND)
    assert begun is not None
    setting.store.finish(ours, Work.TICK, begun.token, later)

    run(50 * SECOND, beat, pause=1)
    assert setting.store.agenda()[ours] == later


def test_of_other_shards_a_watch_tells_nothing_but_how_far_it_has_come(setting: Setting) -> None:
    """A watch that broke off is resumed there, and not where our last object stands."""
    (ours, theirs), zero = (in_shard(shard).namespace for shard in parts(2)), timedelta()
    watcher = Sharded(setting.kube, Shard(0, 2))
    namespaces(setting, ours, theirs)
    start = watcher.list(resources.CANARIES).resource_version
    for namespace in (ours, theirs):
        setting.create(worlds.a_canary(namespace=namespace))
    listed = watcher.list(resources.CANARIES)
    mine, other, *_ = watcher.watch(resources.CANARIES, None, start, zero)

    (item,) = listed.items
    assert (item["metadata"]["namespace"], mine.object) == (ours, item)
    assert mine.type is WatchType.ADDED
    metadata = {"resourceVersion": listed.resource_version}
    assert other == WatchEvent(WatchType.BOOKMARK, {"metadata": metadata})


def test_templates_of_all_namespaces_are_told_to_every_shard(setting: Setting) -> None:
    """A canary may refer to one of a namespace that another leader watches."""
    one, other = parts(2)
    place = in_shard(other, "errors")
    namespaces(setting, place.namespace)
    kind = resources.METRIC_TEMPLATES
    spec = {"provider": {"type": "prometheus", "address": "http://prom:9090"}, "query": "up"}
    body = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": place.name, "namespace": place.namespace},
        "spec": spec,
    }
    sharded = Sharded(setting.kube, one)
    before = sharded.list(kind)
    setting.kube.create(kind, place.namespace, body)
    assert [each["metadata"]["name"] for each in sharded.list(kind).items] == [place.name]
    told, *_ = sharded.watch(kind, None, before.resource_version, timedelta(0))
    assert told.type is WatchType.ADDED
