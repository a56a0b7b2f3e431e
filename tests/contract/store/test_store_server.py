"""The store at real servers: check at start-up, memory limits, credentials, absence, replay.

Aspects: what Valkey and Redis themselves answer. Left out: the wording (tests/unit/clients).
"""

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from redis import Redis, exceptions

from clients import errors
from clients.redis import server as redis_server
from clients.redis.embedded import EmbeddedValkey
from clients.redis.records import Commit, Work
from config.refs import CanaryRef
from tests.fakes import memory_redis
from tests.services import processes
from tests.stores import DirectStore, given_out
from tests.unit.notify.notices import a_notice

REF = CanaryRef("shop", "cart")
TTL = timedelta(seconds=30)


@pytest.fixture
def own_valkey() -> Iterator[EmbeddedValkey]:
    """A Valkey that a test may spoil."""
    with EmbeddedValkey() as server:
        yield server


@pytest.fixture
def own_client(own_valkey: EmbeddedValkey) -> Iterator["Redis[str]"]:
    """A client of it."""
    with contextlib.closing(redis_server.connect(own_valkey.url)) as client:
        yield client


@pytest.mark.parametrize("server", ["valkey_url", "redis_url"])
def test_the_servers_we_test_with_pass_the_check(
    server: str, request: pytest.FixtureRequest
) -> None:
    """All questions are understood and answered."""
    url: str = request.getfixturevalue(server)
    with contextlib.closing(redis_server.connect(url)) as client:
        assert redis_server.check_server(client) == ()


def test_the_check_sees_an_eviction_policy_as_the_server_tells_it(
    own_client: "Redis[str]",
) -> None:
    """Refused while it can evict, accepted once mended as the message says."""
    own_client.config_set("maxmemory", "100mb")
    own_client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(errors.Permanent, match="allkeys-lru with maxmemory 104857600"):
        redis_server.check_server(own_client)
    own_client.config_set("maxmemory-policy", "noeviction")
    assert redis_server.check_server(own_client) == ()


def test_an_acl_user_without_config_gets_a_remark_and_can_work(
    own_valkey: EmbeddedValkey, own_client: "Redis[str]"
) -> None:
    """Rights on our keys and without dangerous commands are enough; wrong ones are Permanent."""
    own_client.acl_setuser(
        "coalmine",
        enabled=True,
        passwords=["+p/w"],
        keys=["coalmine:*"],
        commands=["+@all", "-@dangerous", "+info"],
    )
    url = own_valkey.url.replace("redis://", "redis://coalmine:p%2Fw@")
    with contextlib.closing(redis_server.connect(url)) as client:
        (note,) = redis_server.check_server(client)
        assert "CONFIG GET" in note
        store = DirectStore(client)
        memory_redis.confirm(store)
        begun = store.begin(REF, Work.TICK, TTL)
        assert begun is not None
        assert (
            store.commit(REF, Commit(expected=0, state={}, timeline={}, notices=[a_notice()])) == 1
        )
        store.poke(REF)
        assert given_out(store.claim(1, TTL)) == ()
        assert set(store.agenda()) == {REF}
    bad = url.replace("p%2Fw", "wrong")
    with contextlib.closing(redis_server.connect(bad)) as client, pytest.raises(errors.Permanent):
        DirectStore(client).read(REF)


def test_a_full_server_refuses_a_commit_whole_and_takes_it_later(own_client: "Redis[str]") -> None:
    """Out of memory is Transient, and leaves no half of a decision."""
    store = DirectStore(own_client)
    memory_redis.confirm(store)
    begun = store.begin(REF, Work.TICK, TTL)
    assert begun is not None
    commit = Commit(expected=0, state={}, timeline={}, notices=[a_notice()], token=begun.token)
    own_client.config_set("maxmemory", "1")
    with pytest.raises(errors.Transient, match=r"memory|OOM"):
        store.commit(REF, commit)
    own_client.config_set("maxmemory", "0")
    assert (store.read(REF).version, store.undelivered(REF)[0], store.timeline(REF)) == (0, (), ())
    assert store.commit(REF, commit) == 1


def test_a_replica_is_transient_until_it_is_promoted(own_client: "Redis[str]") -> None:
    """During a failover writes fail for a moment.

    R-85: the connection to the former primary is not kept: its name may lead to another server.
    """
    own_client.config_set("replica-serve-stale-data", "yes")
    connection = own_client.client_id()
    (port,) = processes.free_ports(1)
    own_client.replicaof("127.0.0.1", str(port))
    store = DirectStore(own_client)
    with pytest.raises(errors.Transient):
        store.poke(REF)
    assert own_client.client_id() != connection
    own_client.replicaof("NO", "ONE")
    store.poke(REF)
    assert set(store.agenda()) == {REF}


def test_a_server_that_restarts_is_found_again_by_the_same_store() -> None:
    """Transient at once while it is away; afterwards scripts are loaded anew."""
    server = EmbeddedValkey().start()
    port = int(server.url.rsplit(":", 1)[1].split("/")[0])
    store = DirectStore(redis_server.connect(server.url))
    try:
        memory_redis.confirm(store)
        assert store.begin(REF, Work.TICK, TTL) is not None
        server.stop()
        started = time.monotonic()
        with pytest.raises(errors.Transient, match="Redis: begin"):
            store.begin(REF, Work.TICK, TTL)
        with pytest.raises(errors.Transient, match="Redis: ping"):
            store.ping()
        assert time.monotonic() - started < 4
        server = EmbeddedValkey(port).start()
        memory_redis.confirm(store)
        assert store.begin(REF, Work.TICK, TTL) is not None
    finally:
        store.close()
        server.stop()


def test_a_begin_whose_answer_was_lost_gets_the_same_lease_when_sent_again(
    own_valkey: EmbeddedValkey, own_client: "Redis[str]"
) -> None:
    """The connection breaks after the server has run the script: the retry is no second caller.

    Whoever was refused in between is remembered.
    """
    store = DirectStore(own_client)
    memory_redis.confirm(store)
    other_client = redis_server.connect(own_valkey.url)
    other = DirectStore(other_client)
    store.read(REF)
    send = own_client.connection_pool.connection_class.read_response
    broken: list[bool] = []

    def breaks_once(connection: object, *args: object, **options: object) -> object:
        reply = send(connection, *args, **options)
        if isinstance(reply, list) and not broken:
            broken.append(True)
            assert other.begin(REF, Work.TICK, TTL) is None
            connection.disconnect()  # type: ignore[attr-defined]
            raise exceptions.ConnectionError
        return reply

    store.begin(CanaryRef("shop", "other"), Work.TICK, TTL)  # the script is loaded now
    with pytest.MonkeyPatch.context() as patch:
        kind = own_client.connection_pool.connection_class
        patch.setattr(kind, "read_response", breaks_once)
        begun = store.begin(REF, Work.TICK, TTL)
    assert broken
    assert begun is not None
    assert store.finish(REF, Work.TICK, begun.token) is True
    other_client.close()
