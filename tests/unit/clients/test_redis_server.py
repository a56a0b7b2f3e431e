"""Redis URLs, and what a server's answers mean; no server needed.

Left out: connections (tests/contract/store/test_store_server.py).
"""

import fakeredis
import pytest
from redis import Redis, exceptions, sentinel
from redis.connection import SSLConnection, UnixDomainSocketConnection

from clients import errors
from clients.redis import primaries, scripts
from clients.redis import server as redis_server


def test_a_url_names_host_database_and_acl_user() -> None:
    """As in redis-py; answers are decoded, and no call waits for ever."""
    client = redis_server.connect("redis://ada:s%40cret@redis.example:6380/3")
    options = client.connection_pool.connection_kwargs
    assert client.connection_pool.connection_class is primaries.Plain
    assert (options["host"], options["port"], options["db"]) == ("redis.example", 6380, 3)
    assert (options["username"], options["password"]) == ("ada", "s@cret")
    assert options["decode_responses"] is True
    assert options["socket_timeout"] == 5
    assert options["socket_connect_timeout"] == 2


def test_rediss_is_tls_that_verifies_and_unix_is_a_socket() -> None:
    """The certificate is checked unless the URL says otherwise."""
    pool = redis_server.connect("rediss://redis.example/0?ssl_ca_certs=/etc/ca.pem").connection_pool
    assert pool.connection_class is primaries.Secure
    assert pool.connection_kwargs["ssl_ca_certs"] == "/etc/ca.pem"
    connection = pool.connection_class(**pool.connection_kwargs)
    assert connection.cert_reqs.name == "CERT_REQUIRED"
    pool = redis_server.connect("unix:///run/redis.sock?db=2").connection_pool
    assert pool.connection_class is UnixDomainSocketConnection


@pytest.mark.parametrize(
    ("scheme", "tls"), [("redis+sentinel", False), ("sentinel", False), ("rediss+sentinel", True)]
)
def test_a_sentinel_url_asks_all_sentinels_for_its_master(scheme: str, *, tls: bool) -> None:
    """User and password are the server's; the sentinels have their own."""
    client = redis_server.connect(
        f"{scheme}://ada:p%2Fw@s1:26380,s2/main/4?sentinel_username=eve&sentinel_password=q"
    )
    pool = client.connection_pool
    assert isinstance(pool, sentinel.SentinelConnectionPool)
    assert pool.service_name == "main"
    options = pool.connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("ada", "p/w", 4)
    assert options["decode_responses"] is True
    asked = [each.connection_pool for each in pool.sentinel_manager.sentinels]
    addresses = [(e.connection_kwargs["host"], e.connection_kwargs["port"]) for e in asked]
    assert addresses == [("s1", 26380), ("s2", 26379)]
    assert {e.connection_kwargs["username"] for e in asked} == {"eve"}
    assert {e.connection_kwargs["password"] for e in asked} == {"q"}
    assert {issubclass(e.connection_class, SSLConnection) for e in asked} == {tls}
    assert issubclass(pool.connection_class, SSLConnection) is tls


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@redis.example",
        "redis.example:6379",
        "redis://:hunter2#x@host:6379/0",
        "redis://:hunter2/x@host:6379/0",
        "rediss://:hunter2?x=1@host:6379/0",
        "redis://:hunter2[x@host:6379/0",
        "redis+sentinel://:hunter2[x@h1:26379/main",
        "redis+sentinel://:hunter2@h1:26379",
        "redis+sentinel://:hunter2@/main",
        "redis+sentinel://:hunter2@h1:port/main",
        "redis+sentinel://:hunter2@h1/main/first",
        "redis+sentinel://:hunter2@h1/main?sentinel_colour=red",
    ],
)
def test_a_url_of_another_form_is_refused_without_repeating_its_password(url: str) -> None:
    """The message says what is allowed."""
    with pytest.raises(ValueError, match="redis") as caught:
        redis_server.connect(url)
    assert "hunter2" not in str(caught.value)


class Answers(fakeredis.FakeRedis):
    """A server that tells about itself what a test wants; an exception is raised."""

    server: object
    limits: object

    def info(self, *_: object, **__: object) -> object:  # type: ignore[override]
        """The section `server` of INFO."""
        return _given(self.server)

    def config_get(self, *_: object, **__: object) -> object:
        """The settings asked for."""
        return _given(self.limits)


def _given(answer: object) -> object:
    if isinstance(answer, Exception):
        raise answer
    return answer


