"""How to reach Redis, and whether the server found there suits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry
from redis.sentinel import Sentinel

from clients import errors
from clients.redis import primaries, scripts

if TYPE_CHECKING:
    from urllib.parse import SplitResult

FORMS: Final = (
    "redis://[user:password@]host:port/db, rediss://… for TLS, unix://path?db=0, or "
    "redis+sentinel://[user:password@]host:port,host:port/master-name/db (rediss+sentinel for TLS)"
)
_PLAIN: Final = ("redis", "rediss", "unix")
_SENTINEL: Final = ("redis+sentinel", "rediss+sentinel", "sentinel")
_SENTINEL_OPTIONS: Final = ("sentinel_username", "sentinel_password")
_TLS_OPTIONS: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
SENTINEL_PORT: Final = 26379

#: A server that answers slower is as good as away; no command of ours takes long.
_SOCKET_TIMEOUT_SECONDS: Final = 5.0
_CONNECT_TIMEOUT_SECONDS: Final = 2.0

MIN_REDIS: Final = (6, 2)
MIN_VALKEY: Final = (7, 2)


def connect(url: str) -> Redis[str]:
    """A client for the server at `url`, one of `FORMS`; it connects at its first use.

    A user is an ACL user. Options may follow as a query, as redis-py names them; for Sentinel
    those of TLS (`ssl_ca_certs`, ...) and `sentinel_username`, `sentinel_password`.
    Raises ValueError for another form; the message does not repeat the URL, which may hold a
    password.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in _PLAIN:
            direct: Redis[str] = Redis.from_url(url, decode_responses=True, **_options())
            pool = direct.connection_pool
            pool.connection_class = primaries.KINDS.get(
                pool.connection_class, pool.connection_class
            )
            return direct
    except ValueError:  # which quotes what it takes for the port
        reserved = "in a password, / ? # and @ are written %2F %3F %23 and %40"
        raise ValueError(f"Redis URL cannot be read: {reserved}; allowed: {FORMS}") from None
    if parts.scheme in _SENTINEL:
        return _through_sentinel(parts)
    raise ValueError(f"Redis URL scheme {parts.scheme!r} is unknown; allowed: {FORMS}")


def check_server(client: Redis[str]) -> tuple[str, ...]:
    """What could not be checked, as sentences for the log; empty when all is well.

    Raises Permanent for a server that cannot hold our state: too old, a Redis Cluster, or set up
    to evict keys when memory runs out. Raises Transient when it cannot be asked now.
    """
    with scripts.translated("connecting"):
        try:
            information = client.info("server")
        except NoPermissionError as error:
            text = "Redis: this user may not ask for INFO, by which failovers are noticed"
            raise errors.Permanent(f"{text} (ACL: +info)") from error
    _check_version(information)
    try:
        with scripts.translated("CONFIG GET"):
            limit = client.config_get("maxmemory*")
    except errors.Permanent as error:
        return (f"the server was not checked with CONFIG GET: {error.message}",)
    _check_eviction(limit)
    return ()


def _options() -> dict[str, Any]:
    return {
        "socket_timeout": _SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": _CONNECT_TIMEOUT_SECONDS,
        "health_check_interval": 30,
        # Once and at once: for connections that the server closed while they were idle. Every
        # script may be sent again; what a claim gave out in an answer that was lost counts as
        # queued and lost. More patience is the business of who calls.
        "retry": Retry(NoBackoff(), 1),
    }


def _through_sentinel(parts: SplitResult) -> Redis[str]:
    _, _, addresses = parts.netloc.rpartition("@")
    master, _, database = parts.path.strip("/").partition("/")
    if not addresses or not master or not (database or "0").isdecimal():
        raise ValueError(f"Redis Sentinel URL without host, master name or db number: {FORMS}")
    query = _sentinel_query(parts.query)
    tls: dict[str, Any] = {name: query[name] for name in _TLS_OPTIONS if name in query}
    if parts.scheme.startswith("rediss"):
        tls["ssl"] = True
    own = {name.removeprefix("sentinel_"): query.get(name) for name in _SENTINEL_OPTIONS}
    sentinel = Sentinel(
        [_address(each) for each in addresses.split(",")],
        sentinel_kwargs={**_options(), **tls, **own},
        **_options(),
        **tls,
    )
    client: Redis[str] = sentinel.master_for(
        master,
        db=int(database or 0),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        decode_responses=True,
    )
    return client


def _sentinel_query(query: str) -> dict[str, Any]:
    options = {name: values[-1] for name, values in parse_qs(query).items()}
    allowed = (*_SENTINEL_OPTIONS, *_TLS_OPTIONS)
    if unknown := sorted(set(options) - set(allowed)):
        raise ValueError(f"redis+sentinel URL with unknown options {unknown}; allowed: {allowed}")
    return options


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, SENTINEL_PORT
    if not port.isdecimal():
        raise ValueError(f"Redis Sentinel port {port!r} is not a number; allowed: {FORMS}")
    return host, int(port)


def _check_version(information: Mapping[str, Any]) -> None:
    if information.get("redis_mode") == "cluster":
        raise errors.Permanent(
            "Redis Cluster cannot hold Coalmine's state, whose scripts span canaries: use one "
            "primary, with replicas and Sentinel for availability",
            reason="RedisCluster",
        )
    is_valkey = "valkey_version" in information
    name, least = ("Valkey", MIN_VALKEY) if is_valkey else ("Redis", MIN_REDIS)
    version = str(information.get("valkey_version" if is_valkey else "redis_version", ""))
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if version and numbers < least:
        wanted = ".".join(str(number) for number in least)
        raise errors.Permanent(
            f"{name} {version} is too old: Coalmine needs Redis 6.2 or Valkey 7.2, or later; "
            f"upgrade this server to {name} {wanted}",
            reason="RedisTooOld",
        )


def _check_eviction(limit: Mapping[str, Any]) -> None:
    policy = str(limit.get("maxmemory-policy", "noeviction"))
    if int(limit.get("maxmemory", 0)) > 0 and policy != "noeviction":
        raise errors.Permanent(
            f"Redis has maxmemory-policy {policy} with maxmemory {limit['maxmemory']}: it may "
            "drop rollout state or leases when memory runs out. Set it to noeviction (CONFIG SET "
            "maxmemory-policy noeviction, and in the server's configuration), or give Coalmine a "
            "Redis of its own",
            reason="RedisEvictsKeys",
        )
