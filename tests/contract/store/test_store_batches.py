"""Several scripts in one round trip: each atomic, and failing, for itself."""

from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from clients import errors
from clients.documents.confirmed import Confirmation, Lane
from clients.documents.notice import Notice
from clients.documents.world import ShownStatus, World
from clients.redis import keys, rollouts
from clients.redis.records import Basis, Begun, Commit, Snapshot, Work
from clients.redis.scripts import Invocation
from config.api.hooks import AlertSeverity
from config.refs import CanaryRef
from tests.fakes import memory_redis
from tests.stores import DirectStore

AT_ONCE = {"canary": timedelta(0)}

REFS = tuple(CanaryRef("shop", name) for name in ("cart", "till", "wish"))
TTL = timedelta(seconds=30)


def begun(store: DirectStore) -> list[Any]:
    """Leases on the ticks of all."""
    return store.run_all([rollouts.beginning(ref, Work.TICK, TTL) for ref in REFS])


def test_each_has_its_own_answer_in_the_order_of_asking(store: DirectStore) -> None:
    """A lease, a decision, and what is stored then."""
    leases = begun(store)
    assert all(isinstance(lease, Begun) for lease in leases)
    commits = [
        rollouts.committing(ref, Commit(expected=0, state={"uid": ref.name}, token=lease.token))
        for ref, lease in zip(REFS, leases, strict=True)
    ]
    assert store.run_all(commits) == [1, 1, 1]
    stored: list[Snapshot] = store.run_all([rollouts.reading(ref) for ref in REFS])
    assert [each.state for each in stored] == [{"uid": ref.name} for ref in REFS]
    assert store.run_all([]) == []


