"""State, leases on work, confirmation and projections of one canary.

Aspects: a commit is all or nothing and happens once; who may work; what a refused run leads to;
confirmations never go back; which projections changed; forgetting; losing scripts and data.
Left out: interleavings (test_store_interleavings), keys and their lifetimes (test_store_keys).
"""

import secrets
from dataclasses import replace
from datetime import timedelta

import pytest
from redis import Redis, exceptions

from clients import clock as clocks
from clients import errors
from clients.documents import confirmed
from clients.documents.confirmed import Confirmation, Confirmed, Lane
from clients.documents.tally import Counted, Ended, Tally
from clients.documents.world import UNREADABLE, WorkloadView, World
from clients.redis import keys, rollouts
from clients.redis.records import Basis, Begun, Commit, Work, part_of
from config.refs import CanaryRef
from tests.fakes import memory_redis
from tests.stores import DirectStore
from tests.unit.notify.notices import a_notice

AT_ONCE = {"canary": timedelta(0)}

REF = CanaryRef("shop", "cart")
OTHER = CanaryRef("shop", "basket")
TTL = timedelta(seconds=30)
BASIS = Basis(uid="u1")
SECOND = timedelta(seconds=1)


def begun(store: DirectStore, work: Work = Work.TICK) -> Begun:
    """A lease on `work` that is free."""
    begun = store.begin(REF, work, TTL)
    assert begun is not None
    return begun


def a_commit(expected: int = 0, *, token: str | None = None, **changes: object) -> Commit:
    """A commit with defaults; `changes` are fields of Commit."""
    fields: dict[str, object] = {"state": {"uid": "u1", "phase": "Initialized"}, **changes}
    return Commit(expected=expected, token=token, **fields)  # type: ignore[arg-type]


def routed(seq: int, version: str = "") -> Confirmation:
    """A route in force, after a write that made `version`."""
    written = {"virtual-service": {"metadata": {"resourceVersion": version}}} if version else {}
    return Confirmation(lane=Lane.ROUTE, seq=seq, written=written)


def wanting(seq: int, expected: int = 0, weight: int = 20) -> Commit:
    """A commit of an intent."""
    return a_commit(expected, state={"uid": "u1", "route": {"seq": seq, "weight": weight}})


def test_an_unknown_canary_reads_as_version_zero_without_a_state(store: DirectStore) -> None:
    """Reading never fails for want of data; `now` is the store's time."""
    snapshot = store.read(REF)
    assert (snapshot.version, snapshot.state, snapshot.now) == (0, None, store.now())
    assert (snapshot.confirmed, snapshot.world) == (Confirmed(), World())


def test_a_commit_shows_in_state_timeline_notices_and_agenda_at_once(store: DirectStore) -> None:
    """All parts of a decision become visible together, and the lease is free again."""
    token = begun(store).token
    due = store.now() + 60 * SECOND
    commit = a_commit(
        token=token, timeline={"rule": "advance"}, notices=[a_notice("a"), a_notice("ü")], due=due
    )
    assert store.commit(REF, commit) == 1
    snapshot = store.read(REF)
    assert (snapshot.version, snapshot.state) == (1, {"uid": "u1", "phase": "Initialized"})
    assert store.timeline(REF) == ({"rule": "advance"},)
    assert store.undelivered(REF)[0] == (
        a_notice("a", id="000000000001-0"),
        a_notice("ü", id="000000000001-1"),
    )
    assert store.agenda() == {REF: due}
    begun(store)


