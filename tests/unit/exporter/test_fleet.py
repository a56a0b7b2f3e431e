"""What a beat tells of the fleet: the leader alone, of its own canaries, as long as it leads.

Left out: what Flagger's metrics say in a rollout (tests/scenarios/test_exported_metrics.py).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis import state as states
from analysis.phases import Phase
from clients.documents.tally import Counted, Ended
from clients.kube import resources
from clients.redis import keys
from clients.redis.records import Commit
from config.refs import CanaryRef
from config.roles import Queue
from config.shards import Shard
from config.traffic import RouteIntent, RouteStage, TrafficSplit
from exporter import flagger, reference, table
from exporter.fleet import Fleet
from exporter.registry import Registry
from tests.unit.exporter import scraping
from tests.unit.exporter.scraping import labels, scrape
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP, Beat, Setting

SECOND = timedelta(seconds=1)
NOT_YET = {"flagger_canary_metric_analysis", "flagger_canary_duration_seconds"}
"""Of a canary that was never analysed."""


@pytest.fixture
def setting() -> Setting:
    """An empty cluster, Redis and queue, on one manual clock."""
    return Setting()


def scraper(beat: Beat) -> Registry:
    """What is scraped from a beat."""
    setting, registry = beat.setting, Registry("1", "beat")
    registry.look_up(Fleet(beat.loop, setting.store, setting.sent, beat.settings, "1"))
    return registry


def of_fleet(registry: Registry) -> Mapping[str, Any]:
    """All that is told of the fleet: Flagger's metrics, the canaries, agenda and queues."""
    scraped = scrape(registry)
    of_process = ("coalmine_info", "coalmine_leading", "coalmine_synced", "coalmine_agenda_read")
    fresh = tuple(scraping.named(scrape(Registry("1", "x")), "coalmine_"))
    ours = scraping.named(scraped, "coalmine_", (*of_process, *fresh))
    return {**ours, **scraping.named(scraped, "flagger_")}


def shown(name: str = "shop", phase: str = "Progressing", weight: Any = 20, **more: Any) -> Any:
    """A Canary with a status."""
    return worlds.a_canary(name, status={"phase": phase, "canaryWeight": weight}, **more)


def committed(setting: Setting, *, counted: Counted) -> None:
    """A state of the shop with an intent that nobody has brought about."""
    now = setting.clock.now()
    state = states.RolloutState(
        uid="uid-shop",
        phase=Phase.PROGRESSING,
        since=now,
        route=RouteIntent(1, RouteStage.EXPOSED, TrafficSplit.of(20)),
        workload=states.unborn("uid-shop", 1, now).workload,
        intended_at=now,
    )
    commit = Commit(expected=0, state=states.to_json(state), counted=counted)
    assert setting.store.commit(SHOP, commit) == 1


def test_a_standby_tells_nothing_of_the_fleet(setting: Setting) -> None:
    """Or everything would be counted twice; that it stands by, it says."""
    setting.create(shown())
    setting.sent.queued = dict.fromkeys(Queue, 0)
    leader, standby = Beat(setting, "leader"), Beat(setting, "standby")
    leader.run(SECOND)
    standby.step()

    assert of_fleet(scraper(standby)) == {}
    assert scrape(scraper(standby))["coalmine_leading"] == {labels(shard="0/1"): 0}
    assert scrape(scraper(leader))["coalmine_leading"] == {labels(shard="0/1"): 1}
    told = of_fleet(scraper(leader))
    of_the_fleet = {*table.FLAGGERS, *table.OF_SHARDS, *table.OF_FLEET}
    assert told.keys() >= {each.name for each in of_the_fleet} - NOT_YET
    declared = {each.name for each in reference.declared()}
    assert {name.removesuffix("_bucket") for name in told} <= declared


def test_a_leader_whose_lease_is_over_tells_nothing_more(setting: Setting) -> None:
    """Though it has not found out that another leads: by its own clock its term has ended."""
    setting.create(shown())
    leader = Beat(setting, "leader")
    leader.run(SECOND)
    registry = scraper(leader)
    assert of_fleet(registry)
    setting.clock.advance(leader.settings.scheduler.beat_lease)

    assert of_fleet(registry) == {}


