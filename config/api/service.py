"""`spec.service`: how the Services and routing objects of a canary are generated."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import ConfigDict, Field

from config.api.istio import CorsPolicy, Headers, HTTPMatchRequest, HTTPRetry, HTTPRewrite
from config.api.model import (
    Flag,
    Int32,
    IntOrString,
    Model,
    StringMap,
    Text,
    Texts,
    Whole,
    described,
    switch,
)
from config.api.traffic_policy import TrafficPolicy

_SUBDOMAIN: Final = r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_LABEL: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_KIND: Final = r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"


_NOT_EMPTY: Final[dict[str, Any]] = {"minLength": 1}


class GatewayRef(Model):
    """A Gateway that the generated HTTPRoute attaches to."""

    group: Text = described(
        "API group of the parent.", "gateway.networking.k8s.io", in_schema=True, pattern=_SUBDOMAIN
    )
    kind: Text = described(
        "Kind of the parent.", "Gateway", in_schema=True, pattern=_KIND, **_NOT_EMPTY
    )
    name: Text = Field(description="Name of the parent.", json_schema_extra=_NOT_EMPTY)
    namespace: Text | None = described(
        "Namespace of the parent; the canary's when absent.", pattern=_LABEL, **_NOT_EMPTY
    )
    section_name: Text | None = described(
        "Listener of the Gateway.", pattern=_SUBDOMAIN.removeprefix("^$|"), **_NOT_EMPTY
    )
    port: Int32 | None = described("Port of the listener.", minimum=1)


class BackendRef(Model):
    """A destination of mirrored requests."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(size(self.group) == 0 && self.kind == 'Service') "
                    "? has(self.port) : true",
                    "message": "Must have port for Service reference",
                }
            ]
        }
    )

    group: Text = described("API group; empty for core.", "", in_schema=True, pattern=_SUBDOMAIN)
    kind: Text = described(
        "Kind of the destination.", "Service", in_schema=True, pattern=_KIND, **_NOT_EMPTY
    )
    name: Text = Field(description="Name of the destination.", json_schema_extra=_NOT_EMPTY)
    namespace: Text | None = described(
        "Namespace of the destination; the canary's when absent.", pattern=_LABEL, **_NOT_EMPTY
    )
    port: Int32 | None = described("Port; needed for a Service.", minimum=1)


class RequestMirror(Model):
    """A static copy of requests, independent of any rollout (Gateway API)."""

    backend_ref: BackendRef | None = described("Where the copies go.")


class ServiceMetadata(Model):
    """Metadata of a generated Service."""

    labels: StringMap = described("Labels to add.", {})
    annotations: StringMap = described("Annotations to add.", {})


class UnmanagedMetadata(Model):
    """Keys on owned Services that the controller neither changes nor removes."""

    labels: Texts = described("Label keys to leave alone.", ())
    annotations: Texts = described("Annotation keys to leave alone.", ())


class Service(Model):
    """How the Services and routing objects of the canary are generated."""

    model_config = ConfigDict(json_schema_extra={"required": ["port"]})

    name: Text | None = described(
        "Base name of the generated Services and routing objects; the target's name when empty."
    )
    port: Whole = described("Port of the Services.", 0)
    port_name: Text | None = described("Name of the Services' port; http when empty.")
    target_port: IntOrString | None = described(
        "Container port, number or name; the value of port when absent or 0."
    )
    app_protocol: Text | None = described(
        "Application protocol of the port; tcp also makes Istio routes TCP routes."
    )
    traffic_distribution: Literal["PreferClose", "PreferSameZone", "PreferSameNode"] | None = (
        described("Traffic distribution of the Services, set when they are created.")
    )
    port_discovery: Flag = switch("Whether the other container ports become Service ports too.")
    headless: Flag = switch("Whether the Services are created without a cluster IP.")
    timeout: Text | None = described("Time limit of requests on the generated routes.")
    backend_timeout: Text | None = described(
        "Time limit of each request to a backend (Gateway API)."
    )
    gateways: Texts = described("Istio gateways of the generated route; mesh when empty.", ())
    gateway_refs: tuple[GatewayRef, ...] = described(
        "Gateways of the generated HTTPRoute (Gateway API).", ()
    )
    hosts: Texts = described(
        "Hosts of the generated route; with Istio the apex name is appended unless "
        "it or * is listed.",
        (),
    )
    delegation: Flag = switch(
        "Whether the VirtualService is generated without hosts and gateways, to be delegated to."
    )
    subsets: Flag = switch(
        "Whether routes lead to subsets of one host, the apex Service, instead of a host per side "
        "(Istio). Addition to Flagger."
    )
    traffic_policy: TrafficPolicy | None = described(
        "Traffic policy of the generated DestinationRules (Istio)."
    )
    match: tuple[HTTPMatchRequest, ...] = described("Conditions put on every generated route.", ())
    rewrite: HTTPRewrite | None = described("Replacement of path or host.")
    retries: HTTPRetry | None = described("How failed requests are tried again.")
    headers: Headers | None = described("Changes to request and response headers.")
    mirror: tuple[RequestMirror, ...] = described("Static copies of requests (Gateway API).", ())
    cors_policy: CorsPolicy | None = described("Which origins may call from a browser.")
    mesh_name: Text | None = described("Name of the mesh (App Mesh).")
    backends: Texts = described("Backends of the virtual node (App Mesh).", ())
    apex: ServiceMetadata | None = described(
        "Metadata of the apex Service and of the routing object."
    )
    primary: ServiceMetadata | None = described("Metadata of the primary Service.")
    canary: ServiceMetadata | None = described("Metadata of the canary Service.")
    unmanaged_metadata: UnmanagedMetadata | None = described(
        "Keys on owned Services that are neither changed nor removed."
    )
