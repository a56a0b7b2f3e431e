"""Ports of the generated Services: the main one, and those discovered in the target's containers.

Rules: docs/compatibility/routing.md, "Port discovery". Unlike Flagger's, the order is that of the
pod template, and no two ports share a number or a name, which the API server would refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from clients.documents.world import ContainerPort
from config.api.service import Service
from routing.router import TargetFacts

DEFAULT_NAME: Final = "http"
PROTOCOL: Final = "TCP"


def service_ports(service: Service, target: TargetFacts) -> list[dict[str, Any]]:
    """The ports a Service of this canary should have: the main port first."""
    main = main_port(service)
    if not service.port_discovery:
        return [main]
    return [main, *_discovered(service, target, main)]


def main_port(service: Service) -> dict[str, Any]:
    """The port users address; its `targetPort` is `port` unless given (0 counts as not given)."""
    port: dict[str, Any] = {
        "name": service.port_name or DEFAULT_NAME,
        "protocol": PROTOCOL,
        "port": service.port,
        "targetPort": service.target_port or service.port,
    }
    return port | ({"appProtocol": service.app_protocol} if service.app_protocol else {})


def with_node_ports(
    desired: Sequence[Mapping[str, Any]], live: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """`desired` with the node ports that same-named live ports were given by the API server."""
    known = {port.get("name"): port["nodePort"] for port in live if port.get("nodePort")}
    return [
        {**port, "nodePort": known[port["name"]]} if port["name"] in known else dict(port)
        for port in desired
    ]


def same_ports(one: Iterable[Mapping[str, Any]], other: Iterable[Mapping[str, Any]]) -> bool:
    """Whether both lists hold the same ports, in whatever order."""
    return sorted(map(_identity, one)) == sorted(map(_identity, other))


def _identity(port: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted((field, repr(value)) for field, value in port.items())


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
