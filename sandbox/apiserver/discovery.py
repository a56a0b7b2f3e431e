"""What clients ask before anything else: versions, groups, resources (plain and aggregated)."""

from collections.abc import Iterable
from typing import Final

from sandbox.apiserver.objects import Obj
from sandbox.apiserver.resources import Registry, Resource

KUBERNETES: Final = "v1.32.0"
AGGREGATED: Final = "apidiscovery.k8s.io"


def version() -> Obj:
    """The answer of `/version`."""
    return {
        "major": "1",
        "minor": "32",
        "gitVersion": f"{KUBERNETES}+coalmine-sandbox",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "python/any",
    }


def core_versions(address: str) -> Obj:
    """The answer of `/api`."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def groups(registry: Registry) -> Obj:
    """The answer of `/apis`."""
    found = registry.group_versions()
    listed = [group(registry, name) for name in found if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group(registry: Registry, name: str) -> Obj:
    """The APIGroup `name`; raises KeyError when it is not served."""
    versions = [
        {"groupVersion": f"{name}/{item}", "version": item}
        for item in registry.group_versions()[name]
    ]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": versions,
        "preferredVersion": versions[0],
    }


def resources(group_version: str, served: Iterable[Resource]) -> Obj:
    """The APIResourceList of one group version."""
    entries = [entry for resource in served for entry in _entries(resource)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": entries,
    }


def _entries(resource: Resource) -> Iterable[Obj]:
    entry: Obj = {
        "name": resource.plural,
        "singularName": resource.singular or resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    yield entry
    for name, kind in _subresources(resource):
        yield {
            "name": f"{resource.plural}/{name}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": kind,
            "verbs": ["get", "patch", "update"],
            **({"group": "autoscaling", "version": "v1"} if kind == "Scale" else {}),
        }


def _subresources(resource: Resource) -> Iterable[tuple[str, str]]:
    if resource.status:
        yield "status", resource.kind
    if resource.scale is not None:
        yield "scale", "Scale"


def aggregated(registry: Registry, *, core: bool) -> Obj:
    """The APIGroupDiscoveryList (v2) of `/api` (core) or `/apis`."""
    items = [
        {
            "metadata": {"name": name, "creationTimestamp": None},
            "versions": [_aggregated_version(registry, name, item) for item in versions],
        }
        for name, versions in registry.group_versions().items()
        if core == (name == "")
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{AGGREGATED}/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated_version(registry: Registry, group_name: str, version_name: str) -> Obj:
    served = registry.in_version(group_name, version_name)
    return {
        "version": version_name,
        "freshness": "Current",
        "resources": [_aggregated_resource(resource) for resource in served],
    }


def _aggregated_resource(resource: Resource) -> Obj:
    entry: Obj = {
        "resource": resource.plural,
        "responseKind": _kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular or resource.kind.lower(),
        "verbs": list(resource.verbs),
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
    }
    subresources = [
        {
            "subresource": name,
            "responseKind": _kind("autoscaling", "v1", kind)
            if kind == "Scale"
            else _kind(resource.group, resource.version, kind),
            "verbs": ["get", "patch", "update"],
        }
        for name, kind in _subresources(resource)
    ]
    return {**entry, "subresources": subresources} if subresources else entry


def _kind(group_name: str, version_name: str, kind: str) -> Obj:
    return {"group": group_name, "version": version_name, "kind": kind}
