"""The three ClusterIP Services of a canary: apex, primary, canary; and their ports.

Pure. Rules: docs/compatibility/routing.md, "The three ClusterIP Services" and "Port discovery". For
targets with a pod template; a Kubernetes Service as target has rules of its own. Unlike Flagger's,
the order of ports is that of the pod template, and no two share a number or a name, which the API
server would refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, assert_never

from clients.documents.world import ContainerPort, WorkloadView
from clients.kube import resources
from clients.kube.protocol import Object
from config import names, well_known
from config.api.canary import Canary
from config.api.service import Service
from config.traffic import TOTAL_WEIGHT, RouteStage, TrafficSplit
from routing import metadata
from routing.router import Live, Managed, ServiceRole, TargetFacts

DEFAULT_NAME: Final = "http"
PROTOCOL: Final = "TCP"

NO_SHARED_LABEL: Final = (
    "needs a second label in spec.selector.matchLabels, by which one Service selects the pods of "
    "primary and canary"
)
"""Why the pods of a target and its primary cannot be those of one Service."""


def managed(canary: Canary, stage: RouteStage) -> tuple[Managed, ...]:
    """The Services of `stage` in the order of creation.

    Before the primary serves, the apex Service is left as it is: users' traffic passes through it.
    So it is always where the target is itself a Service; Knative's have no others.
    """
    if canary.spec.target_ref.is_knative:
        return ()
    private = (
        Managed(ServiceRole.CANARY, resources.SERVICES, names.canary_service(canary)),
        Managed(ServiceRole.PRIMARY, resources.SERVICES, names.primary_service(canary)),
    )
    apex = Managed(ServiceRole.APEX, resources.SERVICES, names.apex_name(canary))
    if canary.spec.target_ref.is_kubernetes_service:
        return private
    match stage:
        case RouteStage.SERVICES:
            return private
        case RouteStage.EXPOSED:
            return (*private, apex)
        case RouteStage.REVERTED:
            return (apex,)
        case _:
            assert_never(stage)


def exposed(split: TrafficSplit) -> ServiceRole:
    """The side whose pods an apex Service selects that carries `split` by itself."""
    is_all = split.share_of(None) == TOTAL_WEIGHT
    return ServiceRole.CANARY if is_all else ServiceRole.PRIMARY


def render(
    service: Managed,
    canary: Canary,
    target: TargetFacts,
    live: Live,
    primary: WorkloadView | None = None,
    *,
    apex: ServiceRole = ServiceRole.PRIMARY,
) -> Object:
    """`service` as it should be; fields of the live Service that are not ours are kept.

    `primary` is the view of the primary, None while there is none; `apex` the side whose pods the
    apex Service selects.
    """
    present = live.get(service.role)
    custom = {
        ServiceRole.APEX: canary.spec.service.apex,
        ServiceRole.PRIMARY: canary.spec.service.primary,
        ServiceRole.CANARY: canary.spec.service.canary,
    }[ServiceRole(service.role)]
    is_apex = service.role == ServiceRole.APEX
    if (apex if is_apex else service.role) == ServiceRole.CANARY:
        selector: Mapping[str, str] = {target.label_key: target.label_value}
    elif is_apex and canary.spec.service.subsets and target.shared_labels:
        selector = dict(target.shared_labels)
    else:
        selector = _primary_selector(canary, target, live, primary)
    marks = metadata.service_marks(canary, target, service.name, custom, present)
    if present is None:
        return metadata.new_object(canary, service, marks, _new_spec(canary, target, selector))
    spec = _reconciled_spec(canary, target, selector, present.get("spec") or {})
    if not metadata.is_controlled(present, canary):
        return _of_others(present, spec)
    return {
        **present,
        "metadata": metadata.with_marks(present["metadata"], marks),
        "spec": {**spec, "trafficDistribution": canary.spec.service.traffic_distribution},
    }


def _of_others(present: Object, spec: Mapping[str, Any]) -> Object:
    """A Service that somebody else controls, with our `spec`: only Flux is told to leave it."""
    if spec == present.get("spec"):
        return present
    opted_out = metadata.with_flux_opt_out(present["metadata"].get("annotations"))
    return {**present, "metadata": {**present["metadata"], "annotations": opted_out}, "spec": spec}


def _primary_selector(
    canary: Canary, target: TargetFacts, live: Live, primary: WorkloadView | None
) -> Mapping[str, str]:
    """What selects the primary's pods: never none of them while others are selected that serve.

    A primary keeps the label it was made with, whatever its target has by now. One without pods
    gets no Service that our own selector leads elsewhere: to the primary of another target.
    """
    service = live.get(ServiceRole.PRIMARY)
    if service and metadata.is_controlled(service, canary):
        selector: Mapping[str, str] | None = (service.get("spec") or {}).get("selector")
        if selector and (primary is None or not primary.status.available_replicas):
            return selector
    if primary and primary.selector_label:
        return dict([primary.selector_label])
    return {target.label_key: target.label_value + well_known.PRIMARY_SUFFIX}


def _new_spec(canary: Canary, target: TargetFacts, selector: Mapping[str, str]) -> dict[str, Any]:
    service = canary.spec.service
    spec: dict[str, Any] = {
        "type": "ClusterIP",
        "selector": dict(selector),
        "ports": _ports(service, target),
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
    desired = _with_node_ports(_ports(canary.spec.service, target), present)
    same = _same_ports(desired, present)
    return {**live, "selector": dict(selector), "ports": present if same else desired}


def _ports(service: Service, target: TargetFacts) -> list[dict[str, Any]]:
    """The ports a Service of this canary should have: the main port first."""
    main = _main_port(service)
    if not service.port_discovery:
        return [main]
    return [main, *_discovered(service, target, main)]


def _main_port(service: Service) -> dict[str, Any]:
    """The port users address; its `targetPort` is `port` unless given (0 counts as not given)."""
    port: dict[str, Any] = {
        "name": service.port_name or DEFAULT_NAME,
        "protocol": PROTOCOL,
        "port": service.port,
        "targetPort": service.target_port or service.port,
    }
    return port | ({"appProtocol": service.app_protocol} if service.app_protocol else {})


def _with_node_ports(
    desired: Sequence[Mapping[str, Any]], live: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """`desired` with the node ports that same-named live ports were given by the API server."""
    known = {port.get("name"): port["nodePort"] for port in live if port.get("nodePort")}
    return [
        {**port, "nodePort": known[port["name"]]} if port["name"] in known else dict(port)
        for port in desired
    ]


def _same_ports(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    """Whether both lists hold the same ports, in whatever order."""

    def identity(port: Mapping[str, Any]) -> list[tuple[str, str]]:
        return sorted((field, repr(value)) for field, value in port.items())

    return one == other or sorted(map(identity, one)) == sorted(map(identity, other))


def _discovered(
    service: Service, target: TargetFacts, main: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Other container ports; of two with one name the last, of two with one number the first."""
    by_name: dict[str, int] = {}
    for port in target.ports:
        if _is_main(service, port):
            continue
        by_name[_name(port, taken=main["name"])] = port.number
    by_name.pop(main["name"], None)  # should the user have called the main port like that
    by_number = {number: name for name, number in reversed(by_name.items())}
    by_number.pop(main["port"], None)
    return [
        {"name": name, "protocol": PROTOCOL, "port": number, "targetPort": number}
        for name, number in by_name.items()
        if by_number.get(number) == name
    ]


def _is_main(service: Service, port: ContainerPort) -> bool:
    """Whether the main port already leads to this container port."""
    destination = service.target_port or service.port
    return destination == (port.name if isinstance(destination, str) else port.number)


def _name(port: ContainerPort, taken: str) -> str:
    """The port's own name; one made of its place when it has none or the main port took it."""
    if port.name and port.name != taken:
        return port.name
    return f"tcp-{port.container}-{port.index}"
