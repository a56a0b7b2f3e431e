"""The stored worlds follow the cluster, whatever breaks between the two.

Tested over the sandbox's API server and Redis, step by step: lists, events, lost history, lost
deletions, failures and their back-off, kinds that are not installed, leader changes, drift. Left
out: threads (tests/contract/test_watch.py).
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from analysis import cadence
from analysis.effects import Lane
from analysis.news import OWN_WRITES
from clients import errors
from clients.clock import ManualClock
from clients.documents.confirmed import Confirmation
from clients.documents.world import World
from clients.kube import resources
from clients.kube.resources import Resource
from clients.redis import keys
from clients.redis.records import Basis, Commit, Work
from clients.redis.scripts import Invocation
from config.refs import CanaryRef
from config.validation.problems import Problem, ProblemReason
from routing.registry import ROUTERS, Routers
from scheduler import reflector
from scheduler.backlog import Backlog
from scheduler.reflector import Reflector
from scheduler.watching import WatchSide
from tasks.registries import Registries
from tests.fakes.faults import Fault
from tests.fakes.kube import FakeKube
from tests.scenarios.test_plugins import Edge
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP, Setting

OTHER, THIRD = CanaryRef("prod", "other"), CanaryRef("prod", "third")
LEASE = timedelta(seconds=30)
RESYNC = timedelta(minutes=5)


def settle(setting: Setting, ref: CanaryRef = SHOP, due: timedelta = RESYNC) -> None:
    """Let a worker look at `ref` and find nothing to do until `due`."""
    begun = setting.store.begin(ref, Work.TICK, LEASE)
    assert begun is not None
    setting.store.finish(ref, Work.TICK, begun.token, setting.clock.now() + due)


def at_rest(setting: Setting) -> WatchSide:
    """A watch side that has stored a canary and its target, at which a worker has looked."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_deployment())
    side = setting.side()
    side.pump()
    settle(setting)
    return side


def calls(setting: Setting, verb: str, resource: Resource = resources.DEPLOYMENTS) -> int:
    """How often the API server was asked so."""
    return sum(call[:2] == (verb, resource.plural) for call in setting.kube.calls)


# --- the way of an event


def test_a_canary_and_its_objects_become_a_world_on_the_agenda(setting: Setting) -> None:
    """All roles are stored before the first look, which is soon."""
    for raw in (worlds.a_canary(), worlds.a_deployment(), worlds.a_virtual_service()):
        setting.create(raw)

    setting.side().pump()

    assert set(setting.world()) == {"canary", "status", "admission", "target", "virtual-service"}
    due = setting.due()
    assert due is not None
    assert due < timedelta(seconds=1)


def test_a_new_revision_makes_the_canary_due_at_once(setting: Setting) -> None:
    """Nothing waits for the next interval or resync."""
    side = at_rest(setting)

    before = setting.world()["target"].revision
    setting.edit(resources.DEPLOYMENTS, "shop", {"spec": worlds.a_deployment(image="2")["spec"]})
    side.pump()

    assert setting.world()["target"].revision != before
    assert setting.due() == timedelta(0)


@pytest.mark.parametrize(
    ("status", "due"),
    [
        ({"conditions": [{"type": "Available", "status": "True"}]}, RESYNC),
        ({"availableReplicas": 1}, timedelta(seconds=10)),
        ({"availableReplicas": 0}, timedelta(0)),
    ],
)
def test_pods_that_come_and_go_make_a_canary_due_when_it_matters(
    setting: Setting, status: dict[str, Any], due: timedelta
) -> None:
    """At once when the last one is gone; other words are told in ten seconds, or not at all."""
    side = at_rest(setting)

    patch = {"status": status}
    setting.kube.patch(resources.DEPLOYMENTS, "prod", "shop", patch, subresource="status")
    side.pump()

    assert setting.due() == due


def test_readiness_noise_is_neither_stored_nor_a_reason_to_look(setting: Setting) -> None:
    """A status that reads the same is no news."""
    side = at_rest(setting)

    noise = {"status": {"readyReplicas": 2}}
    setting.kube.patch(resources.DEPLOYMENTS, "prod", "shop", noise, subresource="status")
    side.pump()

    assert setting.due() == RESYNC


