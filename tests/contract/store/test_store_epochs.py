"""Nothing is decided from what was not confirmed since Redis was emptied, restarted or failed over.

Aspects: what is refused meanwhile, and asked again afterwards; what is noticed by the scripts
alone, under connections that never broke or that the client library mended; what a superseded
leader may still do: nothing. Left out: what the leader does about it (tests/unit/scheduler).
"""

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis

from clients import clock as clocks
from clients import errors
from clients.documents.notice import Notice
from clients.documents.world import World
from clients.redis import keys, rollouts
from clients.redis import server as redis_server
from clients.redis.embedded import EmbeddedValkey
from clients.redis.records import Commit, Work
from config.api.hooks import AlertSeverity
from config.refs import CanaryRef
from tests.fakes import memory_redis
from tests.patience import until
from tests.services import processes
from tests.stores import DirectStore, given_out

AT_ONCE = {"canary": timedelta(0)}

REF = CanaryRef("shop", "cart")
OTHER = CanaryRef("shop", "basket")
SECOND = timedelta(seconds=1)
TTL = timedelta(seconds=30)
DAY = timedelta(days=1)


def fail_over(client: "Redis[str]") -> None:
    """The server's history ends, as when a replica is promoted; it keeps what it holds."""
    server = client.connection_pool.connection_kwargs.get("server")
    if isinstance(server, memory_redis.MemoryServer):
        server.begin_history()
        return
    (port,) = processes.free_ports(1)
    client.replicaof("127.0.0.1", str(port))
    client.replicaof("NO", "ONE")


def empty(client: "Redis[str]") -> None:
    """The server loses everything."""
    client.flushall()


def forge(client: "Redis[str]") -> None:
    """The epoch is of another server."""
    client.set(keys.EPOCH.pattern, "confirmed 1 " + "0" * 40)


LOSSES = pytest.mark.parametrize("lose", [fail_over, empty, forge])


@LOSSES
def test_nothing_is_given_out_begun_or_committed_before_it_is_confirmed(
    store: DirectStore, client: "Redis[str]", lose: Callable[["Redis[str]"], None]
) -> None:
    """Whatever was lost, and though no connection broke; then all goes on."""
    lose(client)
    store.poke(REF)
    claimed = store.claim(10, TTL)
    assert (given_out(claimed), claimed.confirmed) == ((), False)
    assert [store.begin(REF, work, TTL) for work in Work] == [None] * len(Work)
    assert store.commit(REF, Commit(expected=0, state={})) is None
    assert (store.read(REF).version, store.agenda()) == (0, {REF: store.now()})

    memory_redis.confirm(store)
    claimed = store.claim(10, TTL)
    assert (given_out(claimed), claimed.confirmed) == ((REF,), True)
    assert all(store.begin(REF, work, TTL) for work in Work)
    assert store.commit(REF, Commit(expected=0, state={})) == 1


@pytest.mark.parametrize("work", Work)
def test_what_is_asked_for_meanwhile_is_due_once_it_is_confirmed(
    store: DirectStore, client: "Redis[str]", work: Work
) -> None:
    """The message is spent; the canary is looked at again all the same, and not later."""
    store.poke(REF)
    assert given_out(store.claim(10, 2 * TTL)) == (REF,)
    fail_over(client)
    assert store.begin(REF, work, TTL) is None
    memory_redis.confirm(store)
    assert given_out(store.claim(10, TTL)) == ((REF,) if work is Work.TICK else ())
    assert store.agenda() == {REF: store.now() + (TTL if work is Work.TICK else 2 * TTL)}