def test_a_commit_of_another_version_changes_nothing(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """Compare-and-set: with the wrong version not even the lease is released."""
    store.commit(REF, a_commit())
    token = begun(store).token
    before = _everything(client)
    stale = a_commit(0, token=token, timeline={}, notices=[a_notice()], due=store.now())
    assert store.commit(REF, stale) is None
    assert store.commit(REF, a_commit(2, token=token)) is None
    assert _everything(client) == before


def test_the_version_exceeds_what_the_status_already_shows(store: DirectStore) -> None:
    """A state rebuilt after a loss of data continues above `floor`; versions never repeat."""
    assert store.commit(REF, a_commit(0, floor=41)) == 42
    assert store.commit(REF, a_commit(42, floor=41)) == 43
    assert store.read(REF).version == 43


def test_a_commit_sent_twice_happens_once_and_answers_the_same(store: DirectStore) -> None:
    """A commit whose answer was lost may be sent again: it is not taken for a lost race."""
    commit = a_commit(token=begun(store).token, timeline={"n": 1}, notices=[a_notice()])
    assert [store.commit(REF, commit), store.commit(REF, commit)] == [1, 1]
    assert (len(store.timeline(REF)), len(store.undelivered(REF)[0])) == (1, 1)


def test_a_key_of_the_wrong_type_fails_a_commit_before_its_first_write(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """A script cannot be undone, so it must not fail half-way."""
    rows = (keys.TIMELINE, keys.NOTICES, keys.CONFIRMED)
    for row, name in [(row, row.of(REF)) for row in rows] + [(keys.AGENDA, keys.AGENDA.pattern)]:
        client.flushall()
        client.set(name, "not ours")
        with pytest.raises(errors.Permanent):
            store.commit(REF, a_commit(timeline={}, notices=[a_notice()], due=store.now()))
        assert store.read(REF).version == 0 if row is not keys.CONFIRMED else True
        assert client.exists(keys.STATE.of(REF)) == 0


def test_a_first_state_needs_its_lease(store: DirectStore, clock: clocks.ManualClock) -> None:
    """A tick that outlived its lease, or its canary, does not bring a forgotten canary back."""
    token = begun(store).token
    store.forget(REF)
    assert store.commit(REF, a_commit(token=token)) is None
    token = begun(store).token
    clock.advance(TTL)
    assert store.commit(REF, a_commit(token=token)) is None
    assert store.read(REF).version == 0


def test_a_stalled_tick_of_a_deleted_canary_decides_nothing_about_its_successor(
    store: DirectStore,
) -> None:
    """One of the same name, whose state has come to the same version by now."""
    store.commit(REF, a_commit(token=begun(store).token))
    stalled = begun(store).token
    store.forget(REF)
    successor = {"uid": "u2", "phase": "Progressing"}
    assert store.commit(REF, a_commit(token=begun(store).token, state=successor)) == 1
    assert store.commit(REF, a_commit(1, token=stalled)) is None
    assert store.read(REF).state == successor
    running = begun(store).token
    assert store.commit(REF, a_commit(1, token=stalled)) is None
    assert store.commit(REF, a_commit(1, token=running)) == 2  # who has the lease, knows


@pytest.mark.parametrize("work", list(Work))
def test_work_that_is_held_is_refused_until_it_is_finished(store: DirectStore, work: Work) -> None:
    """One run per kind of work; kinds do not block each other."""
    held = begun(store, work)
    assert store.begin(REF, work, TTL) is None
    for other in Work:
        assert (store.begin(REF, other, TTL) is None) == (other is work)
    store.finish(REF, work, held.token)
    assert begun(store, work).token > held.token


@pytest.mark.parametrize("work", list(Work))
def test_a_lease_that_ran_out_is_free_and_its_old_token_is_worth_nothing(
    store: DirectStore, clock: clocks.ManualClock, work: Work
) -> None:
    """After `ttl` the holder counts as dead; when it comes back it cannot release another's."""
    old = begun(store, work)
    clock.advance(TTL - timedelta(milliseconds=1))
    assert store.begin(REF, work, TTL) is None
    clock.advance(timedelta(milliseconds=1))
    new = begun(store, work)
    due = store.now() + 9 * SECOND
    before = store.agenda()
    assert store.finish(REF, work, old.token, due) is False
    assert store.agenda() == before
    assert store.begin(REF, work, TTL) is None
    assert new.token > old.token


def test_a_tick_that_was_asked_to_run_again_is_due_at_once(store: DirectStore) -> None:
    """A refused begin during a tick wins over the due time its commit or finish gives."""
    far = store.now() + timedelta(hours=1)
    token = begun(store).token
    assert store.begin(REF, Work.TICK, TTL) is None
    store.commit(REF, a_commit(token=token, due=far))
    assert store.agenda() == {REF: store.now()}

    token = begun(store).token
    assert store.begin(REF, Work.TICK, TTL) is None
    assert store.finish(REF, Work.TICK, token, far) is True
    assert store.agenda() == {REF: store.now()}


@pytest.mark.parametrize("work", [Work.ROUTE, Work.WORKLOAD, Work.STATUS])
def test_an_effect_that_was_asked_to_run_again_says_so(store: DirectStore, work: Work) -> None:
    """`finish` is True exactly when somebody was refused; the canary is due in case it dies."""
    assert store.finish(REF, work, begun(store, work).token) is False
    token = begun(store, work).token
    assert store.begin(REF, work, TTL) is None
    assert store.agenda() == {REF: store.now() + TTL}
    assert store.finish(REF, work, token) is True
    assert store.finish(REF, work, begun(store, work).token) is False


def test_a_tick_that_dies_is_due_again_when_its_lease_ends(store: DirectStore) -> None:
    """Even one that was not on the agenda, or much later: what it was asked for dies with it."""
    begun(store)
    assert store.agenda() == {REF: store.now() + TTL}
    store.forget(REF)
    store.commit(REF, a_commit(due=store.now() + timedelta(days=1)))
    begun(store)
    store.commit(REF, a_commit(1))
    assert store.agenda() == {REF: store.now() + TTL}


def test_finish_sets_the_due_time_of_a_tick_and_only_hastens_it_for_effects(
    store: DirectStore,
) -> None:
    """Only a tick knows all reasons to look again; another may add one."""
    now = store.now()
    store.finish(REF, Work.TICK, begun(store).token, now + 60 * SECOND)
    assert store.agenda() == {REF: now + 60 * SECOND}
    store.finish(REF, Work.ROUTE, begun(store, Work.ROUTE).token, now + 90 * SECOND)
    assert store.agenda() == {REF: now + 60 * SECOND}
    store.finish(REF, Work.ROUTE, begun(store, Work.ROUTE).token, now + 5 * SECOND)
    assert store.agenda() == {REF: now + 5 * SECOND}
    store.finish(REF, Work.TICK, begun(store).token)
    assert store.agenda() == {REF: now + 5 * SECOND}


def test_a_tick_hears_of_the_retry_that_an_effect_asks_for_meanwhile(store: DirectStore) -> None:
    """The due time of an effect that failed outlives the commit of a tick that runs."""
    now = store.now()
    route, tick = begun(store, Work.ROUTE), begun(store)
    store.finish(REF, Work.ROUTE, route.token, now + 5 * SECOND)
    store.commit(REF, a_commit(token=tick.token, due=now + 60 * SECOND))
    assert store.agenda() == {REF: now + 5 * SECOND}


def test_a_commit_without_the_lease_only_brings_the_due_time_forward(store: DirectStore) -> None:
    """It cannot know what was asked for since it read."""
    now = store.now()
    store.commit(REF, a_commit(due=now + 60 * SECOND))
    assert store.agenda() == {REF: now + 60 * SECOND}
    store.commit(REF, a_commit(1, due=now + 90 * SECOND))
    assert store.agenda() == {REF: now + 60 * SECOND}
    store.commit(REF, a_commit(2, due=now + 5 * SECOND))
    store.commit(REF, a_commit(3))
    assert store.agenda() == {REF: now + 5 * SECOND}


def test_a_commit_beside_a_running_tick_makes_that_tick_run_again(store: DirectStore) -> None:
    """A command commits without the lease: the tick's own commit will fail, its work remains."""
    far = store.now() + timedelta(hours=1)
    store.commit(REF, a_commit())
    tick = begun(store)
    assert store.commit(REF, a_commit(1, due=far)) == 2
    assert store.commit(REF, a_commit(1, token=tick.token)) is None
    assert store.finish(REF, Work.TICK, tick.token, far) is True
    assert store.agenda() == {REF: store.now()}


def test_only_what_was_done_for_the_newest_intent_is_believed(store: DirectStore) -> None:
    """Not a word, nor an object, of a run whose intent was replaced or whose state is gone."""
    assert not store.confirm(REF, routed(1), BASIS, wake=True)
    store.commit(REF, wanting(1))
    first = part_of(wanting(1).state, "route")
    assert store.confirm(REF, routed(1, version="a"), replace(BASIS, part=first), wake=False)
    store.commit(REF, wanting(2, expected=1))
    second = part_of(wanting(2).state, "route")

    late = replace(BASIS, part=first)
    assert not store.confirm(REF, routed(1, version="b"), late, over=World(), wake=True)
    known = Confirmed(uid="u1", route_seq=1)
    assert store.read(REF).confirmed == known
    assert store.agenda() == {}
    assert store.confirm(REF, routed(2), replace(BASIS, part=second), wake=True)
    assert store.read(REF).confirmed == replace(known, route_seq=2)
    assert store.agenda() == {REF: store.now()}


def test_an_intent_of_the_same_number_and_another_content_is_another_one(
    store: DirectStore,
) -> None:
    """Numbers begin anew when Redis was lost; what they stand for then is something else."""
    store.commit(REF, wanting(1, weight=20))
    lost = part_of(wanting(1, weight=50).state, "route")
    assert not store.confirm(REF, routed(1), replace(BASIS, part=lost), wake=False)
    assert store.read(REF).confirmed == Confirmed()


def test_what_a_run_did_is_believed_under_its_own_lease_only(store: DirectStore) -> None:
    """A run that stalled past its lease may have been overtaken without a trace in the state."""
    store.commit(REF, a_commit())
    first = store.begin(REF, Work.ROUTE, timedelta(milliseconds=1))
    assert first is not None
    while (second := store.begin(REF, Work.ROUTE, TTL)) is None:
        pass
    assert not store.confirm(REF, routed(1), replace(BASIS, token=first.token), wake=True)
    assert store.confirm(REF, routed(1), replace(BASIS, token=second.token), wake=False)
    store.finish(REF, Work.ROUTE, second.token)
    assert not store.confirm(REF, routed(2), replace(BASIS, token=second.token), wake=True)
    assert store.read(REF).confirmed == Confirmed(uid="u1", route_seq=1)


def test_a_confirmation_wakes_a_tick_that_runs(store: DirectStore) -> None:
    """The running tick may have read before the confirmation; it must look again."""
    token = begun(store).token
    store.commit(REF, a_commit())
    assert store.confirm(REF, routed(1), BASIS, wake=True)
    store.commit(REF, a_commit(1, token=token, due=store.now() + timedelta(hours=1)))
    assert store.agenda() == {REF: store.now()}


def test_confirmations_of_an_earlier_object_do_not_count(store: DirectStore) -> None:
    """A re-created canary starts afresh, also while effects of the old one are under way."""
    old, new = replace(BASIS, uid="old"), replace(BASIS, uid="new")
    store.commit(REF, a_commit(state={"uid": "old"}))
    store.confirm(REF, Confirmation(lane=Lane.WORKLOAD, seq=3), old, wake=False)
    store.confirm(REF, routed(57), old, wake=False)
    assert not store.confirm(REF, routed(1), new, wake=False)
    store.commit(REF, a_commit(1, state={"uid": "new"}))
    assert store.read(REF).confirmed == Confirmed()
    assert store.confirm(REF, routed(1), new, wake=False)
    assert not store.confirm(REF, routed(58), old, wake=True)
    assert store.read(REF).confirmed == Confirmed(uid="new", route_seq=1)


def test_a_document_of_another_layout_is_unreadable_and_never_written_into(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """Of a newer release nothing is misread or mixed; an older one's is begun anew."""
    store.put_world(REF, World(canary={"a": 1}))
    store.commit(REF, a_commit())
    store.confirm(REF, routed(5), BASIS, wake=False)
    assert store.read(REF).is_readable
    for row in (keys.WORLD, keys.CONFIRMED):
        client.hset(row.of(REF), "v", "99")
    newer = client.hgetall(keys.CONFIRMED.of(REF))

    assert (store.read(REF).world, store.read(REF).confirmed) == (UNREADABLE, confirmed.UNREADABLE)
    assert not store.read(REF).is_readable
    assert not store.confirm(REF, routed(6), BASIS, wake=True)
    assert client.hgetall(keys.CONFIRMED.of(REF)) == newer

    client.hset(keys.CONFIRMED.of(REF), "v", "0")
    written = {"y": {"metadata": {"resourceVersion": "3"}}}
    first = Confirmation(lane=Lane.WORKLOAD, seq=1, written=written)
    assert store.confirm(REF, first, BASIS, over=World(), wake=False)
    store.put_world(REF, World(routes={"x": {}}))
    assert store.read(REF).confirmed == Confirmed(uid="u1", workload_seq=1)
    assert store.read(REF).world == World(routes={"x": {}})


def test_a_document_of_another_layout_is_said_once_by_each_process(
    store: DirectStore, client: "Redis[str]", caplog: pytest.LogCaptureFixture
) -> None:
    """Once for each document, with its key and layout, however often it is read or begun."""
    ref = CanaryRef("shop", f"moved-{secrets.token_hex(4)}")
    memory_redis.confirm(store)
    store.put_world(ref, World(canary={"a": 1}), wake=AT_ONCE)
    store.read(ref)
    assert caplog.records == []
    for row, work in ((keys.CONFIRMED, Work.TICK), (keys.WORLD, Work.ROUTE)):
        client.hset(row.of(ref), mapping={"v": "99", "new": "1"})
        for _ in range(3):
            assert not store.read(ref).is_readable
        assert store.begin(ref, work, TTL)
    records = [(each.levelname, vars(each)) for each in caplog.records]
    assert [(level, given["key"], given["layout"]) for level, given in records] == [
        ("WARNING", keys.CONFIRMED.of(ref), "99"),
        ("WARNING", keys.WORLD.of(ref), "99"),
    ]


def test_only_projections_that_differ_count_as_changed(store: DirectStore) -> None:
    """The order of keys is no difference; a deleted role is gone; others stay."""
    first = World(canary={"a": 1, "b": [2]}, routes={"x": {}})
    assert store.put_world(REF, first) == {"canary", "x"}
    assert store.put_world(REF, World(canary={"b": [2], "a": 1})) == frozenset()
    assert store.put_world(REF, World(), ["x", "primary"]) == {"x"}
    assert store.read(REF).world == World(canary={"a": 1, "b": [2]})
    assert store.agenda() == {}


def test_a_change_that_matters_wakes_the_canary_in_the_same_step(store: DirectStore) -> None:
    """A watcher that dies after storing cannot take the change for old news when it is back."""
    store.put_world(REF, World(canary={"a": 1}, routes={"x": {}}), wake=AT_ONCE)
    assert store.agenda() == {REF: store.now()}
    store.forget(REF)
    store.put_world(REF, World(routes={"x": {}}), wake=AT_ONCE)
    assert store.agenda() == {}


def test_a_change_that_only_tells_something_wakes_the_canary_later(store: DirectStore) -> None:
    """At the soonest of the roles that really changed, and not before what is due anyway."""
    now, later = store.now(), {"target": 10 * SECOND, "primary": SECOND}
    store.put_world(REF, World(target=a_view(1)), ["target", "primary"], wake=later)
    assert store.agenda() == {REF: now + 10 * SECOND}
    store.put_world(REF, World(target=a_view(2), primary=a_view(1)), wake=later)
    assert store.agenda() == {REF: now + SECOND}
    store.put_world(REF, World(target=a_view(3)), wake={"target": 10 * SECOND})
    assert store.agenda() == {REF: now + SECOND}


def test_what_our_writer_may_have_changed_wakes_at_once_when_none_is_at_work(
    store: DirectStore,
) -> None:
    """A writer wakes by itself when it has said what it did; it is not waited for any longer."""
    later = {"target": SECOND}
    store.commit(REF, a_commit())
    writer = store.begin(REF, Work.WORKLOAD, TTL)
    assert writer
    store.put_world(REF, World(target=a_view(1)), wake=later, ours={"target"})
    assert store.agenda() == {REF: store.now() + SECOND}
    store.finish(REF, Work.WORKLOAD, writer.token)
    store.put_world(REF, World(target=a_view(2)), wake=later, ours={"target"})
    assert store.agenda() == {REF: store.now()}


@pytest.mark.parametrize("wake", [{}, {"target": 10 * SECOND}])
def test_a_view_older_than_our_own_write_is_waited_for(
    store: DirectStore, wake: dict[str, timedelta]
) -> None:
    """Whatever else the newer view says: until it came, nothing was known of the workload."""
    store.commit(REF, a_commit(state={"uid": "u1"}))
    store.put_world(REF, World(target=a_view(1)))
    written = {"target": a_view(3)}
    news = Confirmation(lane=Lane.WORKLOAD, written=written)
    assert store.confirm(REF, news, BASIS, over=World(target=a_view(0)), wake=False)
    assert store.read(REF).world.target == a_view(1)
    begun = store.begin(REF, Work.TICK, TTL)
    assert begun
    store.finish(REF, Work.TICK, begun.token, store.now() + 60 * SECOND)
    store.put_world(REF, World(target=a_view(3)), wake=wake)
    assert store.agenda() == {REF: store.now()}
    store.forget(REF)
    store.put_world(REF, World(target=a_view(3)))
    store.put_world(REF, World(target=a_view(4)))
    assert store.agenda() == {}


@pytest.mark.parametrize(("told", "due"), [(1, False), (2, False), (3, True)])
def test_a_workload_that_was_seen_again_before_it_was_confirmed_is_looked_at(
    store: DirectStore, *, told: int, due: bool
) -> None:
    """A look at it before the confirmation waited for that; the write itself was no such news."""
    store.commit(REF, a_commit(state={"uid": "u1"}))
    over = World(target=a_view(1))
    store.put_world(REF, over)
    store.put_world(REF, World(target=a_view(told)))
    news = Confirmation(lane=Lane.WORKLOAD, seq=1, written={"target": a_view(2)})
    assert store.confirm(REF, news, BASIS, over=over, wake=False)
    assert store.agenda() == ({REF: store.now()} if due else {})


def a_view(generation: int) -> WorkloadView:
    """A Deployment as it was written so often."""
    return WorkloadView(
        name="cart",
        namespace="shop",
        generation=generation,
        replicas=1,
        revision="r",
        selector_label=None,
    )


def test_what_was_stored_since_a_world_was_read_is_not_overwritten(store: DirectStore) -> None:
    """A worker's view of its own write must not hide what the watch has told about it since."""
    store.commit(REF, a_commit())
    store.put_world(REF, World(routes={"x": {"at": 0}, "z": {"at": 0}}))
    read = store.read(REF).world
    store.put_world(REF, World(routes={"x": {"at": 2}, "y": {"at": 1}}))
    late = {"x": {"at": 1}, "y": {"at": 0}, "z": {"at": 1}, "canary": {"a": 1}}
    news = Confirmation(lane=Lane.ROUTE, written=late)
    assert store.confirm(REF, news, BASIS, over=read, wake=False)
    known = World(canary={"a": 1}, routes={"x": {"at": 2}, "y": {"at": 1}, "z": {"at": 1}})
    assert store.read(REF).world == known
    assert store.agenda() == {}


def test_forgetting_leaves_nothing_of_one_canary_and_all_of_the_others(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """Also leases and agenda entry go; a neighbour keeps its own."""
    for ref in (REF, OTHER):
        store.put_world(ref, World(canary={}), wake=AT_ONCE)
        store.begin(ref, Work.TICK, TTL)
        store.commit(ref, a_commit(timeline={}, notices=[a_notice()]))
        assert store.confirm(ref, routed(1), BASIS, wake=True)
    store.forget(REF)
    assert not [key for key in client.scan_iter() if str(REF) in key]
    assert (store.read(OTHER).version, set(store.agenda())) == (1, {OTHER})
    assert len(store.undelivered(OTHER)[0]) == 1


def test_notices_are_dropped_one_by_one_and_sorted_as_made(store: DirectStore) -> None:
    """The eleventh notice of a commit comes after the second; dropping twice is harmless."""
    store.commit(REF, a_commit(notices=[a_notice(str(n)) for n in range(11)]))
    store.commit(REF, a_commit(1, notices=[a_notice("11")]))
    assert [notice.message for notice in store.undelivered(REF)[0]] == list(map(str, range(12)))
    done = [notice.id for notice in store.undelivered(REF)[0]][:11]
    begun = store.begin(REF, Work.STATUS, TTL)
    assert begun is not None
    for told in (done, done, []):
        store.run(rollouts.finishing(REF, Work.STATUS, begun.token, told=told, uid="u1"))
    assert [notice.id for notice in store.undelivered(REF)[0]] == ["000000000002-0"]


def test_a_stalled_run_drops_no_notice_of_a_successor_of_its_canary(store: DirectStore) -> None:
    """One of the same name, whose notices have the same ids."""
    store.commit(REF, a_commit(notices=[a_notice("told", uid="u1")]))
    stalled = begun(store, Work.STATUS)
    told = [notice.id for notice in stalled.untold.notices]
    store.forget(REF)
    store.commit(REF, a_commit(state={"uid": "u2"}, notices=[a_notice("untold", uid="u2")]))
    store.run(rollouts.finishing(REF, Work.STATUS, stalled.token, told=told, uid="u1"))
    assert [notice.message for notice in store.undelivered(REF)[0]] == ["untold"]


def test_how_far_a_channel_has_come_never_goes_back(store: DirectStore) -> None:
    """A run that stalled knows less than one that has told more since; the same again is fine."""
    store.commit(REF, a_commit(notices=[a_notice(str(n)) for n in range(11)]))
    stalled = begun(store, Work.ALERT).token
    ids = [notice.id for notice in store.undelivered(REF).notices]
    answers = [store.note_delivered(REF, stalled, "u1", "chat", ids[at]) for at in (2, 10, 10, 9)]
    assert answers == [True, True, True, False]
    assert store.undelivered(REF).accounts == {"chat": ids[10]}
    assert store.note_delivered(REF, stalled, "u1", "other", ids[0])


def test_a_stalled_run_says_nothing_about_notices_that_have_its_ids_by_now(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """Those of a canary of the same name, and those made after a loss."""
    store.commit(REF, a_commit())
    stalled = begun(store, Work.ALERT).token
    store.forget(REF)
    store.commit(REF, a_commit(state={"uid": "u2"}))
    assert not store.note_delivered(REF, stalled, "u1", "chat", "000000000009-0")
    client.flushall()
    memory_redis.confirm(store)
    store.commit(REF, a_commit())
    assert not store.note_delivered(REF, stalled, "u1", "chat", "000000000009-0")
    assert store.undelivered(REF).accounts == {}


def test_what_a_wait_repeats_is_kept_once(store: DirectStore) -> None:
    """The last of each kind, where it was said last; another wait is another matter."""
    began = ["", "ask", "closed", "ask", "closed", "ask"]
    for version, again in enumerate([*began, "", "ask", "closed", "ask"]):
        store.commit(REF, a_commit(version, timeline={"n": version}, again=again))
    assert [entry["n"] for entry in store.timeline(REF)] == [0, 4, 5, 6, 8, 9]


def test_the_timeline_ends_with_the_newest_and_is_bounded(store: DirectStore) -> None:
    """About two hundred entries are kept, the newest of them."""
    for version in range(500):
        store.commit(REF, a_commit(version, timeline={"n": version}))
    assert [entry["n"] for entry in store.timeline(REF, 2)] == [498, 499]
    assert 200 <= len(store.timeline(REF, 5000)) <= 301


def test_a_server_that_lost_scripts_or_data_is_served_again(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """SCRIPT FLUSH, FLUSHALL and a restart cost one more round trip, and no error."""
    token = begun(store).token
    client.script_flush()
    assert store.commit(REF, a_commit(token=token)) == 1
    held = begun(store)
    client.flushall()
    client.script_flush()
    memory_redis.confirm(store)
    assert store.commit(REF, a_commit(1, token=held.token)) is None
    assert store.finish(REF, Work.TICK, held.token, store.now()) is False
    assert (store.read(REF).version, store.agenda()) == (0, {})
    assert begun(store).token > held.token


def test_nan_and_times_without_a_zone_are_refused(store: DirectStore) -> None:
    """What JSON or a due time cannot express is an error before anything is sent."""
    with pytest.raises(ValueError, match="JSON"):
        store.commit(REF, a_commit(state={"value": float("nan")}))
    with pytest.raises(ValueError, match="no time zone"):
        store.poke(REF, store.now().replace(tzinfo=None))
    with pytest.raises(ValueError, match="at least a millisecond"):
        store.begin(REF, Work.TICK, timedelta(0))


def _everything(client: "Redis[str]") -> dict[str, object]:
    found: dict[str, object] = {}
    for key in client.scan_iter():
        for read in (client.get, client.hgetall, client.xrange):
            try:
                found[key] = read(key)
                break
            except exceptions.ResponseError:
                continue
        else:
            found[key] = client.zrange(key, 0, -1, withscores=True)
    return found


def test_what_a_commit_counts_is_counted_once(store: DirectStore) -> None:
    """With its decision: not when that came too late, nor again when its answer was lost."""
    ended = Ended(well=False, strategy="canary")
    first = a_commit(
        token=begun(store).token,
        counted=Counted(ended, seconds=0.2, checks={"latency": 0.5}),
        notices=[a_notice()],
    )
    for _ in range(2):
        assert store.commit(REF, first) == 1
    assert store.commit(REF, a_commit(counted=Counted(ended))) is None
    assert store.commit(REF, a_commit(1, counted=Counted(seconds=20))) == 2

    within = (0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1)
    failures = {("canary", "completed"): 1}
    expected = Tally(failures=failures, within=within, seconds=20.2, checks={"latency": 0.5})
    assert store.progress([REF])[REF].tally == expected
    assert len(store.undelivered(REF).notices) == 1

    store.forget(REF)
    assert store.progress([REF])[REF].tally == Tally()


def test_a_count_that_is_no_number_keeps_no_decision_from_becoming_true(
    store: DirectStore,
) -> None:
    """A foreign hand wrote it: half a decision would be worse than a figure that is missing."""
    store.client.hset(keys.TALLY.of(REF), "seconds", "long")
    assert store.commit(REF, a_commit(counted=Counted(seconds=1), notices=[a_notice()])) == 1
    assert store.read(REF).version == 1
    assert len(store.undelivered(REF).notices) == 1