def test_what_was_looked_up_when_the_term_ended_is_not_told(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look itself takes time, in which another may have begun to tell."""
    setting.create(shown())
    leader = Beat(setting, "leader")
    leader.run(SECOND)
    registry, reading = scraper(leader), setting.store.progress

    def slow(refs: Any) -> Any:
        setting.clock.advance(leader.settings.scheduler.beat_lease)
        return reading(refs)

    monkeypatch.setattr(setting.store, "progress", slow)
    assert of_fleet(registry) == {}


def test_two_shards_tell_each_canary_once_and_the_queues_once(setting: Setting) -> None:
    """Canaries by the leader of their shard; what all have in common by that of the first."""
    names = ("one", "two", "three", "four")
    for name in names:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        setting.kube.create(resources.NAMESPACES, None, namespace)
        setting.create(shown(namespace=name))
    setting.sent.queued = dict.fromkeys(Queue, 3)
    told: list[Mapping[str, Any]] = []
    for index in range(2):
        scheduler = replace(setting.settings.scheduler, shard=Shard(index, 2))
        setting.settings = replace(setting.settings, scheduler=scheduler)
        beat = Beat(setting, f"leader-{index}")
        beat.run(SECOND)
        told.append(of_fleet(scraper(beat)))

    statuses = [each["flagger_canary_status"] for each in told]
    first, second = ({dict(key)["namespace"] for key in each} for each in statuses)
    assert first
    assert second
    assert sorted([*first, *second]) == sorted(names)
    assert len(told[0]["coalmine_queue_messages"]) == len(Queue)
    assert not {"coalmine_queue_messages", "coalmine_overdue_canaries"} & told[1].keys()


def test_a_status_of_a_foreign_hand_breaks_nothing(setting: Setting) -> None:
    """Words and weights that are none of ours are told as any other phase, and as no traffic.

    An API server with our CRD takes none of them; with an earlier one it may.
    """
    odd = {"shop": ("Dancing", "many"), "mall": ("Progressing", 1000), "new": (None, None)}
    canaries = {
        name: worlds.a_canary(name) | {"status": {"phase": phase, "canaryWeight": weight}}
        for name, (phase, weight) in odd.items()
    }
    index = worlds.an_index()
    index.replace(resources.CANARIES, canaries.values())
    registry = Registry("1", "beat")
    registry.look_up(lambda: flagger.seen(index.census()))
    scraped = scrape(registry)

    who = {labels(name="shop", namespace="prod"): 1, labels(name="mall", namespace="prod"): 0}
    assert scraped["flagger_canary_status"] == who
    assert scraped["flagger_canary_weight"] == {
        labels(workload=f"{name}{suffix}", namespace="prod"): weight
        for name in ("shop", "mall")
        for suffix, weight in (("", 0), ("-primary", 100))
    }
    assert scraped["flagger_canary_total"] == {labels(namespace="prod"): 3}


def test_a_route_that_is_not_in_force_is_told_with_its_age(setting: Setting) -> None:
    """From the moment of the decision, in the time of Redis."""
    setting.create(shown())
    leader = Beat(setting, "leader")
    leader.run(SECOND)
    committed(setting, counted=Counted())
    registry = scraper(leader)
    setting.clock.advance(3 * SECOND)
    told = of_fleet(registry)

    def of(lane: str) -> Any:
        return labels(shard="0/1", lane=lane)

    assert told["coalmine_unapplied_canaries"][of("route")] == 1
    assert told["coalmine_unapplied_canaries"][of("workload")] == 0
    assert told["coalmine_unapplied_age_seconds"] == {of("route"): 3, of("workload"): 0}


def test_a_route_that_is_refused_is_told_though_it_was_in_force_once(setting: Setting) -> None:
    """Somebody has undone it, and it cannot be mended."""
    setting.create(shown())
    leader = Beat(setting, "leader")
    leader.run(SECOND)
    committed(setting, counted=Counted())
    known = {"uid": "uid-shop", "v": "1", "route_seq": "1", "trouble:route": "refused"}
    for field, value in known.items():
        setting.redis.hset(keys.CONFIRMED.of(SHOP), field, value)

    unapplied = of_fleet(scraper(leader))["coalmine_unapplied_canaries"]
    assert unapplied[labels(shard="0/1", lane="route")] == 1


def test_a_canary_at_rest_is_read_once(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape costs Redis something for those in a rollout alone."""
    for name in ("shop", "mall"):
        setting.create(shown(name, phase="Progressing" if name == "shop" else "Succeeded"))
    leader = Beat(setting, "leader")
    leader.run(SECOND)
    asked: list[CanaryRef] = []
    reading = setting.store.progress

    def counted(refs: Any) -> Any:
        asked.extend(refs)
        return reading(refs)

    monkeypatch.setattr(setting.store, "progress", counted)
    registry = scraper(leader)
    first = of_fleet(registry)
    assert sorted(asked) == [CanaryRef("prod", "mall"), SHOP]
    asked.clear()
    assert of_fleet(registry) == first
    assert asked == [SHOP]


def test_counters_that_cannot_be_read_are_left_out_for_their_canary_alone(
    setting: Setting,
) -> None:
    """A key of the wrong type is nobody else's business; a Redis that is away leaves statuses."""
    for name in ("shop", "mall"):
        setting.create(shown(name))
    leader = Beat(setting, "leader")
    leader.run(SECOND)
    setting.redis.set(keys.TALLY.of(SHOP), "nonsense")
    told = of_fleet(scraper(leader))

    assert {dict(key)["name"] for key in told["flagger_canary_failures_total"]} == {"mall"}
    setting.sent.broken = True
    told = of_fleet(scraper(leader))
    assert "coalmine_queue_messages" not in told
    assert len(told["flagger_canary_status"]) == 2


def test_failures_are_counters_that_begin_with_zero(setting: Setting) -> None:
    """Prometheus sees no increase in a series that begins with 1."""
    setting.create(shown())
    leader = Beat(setting, "leader")
    leader.run(SECOND)
    registry = scraper(leader)
    who = labels(
        name="shop", namespace="prod", deployment_strategy="canary", analysis_status="completed"
    )
    assert of_fleet(registry)["flagger_canary_failures_total"] == {who: 0}
    committed(setting, counted=Counted(ended=Ended(well=False, strategy="canary")))
    assert of_fleet(registry)["flagger_canary_failures_total"] == {who: 1}