def test_one_that_is_refused_or_cannot_be_read_is_alone_in_that(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """A canary that another run has; one whose key is of another type; one that is fine."""
    taken, odd, _ = REFS
    assert store.begin(taken, Work.TICK, TTL)
    client.set(keys.STATE.of(odd), "no hash")
    refused, failure, lease = begun(store)
    assert refused is None
    assert isinstance(failure, errors.Permanent)
    assert isinstance(lease, Begun)


def test_a_server_that_has_lost_its_scripts_gets_them_again(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """As after a restart; nothing is carried out twice."""
    client.script_flush()
    leases = begun(store)
    assert all(isinstance(lease, Begun) for lease in leases)
    assert len({lease.token for lease in leases}) == 3
    assert begun(store) == [None, None, None]


def test_worlds_are_stored_together_and_a_leader_whose_term_is_over_changes_none(
    store: DirectStore,
) -> None:
    """Each says what changed, and wakes its canary."""
    term = store.acquire("first", TTL)
    stored = [
        rollouts.storing(ref, World(canary={"name": ref.name}), wake=AT_ONCE, term=term)
        for ref in REFS
    ]
    assert store.run_all(stored) == [{"canary"}] * 3
    assert store.run_all(stored) == [frozenset()] * 3
    assert store.agenda().keys() == set(REFS)

    store.release("first")
    store.acquire("second", TTL)
    late: list[Invocation[Any]] = [
        rollouts.storing(ref, World(canary={}), ["canary"], term=term) for ref in REFS
    ]
    late.append(rollouts.forgetting(REFS[0], term=term))
    assert [type(answer) for answer in store.run_all(late)] == [errors.Conflict] * 4
    known: list[Snapshot] = store.run_all([rollouts.reading(ref) for ref in REFS])
    assert [each.world for each in known] == [World(canary={"name": ref.name}) for ref in REFS]


def test_only_the_roles_asked_for_are_stored(store: DirectStore) -> None:
    """Of a world that has more; one that it lacks is deleted."""
    ref = REFS[0]
    store.put_world(ref, World(routes={"x": {"a": 1}, "y": {"a": 1}}))
    now = World(routes={"x": {"a": 2}, "z": {"a": 2}})
    assert store.put_world(ref, now, ["x", "y"]) == {"x", "y"}
    assert store.read(ref).world == World(routes={"x": {"a": 2}})


def test_an_object_is_as_we_last_wrote_it_by_its_version(store: DirectStore) -> None:
    """What nobody confirmed, what somebody changed since, and what is gone are not."""
    ref, other, _ = REFS
    memory_redis.confirm(store)
    for each in (ref, other):
        store.commit(each, Commit(expected=0, state={"uid": "u"}))
    ours = {"x": versioned("1"), "y": versioned("2")}
    news = Confirmation(lane=Lane.ROUTE, written=ours)
    assert store.confirm(ref, news, Basis(uid="u"), over=World(), wake=False)

    def are_ours(*roles: str) -> bool:
        return store.run(rollouts.comparing(ref, roles))

    store.put_world(ref, World(routes=ours))
    assert [are_ours("x"), are_ours("x", "y"), are_ours("z"), are_ours("x", "z")] == [
        *(True, True),
        *(False, False),
    ]
    assert not store.run(rollouts.comparing(other, ["x"]))
    store.put_world(ref, World(routes={"x": versioned("3")}), ["x", "y"])
    assert [are_ours("x"), are_ours("y")] == [False, False]


def test_whoever_begins_is_told_how_many_canaries_there_are(store: DirectStore) -> None:
    """All that are on the agenda, due or not."""
    for ref in REFS:
        store.poke(ref)
    assert [lease.canaries for lease in begun(store)] == [3, 3, 3]


def versioned(version: str) -> dict[str, Any]:
    """A raw object of this version."""
    return {"metadata": {"resourceVersion": version}}


def confirmed(**news: Any) -> Confirmation:
    """What a run of the route lane says."""
    return Confirmation(lane=Lane.ROUTE, **news)


WANTS_TWO = {"uid": "u", "route": {"seq": 2}, "workload": {"seq": 0}}


@pytest.mark.parametrize(
    ("state", "news", "begins"),
    [
        (WANTS_TWO, confirmed(seq=2), False),
        (WANTS_TWO, confirmed(seq=3), False),
        (WANTS_TWO, confirmed(seq=1), True),
        (WANTS_TWO, confirmed(), True),
        (WANTS_TWO, confirmed(seq=2, trouble="refused"), True),
        ({"uid": "u", "route": 2}, confirmed(seq=2), True),
    ],
    ids=["in force", "newer", "older", "nothing", "in trouble", "of another form"],
)
def test_a_lane_begins_if_due_only_when_something_is_wanted_of_it(
    store: DirectStore, state: dict[str, Any], news: Confirmation, *, begins: bool
) -> None:
    """Asked without that, it begins in any case: what is in force may have drifted."""
    ref = REFS[0]
    memory_redis.confirm(store)
    store.commit(ref, Commit(expected=0, state=state))
    assert store.confirm(ref, news, Basis(uid="u"), wake=False)
    before = store.agenda()

    if_due = store.begin(ref, Work.ROUTE, TTL, if_due=True)
    assert (if_due is not None) is begins
    assert store.agenda() == before
    if if_due is None:
        assert store.begin(ref, Work.ROUTE, TTL)


def test_without_a_state_nothing_is_wanted_of_any_lane(store: DirectStore) -> None:
    """Nor is anything of a state that was confirmed of an earlier object: that is all wanted."""
    new, again, _ = REFS
    memory_redis.confirm(store)
    assert [store.begin(new, work, TTL, if_due=True) for work in (Work.ROUTE, Work.STATUS)] == [
        *(None, None)
    ]
    store.commit(again, Commit(expected=0, state={**WANTS_TWO, "uid": "old"}))
    assert store.confirm(again, confirmed(seq=2), Basis(uid="old"), wake=False)
    with_another = Commit(expected=1, state=WANTS_TWO)
    assert store.commit(again, with_another) == 2
    assert store.begin(again, Work.ROUTE, TTL, if_due=True)


def test_a_status_is_due_by_its_version_by_untold_events_and_when_it_was_wiped(
    store: DirectStore,
) -> None:
    """It shows the newest state and nothing is to be told: only then it is not."""
    ref = REFS[0]
    memory_redis.confirm(store)
    notice = Notice(uid="u", at=store.now(), severity=AlertSeverity.INFO, message="told")
    store.commit(ref, Commit(expected=0, state=WANTS_TWO, notices=(notice,)))
    store.client.hset(keys.NOTICES.of(ref), "delivered:events", "1-0")
    shown = World(status=ShownStatus("5", {"phase": "Initialized"}))
    assert shown.status
    news = Confirmation(lane=Lane.STATUS, seq=1, written={"status": shown.status})
    assert store.confirm(ref, news, Basis(uid="u"), over=World(), wake=False)

    def is_due() -> bool:
        begun = store.begin(ref, Work.STATUS, TTL, if_due=True)
        if begun is None:
            return False
        told = [each.id for each in begun.untold.notices]
        store.run(rollouts.finishing(ref, Work.STATUS, begun.token, told=told, uid="u"))
        return True

    assert [is_due(), is_due()] == [True, False], "an event is told once"
    store.put_world(ref, World(status=ShownStatus("6", {})))
    assert is_due(), "somebody has wiped it"
    store.put_world(ref, shown)
    store.commit(ref, Commit(expected=1, state=WANTS_TWO))
    assert is_due(), "there is more to be shown"
