"""Istio's DestinationRule traffic policy, as `spec.service.trafficPolicy` lets users set it.

Field names and meanings are Istio's; values are passed through to both DestinationRules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import ConfigDict

from config.api.model import Flag, Int32, Model, Text, Texts, Whole, described, exactly_one

HASH_KEYS: Final = ("http_header_name", "http_cookie", "use_source_ip", "http_query_parameter_name")


class HTTPCookie(Model):
    """The cookie that a hash ring is keyed by."""

    name: Text | None = described("Name of the cookie.")
    path: Text | None = described("Path of the cookie.")
    ttl: Text | None = described("Life time of the cookie.")


class ConsistentHash(Model):
    """Session affinity by hash; exactly one key to hash by."""

    model_config = ConfigDict(json_schema_extra=exactly_one(*HASH_KEYS))

    http_header_name: Text | None = described("Hash by this header.")
    http_cookie: HTTPCookie | None = described("Hash by this cookie.")
    use_source_ip: Flag | None = described("Hash by the address of the caller.")
    http_query_parameter_name: Text | None = described("Hash by this query parameter.")
    minimum_ring_size: Int32 | None = described("Fewest virtual nodes of the ring.")


class LocalityDistribute(Model):
    """Shares of traffic from one locality."""

    from_: Text | None = described("Locality of the caller.", alias="from")
    to: Mapping[Text, Int32] | None = described("Locality to its percent of the traffic.")


class LocalityFailover(Model):
    """Where traffic of one region goes when its endpoints are unhealthy."""

    from_: Text | None = described("Region that failed.", alias="from")
    to: Text | None = described("Region that takes over.")


class LocalityLbSetting(Model):
    """Load balancing by locality."""

    enabled: Flag | None = described("Whether locality load balancing is on.")
    distribute: tuple[LocalityDistribute, ...] | None = described("Shares by locality.")
    failover: tuple[LocalityFailover, ...] | None = described("Regions that stand in.")
    failover_priority: Texts | None = described("Labels by which endpoints are ranked.")


class LoadBalancer(Model):
    """How an endpoint is chosen; exactly one of simple and consistentHash."""

    model_config = ConfigDict(json_schema_extra=exactly_one("simple", "consistent_hash"))

    simple: (
        Literal["ROUND_ROBIN", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "LEAST_REQUEST"] | None
    ) = described("Algorithm without affinity.")
    consistent_hash: ConsistentHash | None = described("Affinity by hash.")
    locality_lb_setting: LocalityLbSetting | None = described("Load balancing by locality.")
    warmup_duration_secs: Text | None = described("How long new endpoints are warmed up.")


class TCPSettings(Model):
    """Limits of TCP connections."""

    max_connections: Int32 | None = described("Most connections to one destination.")
    connect_timeout: Text | None = described("Time limit for connecting.")


class HTTPSettings(Model):
    """Limits of HTTP connections."""

    h2_upgrade_policy: Literal["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"] | None = described(
        "Whether HTTP/1.1 connections are upgraded to HTTP/2."
    )
    http1_max_pending_requests: Int32 | None = described("Most requests waiting.")
    http2_max_requests: Int32 | None = described("Most requests under way.")
    max_requests_per_connection: Int32 | None = described("Most requests of one connection.")
    max_retries: Int32 | None = described("Most retries under way.")
    idle_timeout: Text | None = described("How long an unused connection is kept.")


class ConnectionPool(Model):
    """Limits of connections."""

    tcp: TCPSettings | None = described("Limits for TCP and HTTP.")
    http: HTTPSettings | None = described("Limits for HTTP.")


class OutlierDetection(Model):
    """When an unhealthy endpoint is taken out of load balancing."""

    consecutive_errors: Int32 | None = described("Errors in a row; Istio's older form.")
    consecutive_gateway_errors: Int32 | None = described("502, 503 or 504 in a row.")
    consecutive_5xx_errors: Int32 | None = described(
        "5xx answers in a row.", alias="consecutive5xxErrors"
    )
    split_external_local_origin_errors: Flag | None = described(
        "Whether local failures are counted apart."
    )
    consecutive_local_origin_failures: Int32 | None = described("Local failures in a row.")
    interval: Text | None = described("Time between sweeps.")
    base_ejection_time: Text | None = described("Shortest time an endpoint stays out.")
    max_ejection_percent: Int32 | None = described("Most endpoints out, in percent.")
    min_health_percent: Int32 | None = described("Detection is off below this health.")


class TLSSettings(Model):
    """TLS towards the pods."""

    mode: Literal["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"] | None = described("TLS mode.")
    client_certificate: Text | None = described("File of the client certificate.")
    private_key: Text | None = described("File of the private key.")
    ca_certificates: Text | None = described("File of the certificates to trust.")
    subject_alt_names: Texts | None = described("Names the server's certificate may carry.")
    sni: Text | None = described("Server name sent.")


class PortSelector(Model):
    """A port of the destination."""

    number: Whole | None = described("Port number.")


class PortTrafficPolicy(Model):
    """Traffic policy of one port; replaces the general one there."""

    port: PortSelector | None = described("The port.")
    load_balancer: LoadBalancer | None = described("How an endpoint is chosen.")
    connection_pool: ConnectionPool | None = described("Limits of connections.")
    outlier_detection: OutlierDetection | None = described("When endpoints are taken out.")
    tls: TLSSettings | None = described("TLS towards the pods.")


class TrafficPolicy(Model):
    """What the generated DestinationRules say about traffic to the pods."""

    load_balancer: LoadBalancer | None = described("How an endpoint is chosen.")
    connection_pool: ConnectionPool | None = described("Limits of connections.")
    outlier_detection: OutlierDetection | None = described("When endpoints are taken out.")
    tls: TLSSettings | None = described("TLS towards the pods.")
    port_level_settings: tuple[PortTrafficPolicy, ...] | None = described(
        "Policies of single ports."
    )