def test_our_own_status_write_wakes_nobody(setting: Setting) -> None:
    """The report of a decision must not cause the next one."""
    setting.create(worlds.a_canary())
    side = setting.side()
    side.pump()
    settle(setting)

    report = {"status": {"phase": "Initialized"}}
    setting.kube.patch(resources.CANARIES, "prod", "shop", report, subresource="status")
    side.pump()

    assert setting.world()["status"].fields == {"phase": "Initialized"}
    assert setting.due() == RESYNC
    assert setting.sent.effects == []


def test_a_deleted_canary_is_forgotten(setting: Setting) -> None:
    """With its state, its world and its place on the agenda."""
    setting.create(worlds.a_canary())
    side = setting.side()
    side.pump()

    setting.kube.delete(resources.CANARIES, "prod", "shop")
    side.pump()

    assert setting.world() == {}
    assert setting.due() is None


def test_nothing_is_stored_before_everything_is_listed(setting: Setting) -> None:
    """Half a world would look like a deleted Deployment."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_deployment())
    setting.kube.faults.add(
        Fault(errors.Transient("gone"), verb="list", resource="deployments", times=1)
    )
    side = setting.side()

    side.pump()
    first = (side.synced, set(setting.world()))
    setting.clock.sleep(1)
    side.pump()
    second = (side.synced, set(setting.world()))

    assert first == (False, set())
    assert second == (True, {"canary", "status", "admission", "target"})


# --- what breaks


def test_a_deletion_during_a_gap_is_found_by_the_next_list(setting: Setting) -> None:
    """D-27: there need not be an event for it."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_canary("other"))
    setting.create(worlds.a_deployment())
    side = setting.side()
    side.pump()

    setting.kube.delete(resources.DEPLOYMENTS, "prod", "shop")
    setting.kube.delete(resources.CANARIES, "prod", "other")
    setting.kube.compact()
    for _ in range(2):  # the first finds the history gone, the second lists
        side.pump()

    assert "target" not in setting.world()
    assert setting.world(OTHER) == {}


