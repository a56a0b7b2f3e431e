"""Traffic providers: the names users write, and the mesh each of them selects."""

from __future__ import annotations

import re
from typing import Final

ISTIO: Final = "istio"
KUBERNETES: Final = "kubernetes"
KNATIVE: Final = "knative"

SIDECARS: Final = "mesh"
"""Istio's word for them among gateways, as opposed to an ingress gateway."""

#: Names that mean another provider: what older guides call Istio's SMI adapter.
ALIASES: Final = {"smi:istio": ISTIO}

#: What `spec.provider` admits.
SPEC_PROVIDERS: Final = (
    "apisix",
    "appmesh",
    "appmesh:v1beta2",
    "contour",
    "gatewayapi:v1",
    "gatewayapi:v1beta1",
    "gloo",
    ISTIO,
    KNATIVE,
    KUBERNETES,
    "kuma",
    "linkerd",
    "nginx",
    "osm",
    "skipper",
    "smi:istio",
    "smi:v1alpha1",
    "smi:v1alpha2",
    "smi:v1alpha3",
    "traefik",
)

#: The controller's default may also name the mesh behind an SMI adapter.
_SMI_WITH_MESH: Final = re.compile(r"smi:v1alpha[123]:[A-Za-z0-9][-A-Za-z0-9]*", re.ASCII)


def has_routes(provider: str | None) -> bool:
    """Whether requests can be divided; with Services alone a side has all of them, or none."""
    return provider != KUBERNETES


class UnknownMesh(ValueError):
    """A provider name that selects nothing; the message lists the known ones."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is not a provider; known are {', '.join(SPEC_PROVIDERS)}")
        self.name = name


def canonical(name: str) -> str:
    """The provider that `name` selects, aliases resolved (`smi:istio` is `istio`).

    Raises UnknownMesh for any other name: there is no fallback.
    """
    if name in ALIASES:
        return ALIASES[name]
    if name in SPEC_PROVIDERS or _SMI_WITH_MESH.fullmatch(name):
        return name
    raise UnknownMesh(name)
