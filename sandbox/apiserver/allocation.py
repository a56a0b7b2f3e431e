"""What the API server hands out: cluster IPs and node ports of Services."""

import ipaddress
from typing import Final

from sandbox.apiserver.objects import Obj, at
from sandbox.apiserver.resources import Resource
from sandbox.apiserver.storage import Storage

SERVICE_NETWORK: Final = ipaddress.IPv4Network("10.96.0.0/16")
FIRST_NODE_PORT: Final = 30000
_FIRST_HOST: Final = 10


def on_create(resource: Resource, obj: Obj, storage: Storage) -> Obj:
    """A new object with what is allocated to its kind; only Services get anything."""
    if resource.group_resource != "services" or obj["spec"]["type"] == "ExternalName":
        return obj
    spec = obj["spec"]
    address = spec.get("clusterIP") or _free_address(storage)
    spec = {**spec, "clusterIP": address, "clusterIPs": [address]}
    if spec["type"] in ("NodePort", "LoadBalancer"):
        spec["ports"] = _with_node_ports(spec.get("ports") or [], storage)
    return {**obj, "spec": spec}


def on_update(resource: Resource, new: Obj, old: Obj) -> Obj:
    """An update that leaves allocated values out keeps them, as Kubernetes does."""
    if resource.group_resource != "services" or not isinstance(new.get("spec"), dict):
        return new
    spec = new["spec"]
    if spec.get("type", "ClusterIP") == "ExternalName":
        return new
    kept = {
        field: at(old, ("spec", field))
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
        if not spec.get(field) and at(old, ("spec", field))
    }
    return {**new, "spec": {**spec, **kept}}


def _free_address(storage: Storage) -> str:
    taken = {at(s.obj, ("spec", "clusterIP")) for s in storage.snapshot("services").values()}
    hosts = (str(SERVICE_NETWORK[index]) for index in range(_FIRST_HOST, 2**16 - 1))
    return next(host for host in hosts if host not in taken)


def _with_node_ports(ports: list[Obj], storage: Storage) -> list[Obj]:
    taken = {
        port.get("nodePort")
        for stored in storage.snapshot("services").values()
        for port in at(stored.obj, ("spec", "ports"), ())
    }
    filled = []
    for port in ports:
        number = port.get("nodePort") or next(
            n for n in range(FIRST_NODE_PORT, 2**15) if n not in taken
        )
        taken.add(number)
        filled.append({**port, "nodePort": number})
    return filled