def test_a_watch_is_resumed_where_it_broke_off(setting: Setting) -> None:
    """Without reading the list again."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_deployment())
    side = setting.side()
    side.pump()
    setting.kube.faults.add(Fault(errors.Transient("cut"), verb="watch", resource="deployments"))

    side.pump()
    setting.edit(resources.DEPLOYMENTS, "shop", {"spec": {"replicas": 5}})
    setting.clock.sleep(1)
    side.pump()

    assert setting.world()["target"].replicas == 5
    assert calls(setting, "list") == 1


def test_failures_are_repeated_ever_later_and_for_ever(setting: Setting) -> None:
    """An API server that is away for half an hour costs some dozen requests, not a million."""
    broken = Fault(errors.Transient("away"), verb="list", resource="deployments", times=10**6)
    setting.kube.faults.add(broken)
    side = setting.side()

    for _ in range(1800):
        side.pump()
        setting.clock.sleep(1)
    tries = calls(setting, "list")
    setting.kube.faults.clear()
    setting.clock.sleep(reflector.LONGEST_DELAY)
    side.pump()

    assert 1800 / 30 <= tries < 1800 / 15 + 10
    assert side.synced


def test_a_server_that_says_when_is_not_asked_before(setting: Setting) -> None:
    """Retry-After counts."""
    busy = errors.Transient("busy", retry_after=timedelta(seconds=20))
    setting.kube.faults.add(Fault(busy, verb="list", resource="deployments"))
    side = setting.side()
    side.pump()

    setting.clock.sleep(19.9)
    side.pump()
    assert calls(setting, "list") == 1

    setting.clock.sleep(0.2)
    side.pump()
    assert calls(setting, "list") == 2


def test_a_history_that_is_always_lost_does_not_make_a_busy_loop() -> None:
    """One list at once, then a pause."""
    clock = ManualClock(worlds.START)
    kube = FakeKube(clock)
    expired = errors.Expired("too old", status=410)
    kube.faults.add(Fault(expired, verb="watch", times=1000))
    follower = a_reflector(kube, clock)

    for _ in range(100):
        follower.step()

    assert len(kube.calls) < 10


def test_a_kind_that_is_not_installed_is_looked_for_slowly_and_holds_up_nobody(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    """A cluster without Istio is told about once; canaries are looked at all the same."""
    missing = errors.NotFound("no such kind", status=404)
    for kind in ("virtualservices", "destinationrules"):
        setting.kube.faults.add(Fault(missing, verb="list", resource=kind, times=10**6))
    setting.create(worlds.a_canary())
    setting.create(worlds.a_deployment())
    side = setting.side()

    with caplog.at_level(logging.WARNING):
        for _ in range(600):
            side.pump()
            setting.clock.sleep(1)
    tries = calls(setting, "list", resources.VIRTUAL_SERVICES)
    setting.kube.faults.clear()
    setting.create(worlds.a_virtual_service())
    setting.clock.sleep(30)
    side.pump()

    told = [record for record in caplog.records if record.message == "not watching"]
    assert len(told) == 2
    assert 20 <= tries <= 41
    assert "virtual-service" in setting.world()


def test_without_the_kind_canary_nothing_is_forgotten(setting: Setting) -> None:
    """A missing CRD, or an API server that is not all there yet, is no deletion."""
    setting.create(worlds.a_canary())
    setting.side().pump()
    missing = errors.NotFound("no such kind", status=404)
    setting.kube.faults.add(Fault(missing, verb="list", resource="canaries", times=10**6))

    restarted = setting.side()
    restarted.pump()

    assert not restarted.synced
    assert "canary" in setting.world()


def test_our_own_kinds_are_watched_within_two_seconds_of_their_installation(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    """Until then the side is not synced, and one line says what to run."""
    setting.create(worlds.a_canary())
    missing = errors.NotFound("no such kind", status=404)
    setting.kube.faults.add(Fault(missing, verb="list", resource="canaries", times=10**6))
    side = setting.side()
    with caplog.at_level(logging.WARNING):
        for _ in range(120):
            side.pump()
            setting.clock.sleep(1)
    told = [record for record in caplog.records if getattr(record, "resource", "") == "canaries"]

    assert not side.synced
    assert [getattr(record, "remedy", "") for record in told] == [
        "kubectl apply -f deploy/crds/crds.yaml"
    ]
    setting.kube.faults.clear()
    setting.clock.sleep(2)
    side.pump()
    assert side.synced


def test_a_mesh_that_is_not_installed_is_named_with_what_to_do(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    """It may not be needed: that is for its reader to judge."""
    setting.create(worlds.a_canary())
    missing = errors.NotFound("no such kind", status=404)
    fault = Fault(missing, verb="list", resource="virtualservices", times=10**6)
    setting.kube.faults.add(fault)
    side = setting.side()
    with caplog.at_level(logging.WARNING):
        side.pump()
    told = [record for record in caplog.records if record.message == "not watching"]

    assert [getattr(record, "remedy", "") for record in told] == [
        "install the definitions of networking.istio.io, if your mesh needs them"
    ]


def test_a_refusal_is_no_end(setting: Setting) -> None:
    """Rights may be given later; the others go on."""
    forbidden = errors.Permanent("forbidden", status=403)
    setting.kube.faults.add(Fault(forbidden, verb="list", resource="services", times=3))
    side = setting.side()
    for _ in range(100):
        side.pump()
        setting.clock.sleep(1)

    assert side.synced


def test_canaries_that_need_no_refused_kind_go_on(setting: Setting) -> None:
    """A mesh whose routes the leader may not list holds up its own canaries, which are told so."""
    setting.registries = Registries(routers=Routers.of(*ROUTERS.by_name.values(), Edge()))
    forbidden = errors.Permanent("list: forbidden", status=403)
    setting.kube.faults.add(Fault(forbidden, verb="list", resource="virtualservices", times=10**6))
    setting.create(worlds.a_canary("shop"))
    setting.create(worlds.with_spec(worlds.a_canary("other"), provider="osm"))
    for name in ("shop", "other"):
        setting.create(worlds.a_deployment(name))
    side = setting.side()
    side.pump()

    assert side.confirmed
    assert set(setting.world()) == {"status", "admission"}
    problem = Problem(
        reason=ProblemReason.NOT_WATCHED,
        message="the leader cannot watch virtualservices: list: forbidden",
        blocking=True,
    )
    assert setting.world()["admission"].problems == (problem,)
    assert set(setting.world(OTHER)) == {"canary", "status", "admission", "target"}
    assert setting.world(OTHER)["admission"].problems == ()

    settle(setting)
    setting.kube.faults.clear()
    setting.clock.sleep(reflector.LONGEST_DELAY)
    side.pump()
    assert set(setting.world()) == {"canary", "status", "admission", "target"}
    assert setting.world()["admission"].problems == ()
    assert setting.due() == timedelta(0)


def test_a_kind_whose_lists_fail_is_waited_for_a_while(setting: Setting) -> None:
    """A server that is busy at the start of a term stops nobody; one that stays so holds up few."""
    setting.create(worlds.a_canary())
    busy = Fault(errors.Transient("busy"), verb="list", resource="services", times=10**6)
    setting.kube.faults.add(busy)
    side = setting.side()
    synced = []
    for _ in range(40):
        side.pump()
        synced.append(side.synced)
        setting.clock.sleep(1)

    assert not any(synced[: int(reflector.PATIENCE)])
    assert synced[-1]
    assert [each.reason for each in setting.world()["admission"].problems] == ["NotWatched"]


def test_a_kind_that_was_listed_once_is_not_set_aside(setting: Setting) -> None:
    """What was seen of it stays true enough: rollouts go on while the API server is away."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_deployment())
    side = setting.side()
    side.pump()
    before = setting.world()
    forbidden = errors.Permanent("forbidden", status=403)
    for verb in ("list", "watch"):
        setting.kube.faults.add(Fault(forbidden, verb=verb, resource="deployments", times=10**6))
    for _ in range(60):
        setting.clock.sleep(1)
        side.pump()

    assert setting.world() == before
    troubles = {each.resource: each.trouble for each in side.contacts()}
    assert troubles["deployments"] == "forbidden"


