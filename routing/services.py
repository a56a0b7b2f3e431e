"""The three ClusterIP Services of a canary: apex, primary, canary.

Pure. Rules: docs/compatibility/routing.md, "The three ClusterIP Services". For targets with a pod
template; a Kubernetes Service as target has rules of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from clients.kube import resources
from clients.kube.protocol import Object
from config import names, well_known
from config.api.canary import Canary
from config.traffic import RouteStage
from routing import metadata, ports
from routing.router import Live, Managed, ServiceRole, TargetFacts


def managed(canary: Canary, stage: RouteStage) -> tuple[Managed, ...]:
    """The Services of `stage` in the order of creation.

    Before the primary serves, the apex Service is left as it is: users' traffic passes through it.
    """
    private = (
        Managed(ServiceRole.CANARY, resources.SERVICES, names.canary_service(canary)),
        Managed(ServiceRole.PRIMARY, resources.SERVICES, names.primary_service(canary)),
    )
    apex = Managed(ServiceRole.APEX, resources.SERVICES, names.apex_name(canary))
    match stage:
        case RouteStage.SERVICES:
            return private
        case RouteStage.EXPOSED:
            return (*private, apex)
        case _:
            assert_never(stage)


def render(
    canary: Canary, target: TargetFacts, stage: RouteStage, live: Live
) -> Mapping[str, Object]:
    """Role to the Service as it should be; fields of live Services that are not ours are kept."""
    return {
        service.role: _render_one(canary, target, service, live.get(service.role))
        for service in managed(canary, stage)
    }


def _render_one(
    canary: Canary, target: TargetFacts, service: Managed, live: Object | None
) -> Object:
    given = canary.spec.service
    custom = {
        ServiceRole.APEX: given.apex,
        ServiceRole.PRIMARY: given.primary,
        ServiceRole.CANARY: given.canary,
    }[ServiceRole(service.role)]
    marks = metadata.service_marks(canary, target, service.name, custom, live)
    suffix = "" if service.role == ServiceRole.CANARY else well_known.PRIMARY_SUFFIX
    selector = {target.label_key: target.label_value + suffix}
    if live is None:
        return metadata.new_object(canary, service, marks, _new_spec(canary, target, selector))
    spec = _reconciled_spec(canary, target, selector, live.get("spec") or {})
    if metadata.is_controlled(live, canary):
        return {**live, "metadata": metadata.with_marks(live["metadata"], marks), "spec": spec}
    if spec == live.get("spec"):
        return live
    # Somebody else's: only Flux is told to leave it alone.
    opted_out = metadata.with_flux_opt_out(live["metadata"].get("annotations"))
    return {**live, "metadata": {**live["metadata"], "annotations": opted_out}, "spec": spec}


def _new_spec(canary: Canary, target: TargetFacts, selector: Mapping[str, str]) -> dict[str, Any]:
    service = canary.spec.service
    spec: dict[str, Any] = {
        "type": "ClusterIP",
        "selector": dict(selector),
        "ports": ports.service_ports(service, target),
    }
    if service.headless:
        spec["clusterIP"] = "None"
    if service.traffic_distribution:
        spec["trafficDistribution"] = service.traffic_distribution
    return spec


def _reconciled_spec(
    canary: Canary, target: TargetFacts, selector: Mapping[str, str], live: Mapping[str, Any]
) -> dict[str, Any]:
    """The live spec with ports and selector set; the rest is decided at creation, or not ours."""
    present = live.get("ports") or []
    desired = ports.with_node_ports(ports.service_ports(canary.spec.service, target), present)
    same = ports.same_ports(desired, present)
    return {**live, "selector": dict(selector), "ports": present if same else desired}
