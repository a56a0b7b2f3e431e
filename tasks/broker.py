"""The queue's Redis in Celery's words: our URLs, which are those of `clients.redis.server`.

Celery knows other schemes for sockets and for Sentinel, and wants TLS to be spelled out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from clients.redis.server import SENTINEL_PORT

SOCKET: Final = {"socket_timeout": 5.0, "socket_connect_timeout": 2.0, "socket_keepalive": True}
"""In seconds, as for the state's server. A host that vanishes closes no connection: without a
limit, publishers wait for it for ever, and workers do not notice."""

HEALTH_SECONDS: Final = 5
"""How overdue the answer to a waiting worker may be before its connection is made anew: it finds
within about twice that time that a broker's host has vanished."""

VERIFIED: Final = "required"
"""TLS without a word about certificates means trusted ones, as for the state's server."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where Celery finds the queue; `options` of the transport, `tls` if the URL cannot say it."""

    url: str = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    tls: Mapping[str, Any] = field(default_factory=dict)


def of(url: str) -> Broker:
    """The broker at `url`, one of `clients.redis.server.FORMS`.

    Raises ValueError for another form; the message does not repeat the URL.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "redis":
            return Broker(url)
        case "rediss":
            query = {"ssl_cert_reqs": VERIFIED, **dict(parse_qsl(parts.query))}
            secure = urlunsplit(parts._replace(query=urlencode(query)))
            return Broker(secure)
        case "unix":
            database = dict(parse_qsl(parts.query)).get("db", "0")
            return Broker(f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}")
        case "sentinel" | "redis+sentinel" | "rediss+sentinel":
            return _through_sentinel(url)
    raise ValueError(f"Redis URL scheme {parts.scheme!r} is unknown")


def _through_sentinel(url: str) -> Broker:
    parts = urlsplit(url)
    user, at, addresses = parts.netloc.rpartition("@")
    master, _, database = parts.path.strip("/").partition("/")
    query = dict(parse_qsl(parts.query))
    prefix, suffix = f"sentinel://{user}{at}", f"/{database or 0}"
    named = (each if ":" in each else f"{each}:{SENTINEL_PORT}" for each in addresses.split(","))
    servers = ";".join(f"{prefix}{each}{suffix}" for each in named)
    own: dict[str, Any] = {
        name: query[f"sentinel_{name}"]
        for name in ("username", "password")
        if f"sentinel_{name}" in query
    }
    given = {name: value for name, value in query.items() if name.startswith("ssl_")}
    is_secure = parts.scheme.startswith("rediss")
    tls = {"ssl_cert_reqs": VERIFIED, **given} if is_secure else {}
    timeouts = {name: value for name, value in SOCKET.items() if name != "socket_keepalive"}
    secure = {"ssl": True, **tls} if tls else {}
    options = {"master_name": master, "sentinel_kwargs": {**timeouts, **own, **secure}}
    return Broker(servers, options, tls)
