"""The paths that are about the API itself: health, version, discovery, OpenAPI."""

from dataclasses import dataclass
from typing import Final

from sandbox.apiserver import discovery, errors, openapi
from sandbox.apiserver.objects import Obj, encode
from sandbox.apiserver.resources import Registry

_JSON: Final = "application/json"
_AGGREGATED: Final = f"{_JSON};g={discovery.AGGREGATED};v=v2;as=APIGroupDiscoveryList"
_HEALTH: Final = frozenset({"/healthz", "/livez", "/readyz"})


@dataclass(frozen=True)
class Document:
    """A finished answer and its type."""

    content_type: str
    text: bytes


def find(registry: Registry, path: str, accept: str) -> Document | None:
    """The document at `path`, None when the path is about a resource; NotFound below discovery."""
    if path in _HEALTH:
        return Document("text/plain; charset=utf-8", b"ok")
    if path in ("/api", "/apis") and _AGGREGATED in accept.replace(" ", ""):
        found = discovery.aggregated(registry, core=path == "/api")
        return Document(_AGGREGATED, encode(found))
    if path == "/openapi/v2" and "protobuf" in accept:
        # An empty message is a valid, empty protobuf document.
        return Document(openapi.V2_PROTOBUF, b"")
    body = _json(registry, path.rstrip("/"))
    return None if body is None else Document(_JSON, encode(body))


def _json(registry: Registry, path: str) -> Obj | None:
    match path.split("/")[1:]:
        case ["version"]:
            return discovery.version()
        case ["api"]:
            return discovery.core_versions("127.0.0.1")
        case ["api", version]:
            return _resources(registry, "", version)
        case ["apis", *rest]:
            return _groups(registry, rest)
        case ["openapi", *rest]:
            return _openapi(registry, rest)
        case _:
            return None


def _groups(registry: Registry, parts: list[str]) -> Obj | None:
    match parts:
        case []:
            return discovery.groups(registry)
        case [group]:
            if group not in registry.group_versions():
                raise errors.no_such_resource()
            return discovery.group(registry, group)
        case [group, version]:
            return _resources(registry, group, version)
        case _:
            return None


def _openapi(registry: Registry, parts: list[str]) -> Obj | None:
    match parts:
        case ["v2"]:
            return openapi.v2()
        case ["v3"]:
            return openapi.index(registry)
        case ["v3", "api", version]:
            return openapi.document(registry.in_version("", version))
        case ["v3", "apis", group, version]:
            return openapi.document(registry.in_version(group, version))
        case _:
            return None


def _resources(registry: Registry, group: str, version: str) -> Obj:
    served = registry.in_version(group, version)
    if not served:
        raise errors.no_such_resource()
    return discovery.resources(errors.qualified_version(group, version), served)