def answering(server: object, limits: object = None) -> "Redis[str]":
    """A client whose server answers INFO and CONFIG GET so."""
    client = Answers(decode_responses=True)
    client.server = server
    client.limits = limits or {"maxmemory": "0", "maxmemory-policy": "noeviction"}
    return client


GOOD = {"redis_version": "7.0.15", "redis_mode": "standalone"}
VALKEY = {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.1.0"}


@pytest.mark.parametrize("server", [GOOD, VALKEY, {"redis_version": "6.2.0"}])
def test_supported_servers_pass_without_remarks(server: dict[str, str]) -> None:
    """Redis from 6.2, Valkey from 7.2."""
    assert redis_server.check_server(answering(server)) == ()


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ({"redis_version": "6.0.16"}, "Redis 6.0.16 is too old"),
        ({"redis_version": "5.0"}, "upgrade this server to Redis 6.2"),
        ({"redis_version": "7.2.4", "valkey_version": "7.0.1"}, "Valkey 7.0.1 is too old"),
        ({**GOOD, "redis_mode": "cluster"}, "Redis Cluster cannot hold"),
    ],
)
def test_servers_that_cannot_run_the_scripts_are_refused(server: object, words: str) -> None:
    """The message says what is wrong and what to do."""
    with pytest.raises(errors.Permanent, match=words):
        redis_server.check_server(answering(server))


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random", "volatile-ttl"])
def test_a_server_that_evicts_keys_is_refused(policy: str) -> None:
    """The message names policy, limit and the remedy; without a limit nothing is evicted."""
    limited = {"maxmemory": "1048576", "maxmemory-policy": policy}
    with pytest.raises(errors.Permanent, match=f"{policy} with maxmemory 1048576.*noeviction"):
        redis_server.check_server(answering(GOOD, limited))
    assert redis_server.check_server(answering(GOOD, {**limited, "maxmemory": "0"})) == ()
    kept = {**limited, "maxmemory-policy": "noeviction"}
    assert redis_server.check_server(answering(GOOD, kept)) == ()


def test_what_an_acl_forbids_to_ask_is_a_remark() -> None:
    """Managed servers forbid CONFIG; that alone stops nobody."""
    denied = exceptions.NoPermissionError("this user has no permissions to run 'config|get'")
    notes = redis_server.check_server(answering(GOOD, denied))
    assert [note.startswith("the server was not checked with CONFIG GET") for note in notes] == [
        True
    ]


def test_a_user_who_must_not_ask_for_info_is_refused() -> None:
    """Nothing would be decided, for want of the replication id: the message names the right."""
    denied = exceptions.NoPermissionError("this user has no permissions to run 'info'")
    with pytest.raises(errors.Permanent, match=r"INFO, by which .*\+info"):
        redis_server.check_server(answering(denied))


def test_a_server_that_is_away_is_no_remark() -> None:
    """Transient, so that the caller waits for it."""
    with pytest.raises(errors.Transient):
        redis_server.check_server(answering(exceptions.ConnectionError("refused")))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (exceptions.ConnectionError("Connection refused"), errors.Transient),
        (exceptions.TimeoutError("Timeout reading from socket"), errors.Transient),
        (exceptions.BusyLoadingError("Redis is loading"), errors.Transient),
        (
            exceptions.ReadOnlyError("You can't write against a read only replica."),
            errors.Transient,
        ),
        (exceptions.ClusterDownError("CLUSTERDOWN"), errors.Transient),
        (exceptions.MasterDownError("MASTERDOWN Link with MASTER is down"), errors.Transient),
        (sentinel.MasterNotFoundError("No master found for 'main'"), errors.Transient),
        (exceptions.ResponseError("BUSY Redis is busy running a script."), errors.Transient),
        (exceptions.ResponseError("MISCONF Redis is configured to save"), errors.Transient),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas"), errors.Transient),
        (
            exceptions.ResponseError(
                "Error running script (call to f_0): @user_script:7: -OOM command not allowed"
            ),
            errors.Transient,
        ),
        (exceptions.AuthenticationError("WRONGPASS invalid"), errors.Permanent),
        (exceptions.NoPermissionError("no permissions to access a key"), errors.Permanent),
        (exceptions.ResponseError("WRONGTYPE Operation against a key"), errors.Permanent),
    ],
)
def test_redis_errors_come_out_as_the_kinds_that_decide(
    error: Exception, kind: type[errors.ClientError]
) -> None:
    """What passes is Transient, what needs a person is Permanent; the original is chained."""
    with pytest.raises(kind) as caught, scripts.translated("commit"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.message.startswith("Redis: commit: ")
    assert caught.value.__cause__ is error
