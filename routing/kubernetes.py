"""No mesh: the apex Service selects one side, and that is all that can be said of traffic.

It selects the primary. It selects the canary only where that has to serve everybody: after a
failed promotion, which Flagger leaves to the dead primary.
Pure. Rules: docs/compatibility/routing.md, "Kubernetes".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from clients.kube.protocol import Object
from clients.kube.resources import Resource
from config import meshes, names
from config.api.canary import Canary
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY, Feature, TrafficSplit
from routing import services
from routing.router import (
    Live,
    Managed,
    ServiceRole,
    TargetFacts,
    UnreadableRoute,
    UnroutableCanary,
)


class Kubernetes:
    """The codec; without state, and without objects of its own."""

    name = meshes.KUBERNETES
    carrier: str | None = ServiceRole.APEX
    features: frozenset[Feature] = frozenset()
    options: frozenset[str] = frozenset()
    writes: Mapping[str, Resource] = MappingProxyType({})

    def resources(self, canary: Canary) -> tuple[Managed, ...]:  # noqa: ARG002
        """None."""
        return ()

    def render(
        self,
        managed: Managed,
        canary: Canary,
        target: TargetFacts | None,  # noqa: ARG002
        split: TrafficSplit,
        live: Live,
    ) -> Object:
        """The apex Service, by what the Service of its side selects; see `Router.render`.

        Called where the target is gone, of which all other Services are made.
        """
        side = services.exposed(split)
        present, selector = live.get(managed.role), _selector(live, side)
        if present is None or not selector:
            raise UnroutableCanary(f"{_label(canary)} cannot be made without its target")
        return {**present, "spec": {**present["spec"], "selector": selector}}

    def released(self, canary: Canary, live: Object, *, is_ours: bool) -> Object | None:  # noqa: ARG002
        """None: it has no objects of its own; see `Router.released`."""
        return None

    def parse(self, canary: Canary, live: Live) -> TrafficSplit | None:
        """Which side the apex Service selects; see `Router.parse`."""
        selector = _selector(live, ServiceRole.APEX)
        if selector is None:
            return None
        if selector == _selector(live, ServiceRole.PRIMARY):
            return ALL_TO_PRIMARY
        if selector == _selector(live, ServiceRole.CANARY):
            return ALL_TO_CANARY
        raise UnreadableRoute(f"{_label(canary)} selects neither the primary nor the canary")


def _selector(live: Live, role: str) -> Mapping[str, str] | None:
    """What a Service selects; None where there is none."""
    service = live.get(role)
    return None if service is None else (service.get("spec") or {}).get("selector") or {}


def _label(canary: Canary) -> str:
    return f"Service {names.apex_name(canary)}.{canary.namespace}"
