"""OpenAPI documents, as far as kubectl needs them.

v3: per group version, the schemas of its kinds and a PATCH operation that announces
`fieldValidation` (which makes kubectl leave validation to the server). v2 is an empty document:
kubectl then takes patch metadata of built-in kinds from its own types.
"""

from collections.abc import Iterable
from typing import Final

from sandbox.apiserver.objects import Obj
from sandbox.apiserver.resources import Registry, Resource

V2_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_OPEN: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_INFO: Final = {"title": "Kubernetes", "version": "v1.32.0"}


def v2() -> Obj:
    """The JSON form of the (empty) v2 document."""
    return {"swagger": "2.0", "info": _INFO, "paths": {}, "definitions": {}}


def index(registry: Registry) -> Obj:
    """The answer of `/openapi/v3`: where each group version's document is."""
    names = [
        f"apis/{group}/{version}" if group else f"api/{version}"
        for group, versions in registry.group_versions().items()
        for version in versions
    ]
    return {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}"} for name in names}}


def document(resources: Iterable[Resource]) -> Obj:
    """The v3 document of one group version."""
    served = list(resources)
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": {_path(resource): _operations(resource) for resource in served},
        "components": {"schemas": {_name(r): _schema(r) for r in served}},
    }


def _path(resource: Resource) -> str:
    root = f"/apis/{resource.group}" if resource.group else "/api"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    return f"{root}/{resource.version}{scope}/{resource.plural}/{{name}}"


def _name(resource: Resource) -> str:
    reverse = ".".join(reversed((resource.group or "core").split(".")))
    return f"{reverse}.{resource.version}.{resource.kind}"


def _kind(resource: Resource) -> Obj:
    return {"group": resource.group, "kind": resource.kind, "version": resource.version}


def _schema(resource: Resource) -> Obj:
    properties = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": _OPEN,
        **resource.schema.get("properties", {}),
    }
    return {
        **(resource.schema or _OPEN),
        "properties": properties,
        "x-kubernetes-group-version-kind": [_kind(resource)],
    }


def _operations(resource: Resource) -> Obj:
    names = ("dryRun", "fieldManager", "fieldValidation", "force")
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in names
    ]
    body = {"application/merge-patch+json": {"schema": _OPEN}}
    reference = {"$ref": f"#/components/schemas/{_name(resource)}"}
    answer = {"200": {"content": {"application/json": {"schema": reference}}, "description": "OK"}}
    common = {"x-kubernetes-group-version-kind": _kind(resource), "responses": answer}
    return {
        "get": {**common, "x-kubernetes-action": "get"},
        "patch": {
            **common,
            "x-kubernetes-action": "patch",
            "parameters": parameters,
            "requestBody": {"content": body},
        },
    }