def test_what_is_asked_for_a_canary_that_was_lost_puts_it_on_no_agenda(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """It may have been deleted; the leader puts back those that there are, each in its turn."""
    client.flushall()
    store.begin(REF, Work.TICK, TTL)
    assert store.agenda() == {}


@LOSSES
@pytest.mark.parametrize("confirmed", [False, True])
def test_a_tick_from_before_neither_commits_nor_rests(
    store: DirectStore,
    client: "Redis[str]",
    lose: Callable[["Redis[str]"], None],
    confirmed: bool,
) -> None:
    """Also when the leader has confirmed another state of things by now: it saw the one before."""
    store.poke(REF, store.now() + DAY)
    begun = store.begin(REF, Work.TICK, TTL)
    assert begun is not None
    lease = client.get(keys.TICK.of(REF))
    lose(client)
    client.set(keys.TICK.of(REF), str(lease), px=30_000)  # it may have reached the replica
    if confirmed:
        memory_redis.confirm(store)
    commit = Commit(expected=0, state={}, token=begun.token, due=store.now() + DAY)
    assert store.commit(REF, commit) is None
    assert store.read(REF).version == 0
    store.finish(REF, Work.TICK, begun.token, store.now() + DAY)
    assert store.agenda() == {REF: store.now()}


@pytest.mark.parametrize("lose", [fail_over, forge])
def test_no_webhook_is_called_for_a_round_that_is_not_confirmed(
    store: DirectStore, client: "Redis[str]", lose: Callable[["Redis[str]"], None]
) -> None:
    """The round may be over in truth; a call that is under way already is ended."""
    assert store.commit(REF, Commit(expected=0, state={})) == 1
    call = store.take_call(REF, 1, "made", TTL)
    assert call is not None
    lose(client)
    assert store.take_call(REF, 1, "load", TTL) is None
    assert store.renew_call(call, TTL)
    assert list(store.calls(REF, 1).taken) == ["made"]
    memory_redis.confirm(store)
    assert store.take_call(REF, 1, "load", TTL) is not None


def test_a_commit_that_was_made_before_is_made_still(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """Sent again because its answer was lost in the failover, it gets the answer of the first."""
    begun = store.begin(REF, Work.TICK, TTL)
    assert begun is not None
    commit = Commit(expected=0, state={}, token=begun.token)
    assert store.commit(REF, commit) == 1
    fail_over(client)
    assert store.commit(REF, commit) == 1


def test_only_what_was_opened_in_this_history_is_confirmed(
    store: DirectStore, client: "Redis[str]"
) -> None:
    """What Redis lost while the leader stored has to be stored again."""
    term = memory_redis.lead(store)
    for lose in (fail_over, forge, lambda redis: redis.delete(keys.EPOCH.pattern)):
        fail_over(client)
        epoch = store.open_epoch(term)
        lose(client)
        assert not store.confirm_epoch(term, epoch)
        assert not store.claim(0, TTL).confirmed
    assert store.confirm_epoch(term, store.open_epoch(term))
    assert store.claim(0, TTL).confirmed


def test_a_change_of_leader_alone_stops_nobody(store: DirectStore) -> None:
    """What was confirmed stays so while the new leader stores what it sees."""
    begun = store.begin(REF, Work.TICK, TTL)
    assert begun is not None
    term = memory_redis.lead(store, "next")
    epoch = store.open_epoch(term)
    assert epoch.already_confirmed
    assert store.claim(0, TTL).confirmed
    assert store.confirm_epoch(term, epoch)
    assert store.commit(REF, Commit(expected=0, state={}, token=begun.token)) == 1


def test_a_superseded_leader_changes_nothing(
    store: DirectStore, client: "Redis[str]", clock: clocks.ManualClock
) -> None:
    """However late its commands arrive: after its lease has run out, and after another leads."""
    store.put_world(REF, World(canary={"v": 2}), wake=AT_ONCE)
    old = store.acquire("old", SECOND)
    assert old is not None
    epoch = store.open_epoch(old)
    clock.advance(SECOND)
    for holder in ("nobody", "new"):
        if holder == "new":
            memory_redis.lead(store, holder)
        before = _everything(client)
        for act in (
            lambda: store.put_world(REF, World(canary={"v": 1}), wake=AT_ONCE, term=old),
            lambda: store.put_world(OTHER, World(canary={"v": 1}), wake=AT_ONCE, term=old),
            lambda: store.forget(REF, term=old),
            lambda: store.poke(REF, term=old),
            lambda: store.open_epoch(old),
            lambda: store.confirm_epoch(old, epoch),
        ):
            with pytest.raises(errors.Conflict, match="term"):
                act()
            assert _everything(client) == before


def test_the_leader_in_office_changes_what_it_says(store: DirectStore) -> None:
    """Its own term is no obstacle, renewed or not."""
    term = memory_redis.lead(store)
    assert memory_redis.lead(store) == term
    assert store.put_world(REF, World(canary={"v": 1}), term=term) == {"canary"}
    store.poke(REF, term=term)
    assert store.agenda() == {REF: store.now()}
    store.forget(REF, term=term)
    assert (store.read(REF).world, store.agenda()) == (World(), {})


def _everything(client: "Redis[str]") -> dict[str, object]:
    return {key: client.dump(key) for key in client.scan_iter()}


# --- real servers


@contextlib.contextmanager
def connected(server: EmbeddedValkey) -> Iterator["Redis[str]"]:
    """A client of `server`."""
    with contextlib.closing(redis_server.connect(server.url)) as client:
        yield client


def test_a_restart_with_its_data_is_noticed_although_the_client_mends_the_connection(
    tmp_path: Path,
) -> None:
    """The epoch is loaded with the rest, no command fails: only the history is another one."""
    first = EmbeddedValkey(dir=tmp_path).start()
    port = int(first.url.rsplit(":", 1)[1].split("/")[0])
    with contextlib.ExitStack() as stack:
        stack.callback(first.stop)
        client = stack.enter_context(connected(first))
        store = DirectStore(client)
        memory_redis.confirm(store)
        store.poke(REF)
        tick = store.begin(REF, Work.TICK, TTL)
        assert tick is not None
        client.save()
        first.stop()
        second = EmbeddedValkey(port, tmp_path).start()
        stack.callback(second.stop)

        assert str(client.get(keys.EPOCH.pattern)).startswith("confirmed ")
        claimed = store.claim(10, TTL)
        assert (given_out(claimed), claimed.confirmed) == ((), False)
        assert store.begin(OTHER, Work.TICK, TTL) is None
        assert store.commit(REF, Commit(expected=0, state={}, token=tick.token)) is None
        memory_redis.confirm(store)
        assert store.commit(REF, Commit(expected=0, state={}, token=tick.token)) is None
        assert store.begin(OTHER, Work.TICK, TTL) is not None


def test_a_replica_that_takes_over_confirms_nothing_of_what_it_copied(tmp_path: Path) -> None:
    """It holds the epoch as well, and may lack the last writes; so does the way back."""
    with contextlib.ExitStack() as stack:
        folders = [tmp_path / "first", tmp_path / "second"]
        for folder in folders:
            folder.mkdir()
        first, second = (stack.enter_context(EmbeddedValkey(dir=each)) for each in folders)
        primary, replica = (stack.enter_context(connected(each)) for each in (first, second))
        follow(replica, primary, first.url)
        memory_redis.confirm(DirectStore(primary))
        until(lambda: str(replica.get(keys.EPOCH.pattern)).startswith("confirmed "))
        replica.replicaof("NO", "ONE")
        assert not DirectStore(replica).claim(0, TTL).confirmed
        assert DirectStore(primary).claim(0, TTL).confirmed

        follow(primary, replica, second.url)
        primary.replicaof("NO", "ONE")
        assert str(primary.get(keys.EPOCH.pattern)).startswith("confirmed ")
        assert not DirectStore(primary).claim(0, TTL).confirmed


def follow(replica: "Redis[str]", primary: "Redis[str]", url: str) -> None:
    """`replica` holds what `primary`, the server at `url`, holds."""
    primary.config_set("repl-diskless-sync", "no")  # which waits for more replicas first
    host, port = url.removeprefix("redis://").split("/")[0].split(":")
    replica.replicaof(host, port)
    until(lambda: replica.info("replication").get("master_link_status") == "up")


@pytest.mark.parametrize("lose", [None, fail_over, forge])
def test_told_notices_are_dropped_unless_others_may_have_their_ids(
    store: DirectStore, client: "Redis[str]", lose: Callable[["Redis[str]"], None] | None
) -> None:
    """A run that ends late drops nothing that was written since Redis lost something."""
    told = Notice(uid="u1", at=store.now(), severity=AlertSeverity.INFO, message="told")
    store.commit(REF, Commit(expected=0, state={"uid": "u1"}, notices=[told]))
    tick, status = (store.begin(REF, work, TTL) for work in (Work.TICK, Work.STATUS))
    assert tick is not None
    assert status is not None
    assert tick.untold.notices == ()
    (notice,) = status.untold.notices
    assert notice.message == "told"
    if lose is not None:
        lose(client)
        memory_redis.confirm(store)
    store.run(rollouts.finishing(REF, Work.STATUS, status.token, told=[notice.id], uid="u1"))
    assert len(store.undelivered(REF).notices) == (0 if lose is None else 1)
    store.forget(REF)
