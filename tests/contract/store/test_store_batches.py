"""Several scripts in one round trip: each atomic, and failing, for itself."""

from datetime import timedelta
from typing import Any

from redis import Redis

from clients import errors
from clients.redis import keys, rollouts
from clients.redis.records import Begun, Commit, Snapshot, Work
from clients.redis.store import Store
from config.refs import CanaryRef

REFS = tuple(CanaryRef("shop", name) for name in ("cart", "till", "wish"))
TTL = timedelta(seconds=30)


def begun(store: Store) -> list[Any]:
    """Leases on the ticks of all."""
    return store.run_all([rollouts.beginning(ref, Work.TICK, TTL) for ref in REFS])


def test_each_has_its_own_answer_in_the_order_of_asking(store: Store) -> None:
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
    store: Store, client: "Redis[str]"
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
    store: Store, client: "Redis[str]"
) -> None:
    """As after a restart; nothing is carried out twice."""
    client.script_flush()
    leases = begun(store)
    assert all(isinstance(lease, Begun) for lease in leases)
    assert len({lease.token for lease in leases}) == 3
    assert begun(store) == [None, None, None]