def test_a_failure_that_lasts_is_logged_again(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever looks at the log of the last minutes sees what is missing."""
    forbidden = errors.Permanent("forbidden", status=403)
    setting.kube.faults.add(Fault(forbidden, verb="list", resource="deployments", times=10**6))
    side = setting.side()
    with caplog.at_level(logging.WARNING):
        for _ in range(1800):
            side.pump()
            setting.clock.sleep(1)

    told = [record for record in caplog.records if record.message == "not watching"]
    assert 5 <= len(told) <= 6


def test_what_could_not_be_stored_is_stored_later(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D-26: a failed write is not dropped; the newest picture is what counts then."""
    side = at_rest(setting)

    def away(*_args: Any, **_kwargs: Any) -> Any:
        raise errors.Transient("Redis is away")

    for image in ("shop:2", "shop:3"):
        spec = worlds.a_deployment(image=image)["spec"]
        setting.edit(resources.DEPLOYMENTS, "shop", {"spec": spec})
        with monkeypatch.context() as patched:
            patched.setattr(setting.store, "run_all", away)
            with pytest.raises(errors.Transient):
                side.pump()
    side.pump()

    assert setting.world()["target"].generation == 3
    assert setting.due() == timedelta(0)


def test_a_process_that_does_not_lead_stores_nothing(setting: Setting) -> None:
    """Another one may be storing newer news."""
    setting.create(worlds.a_canary())
    side = setting.side()
    setting.leads = False
    with pytest.raises(errors.Conflict):
        side.pump()
    assert setting.world() == {}

    setting.leads = True
    side.pump()
    assert "canary" in setting.world()


# --- a new leader, an emptied Redis


def test_a_new_leader_leaves_canaries_alone_that_did_not_change(setting: Setting) -> None:
    """D-37: a restart neither shortens anybody's interval nor makes everybody tick at once."""
    for number in range(20):
        setting.create(worlds.a_canary(f"shop-{number:02}"))
    setting.side().pump()
    refs = [CanaryRef("prod", f"shop-{number:02}") for number in range(20)]
    for number, ref in enumerate(refs):
        settle(setting, ref, timedelta(seconds=30 + number))
    before = setting.store.agenda()

    setting.side().pump()

    assert setting.store.agenda() == before


def test_a_new_leader_looks_at_what_changed_while_nobody_watched(setting: Setting) -> None:
    """The store is compared, not trusted."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_canary("other"))
    setting.create(worlds.a_deployment())
    setting.side().pump()
    settle(setting)
    settle(setting, OTHER)

    setting.edit(resources.DEPLOYMENTS, "shop", {"spec": {"replicas": 3}})
    setting.side().pump()

    assert setting.due() == timedelta(0)
    assert setting.due(OTHER) == RESYNC


def test_a_new_leader_forgets_canaries_deleted_while_nobody_watched(setting: Setting) -> None:
    """D-27: across processes."""
    setting.create(worlds.a_canary())
    setting.side().pump()
    setting.kube.delete(resources.CANARIES, "prod", "shop")

    setting.side().pump()

    assert setting.world() == {}
    assert setting.store.agenda() == {}


def test_the_last_good_manifest_survives_a_change_of_leader(setting: Setting) -> None:
    """The new leader reads it before it stores anything."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_deployment())
    setting.side().pump()
    nothing_passes = {"name": "latency", "query": "up", "thresholdRange": {"min": 9, "max": 1}}
    bad = {"interval": "1m", "metrics": [nothing_passes]}
    setting.edit(resources.CANARIES, "shop", {"spec": {"analysis": bad}})

    setting.side().pump()

    world = setting.world()
    assert world["canary"]["spec"]["analysis"]["interval"] == "30s"
    assert "target" in world
    assert [problem.reason for problem in world["admission"].problems] == ["InvalidSpec"]


def test_an_emptied_redis_is_filled_again(setting: Setting) -> None:
    """After one list; every canary is looked at, spread over the canaries' pace."""
    refs = [CanaryRef("prod", f"shop-{number}") for number in range(40)]
    for ref in refs:
        setting.create(worlds.a_canary(ref.name))
    side = setting.side()
    side.pump()
    before = {ref: setting.world(ref) for ref in refs}
    lists = calls(setting, "list", resources.CANARIES)

    setting.redis.flushall()
    side.refresh()
    side.pump()

    assert {ref: setting.world(ref) for ref in refs} == before
    assert setting.store.claim(0, LEASE).confirmed
    assert calls(setting, "list", resources.CANARIES) == lists + 1
    dues = set(setting.store.agenda().values())
    assert setting.store.agenda().keys() == set(refs)
    assert len(dues) > 20
    assert max(dues) - setting.clock.now() <= timedelta(milliseconds=5) * 40


def test_a_redis_emptied_while_it_is_being_filled_is_noticed(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored before is stored again, and only then confirmed."""
    setting.create(worlds.a_canary())
    side = setting.side()
    read_agenda = setting.store.agenda

    def emptied() -> Any:
        listed = read_agenda()
        setting.redis.flushall()
        return listed

    with monkeypatch.context() as patched:
        patched.setattr(setting.store, "agenda", emptied)
        with pytest.raises(errors.Conflict):  # the lease is lost with the rest
            side.pump()
    assert [setting.store.claim(0, LEASE).confirmed, side.confirmed] == [False, False]
    side.pump()

    assert [setting.store.claim(0, LEASE).confirmed, side.confirmed] == [True, True]
    assert "canary" in setting.world()


def test_every_world_is_stored_again_within_a_resync(setting: Setting) -> None:
    """What a failover of Redis or a late worker left behind does not stay."""
    for name in ("shop", "other", "third"):
        setting.create(worlds.a_canary(name))
        setting.create(worlds.a_deployment(name))
    side = setting.side()
    side.pump()
    settle(setting)
    setting.store.put_world(SHOP, World(), ["target"])
    setting.store.forget(OTHER)

    for _ in range(630):  # up to one round that is under way, and one whole
        setting.clock.sleep(1)
        side.pump()

    assert setting.world()["target"].name == "shop"
    assert setting.world(OTHER)["target"].name == "other"
    assert setting.due(OTHER) is not None


# --- drift


def test_a_route_changed_by_others_is_looked_at_by_routing(setting: Setting) -> None:
    """Without a tick: what is wanted has not changed."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_virtual_service())
    side = setting.side()
    side.pump()
    settle(setting)

    setting.edit(resources.VIRTUAL_SERVICES, "shop", {"spec": {"hosts": ["stolen"]}})
    side.pump()
    setting.clock.advance(OWN_WRITES)
    side.pump()

    assert setting.sent.effects == [(SHOP, Lane.ROUTE)]
    assert setting.due() == RESYNC - OWN_WRITES


def test_a_write_of_ours_that_the_watch_saw_first_is_no_drift(setting: Setting) -> None:
    """The routing worker says which version it made; by then the watch has told of it already."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_virtual_service())
    side = setting.side()
    side.pump()
    setting.edit(resources.VIRTUAL_SERVICES, "shop", {"spec": {"hosts": ["ours"]}})
    side.pump()
    world = setting.world()
    uid = world["admission"].uid
    setting.store.commit(SHOP, Commit(expected=0, state={"uid": uid}))
    written = {"virtual-service": world["virtual-service"]}
    news = Confirmation(lane=Lane.ROUTE, written=written)
    assert setting.store.confirm(SHOP, news, Basis(uid=uid), wake=False)
    setting.clock.advance(OWN_WRITES)
    side.pump()

    assert setting.sent.effects == []


def test_our_own_route_write_is_no_drift(setting: Setting) -> None:
    """The routing worker stored what it wrote; the watch only says the same again."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_virtual_service())
    side = setting.side()
    side.pump()

    patch = {"metadata": {"labels": {"weight": "10"}}}
    written = setting.kube.patch(resources.VIRTUAL_SERVICES, "prod", "shop", patch)
    setting.store.put_world(SHOP, World(routes={"virtual-service": written}))
    side.pump()

    assert setting.sent.effects == []


def test_an_edited_canary_has_its_routes_looked_at(setting: Setting) -> None:
    """Hosts and headers of the manifest are in the route."""
    setting.create(worlds.a_canary())
    side = setting.side()
    side.pump()

    setting.edit(resources.CANARIES, "shop", {"spec": {"service": {"hosts": ["shop.example"]}}})
    side.pump()

    assert setting.sent.effects == [(SHOP, Lane.ROUTE)]


def test_after_an_edit_our_own_writes_are_no_drift_either(setting: Setting) -> None:
    """The nudge for the edit is repeated at a resync; what we wrote since is no reason for one."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_virtual_service())
    side = setting.side()
    side.pump()
    setting.edit(resources.CANARIES, "shop", {"spec": {"service": {"hosts": ["shop.example"]}}})
    side.pump()
    setting.clock.advance(timedelta(seconds=5))
    setting.sent.effects.clear()

    setting.edit(resources.VIRTUAL_SERVICES, "shop", {"spec": {"hosts": ["ours"]}})
    side.pump()
    mended(setting, side)
    setting.clock.advance(OWN_WRITES)
    side.pump()
    assert (SHOP, Lane.ROUTE) not in setting.sent.effects
    setting.clock.advance(RESYNC)
    side.pump()
    assert setting.sent.effects.count((SHOP, Lane.ROUTE)) == 1


def test_the_routes_of_a_canary_without_a_target_of_its_own_are_left_alone(
    setting: Setting,
) -> None:
    """D-91: or two canaries would mend each other's writes for ever."""
    setting.create(worlds.a_canary("other", target="shop"))
    setting.create(worlds.a_virtual_service())
    side = setting.side()
    side.pump()
    setting.create(worlds.a_canary("shop"))
    setting.clock.sleep(1)
    side.pump()

    setting.edit(resources.VIRTUAL_SERVICES, "shop", {"spec": {"hosts": ["stolen"]}})
    side.pump()
    setting.clock.advance(OWN_WRITES)
    side.pump()

    assert {ref for ref, lane in setting.sent.effects if lane is Lane.ROUTE} == {OTHER}


def test_a_nudge_that_could_not_be_sent_is_sent_later(setting: Setting) -> None:
    """D-26: the queue may be away longer than the change is news."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_virtual_service())
    side = setting.side()
    side.pump()
    setting.sent.broken = True
    setting.edit(resources.VIRTUAL_SERVICES, "shop", {"spec": {"hosts": ["stolen"]}})
    side.pump()
    setting.clock.advance(OWN_WRITES)
    with pytest.raises(errors.Transient):
        side.pump()

    setting.sent.broken = False
    side.pump()

    assert setting.sent.effects == [(SHOP, Lane.ROUTE)]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_drift_is_nudged_again_each_resync_until_it_is_mended_or_was_looked_at(
    setting: Setting, times: int
) -> None:
    """A nudge is lost with the worker that has it, and a canary at rest may not be due for long."""
    setting.create(worlds.a_canary())
    setting.create(worlds.a_virtual_service())
    side = setting.side()
    side.pump()
    setting.edit(resources.VIRTUAL_SERVICES, "shop", {"spec": {"hosts": ["stolen"]}})
    side.pump()
    for _ in range(times):
        setting.clock.advance(RESYNC)
        side.pump()
    if times < 3:
        mended(setting, side)
    for _ in range(3):
        setting.clock.advance(RESYNC)
        side.pump()

    assert setting.sent.effects == [(SHOP, Lane.ROUTE)] * times


def test_a_new_leader_has_nudges_repeated_that_its_predecessor_may_not_have_sent(
    setting: Setting,
) -> None:
    """Within a resync, of what is not as we wrote it; what is, costs nobody anything."""
    for name in ("shop", "other"):
        setting.create(worlds.a_canary(name))
        setting.create(worlds.a_virtual_service(name))
    first = setting.side()
    first.pump()
    for ref in (SHOP, OTHER):
        mended(setting, first, ref)
        settle(setting, ref, 2 * RESYNC)
    setting.edit(resources.VIRTUAL_SERVICES, "shop", {"spec": {"hosts": ["stolen"]}})
    first.pump()  # and dies before the change is ripe

    second = setting.side()
    for _ in range(300):
        second.pump()
        setting.clock.advance(timedelta(seconds=1))

    assert [each for each in setting.sent.effects if each[1] is Lane.ROUTE] == [(SHOP, Lane.ROUTE)]


def test_what_drifts_together_is_one_message_per_lane(setting: Setting) -> None:
    """Of 40 canaries: two messages for their routes, as a message holds 25."""
    names = [f"shop-{number:02}" for number in range(40)]
    for name in names:
        setting.create(worlds.a_canary(name))
        setting.create(worlds.a_virtual_service(name))
    side = setting.side()
    side.pump()
    for name in names:
        setting.edit(resources.VIRTUAL_SERVICES, name, {"spec": {"hosts": ["stolen"]}})
    side.pump()
    setting.clock.advance(OWN_WRITES)
    side.pump()

    assert setting.sent.effects == [(CanaryRef("prod", name), Lane.ROUTE) for name in names]
    assert setting.sent.messages == 2


# --- many canaries


def test_one_that_cannot_be_stored_keeps_no_other_from_being_stored(setting: Setting) -> None:
    """It is told, tried again, and stored as soon as it can be."""
    for name in ("other", "shop", "third"):
        setting.create(worlds.a_canary(name))
        setting.create(worlds.a_deployment(name))
    side = setting.side()
    side.pump()
    setting.redis.delete(keys.WORLD.of(SHOP))
    setting.redis.set(keys.WORLD.of(SHOP), "no hash")
    for name in ("other", "shop", "third"):
        setting.edit(resources.DEPLOYMENTS, name, {"spec": {"replicas": 3}})
    with pytest.raises(errors.Permanent):
        side.pump()
    stored = {ref.name: setting.world(ref)["target"].replicas for ref in (OTHER, THIRD)}
    assert stored == {"other": 3, "third": 3}

    setting.redis.delete(keys.WORLD.of(SHOP))
    side.pump()
    assert setting.world()["target"].replicas == 3


def test_hundreds_of_canaries_are_stored_in_few_round_trips(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both when a term begins and when all change at once."""
    refs = [CanaryRef("prod", f"shop-{number}") for number in range(300)]
    trips: list[int] = []
    run_all = setting.store.run_all

    def counting(asked: Sequence[Invocation[Any]]) -> list[Any]:
        trips.append(len(asked))
        return run_all(asked)

    monkeypatch.setattr(setting.store, "run_all", counting)
    for ref in refs:
        setting.create(worlds.a_canary(ref.name))
    side = setting.side()
    side.pump()
    assert [size for size in trips if size > 1] == [100] * 6  # worlds, and first looks

    trips.clear()
    for ref in refs:
        setting.edit(resources.CANARIES, ref.name, {"spec": {"analysis": {"interval": "1m"}}})
    side.pump()
    assert [size for size in trips if size > 1][:3] == [100, 100, 100]
    assert {setting.world(ref)["canary"]["spec"]["analysis"]["interval"] for ref in refs} == {"1m"}


def test_canaries_at_rest_are_stored_again_at_a_bounded_pace(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in its turn; one in a rollout within each resync, however many there are at rest."""
    monkeypatch.setattr(cadence, "RESTING_PER_SECOND", 0.1)  # so that 90 are four rounds' worth
    refs = [CanaryRef("prod", f"shop-{number}") for number in range(90)]
    for ref in refs:
        setting.create(worlds.a_canary(ref.name))
    setting.create(worlds.a_canary("busy", status={"phase": "Progressing"}))
    side = setting.side()
    side.pump()
    busy, again = CanaryRef("prod", "busy"), []
    for ref in (*refs, busy):
        settle(setting, ref, timedelta(minutes=1))
    for _ in range(6):
        for ref in (*refs, busy):
            setting.store.put_world(ref, World(), ["canary"])
        for _ in range(12):
            setting.clock.advance(RESYNC / 10)
            side.pump()
        again.append({ref for ref in (*refs, busy) if "canary" in setting.world(ref)})

    assert all(busy in stored for stored in again[1:])
    assert all(10 <= len(stored) <= 65 for stored in again[1:])
    assert set().union(*again) == {*refs, busy}


# --- builders


def mended(setting: Setting, side: WatchSide, ref: CanaryRef = SHOP) -> None:
    """The routing worker writes the VirtualService and the status of `ref`, and says so."""
    metadata = {"labels": {"mended": ref.name}}
    setting.edit(resources.VIRTUAL_SERVICES, ref.name, {"metadata": metadata})
    report = {"status": {"phase": "Initialized"}}
    setting.kube.patch(resources.CANARIES, "prod", ref.name, report, subresource="status")
    side.pump()
    world = setting.world(ref)
    uid = world["admission"].uid
    setting.store.commit(ref, Commit(expected=0, state={"uid": uid}))
    for lane, role in ((Lane.ROUTE, "virtual-service"), (Lane.STATUS, "status")):
        news = Confirmation(lane=lane, written={role: world[role]})
        assert setting.store.confirm(ref, news, Basis(uid=uid), wake=False)


def a_reflector(kube: FakeKube, clock: ManualClock) -> Reflector:
    """A reflector of Deployments whose watches end at once."""
    return Reflector(
        resources.DEPLOYMENTS,
        kube,
        Backlog(worlds.an_index()),
        namespace=None,
        clock=clock,
        random=lambda: 0.5,
        timeout=timedelta,
    )
