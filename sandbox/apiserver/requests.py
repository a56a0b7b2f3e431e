"""A request's path, method and query, read the way the API server reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from sandbox.apiserver import errors
from sandbox.apiserver.objects import Key
from sandbox.apiserver.resources import Registry, Resource

Query: TypeAlias = Mapping[str, str]

_TRUE: Final = ("true", "1", "t")
_OBJECT_VERBS: Final = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS: Final = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_SUBRESOURCE_VERBS: Final = {"GET": "get", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True)
class Target:
    """What a request is about; `name` "" is the collection, `namespace` "" all or none."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: Query = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """The key of the object the request names."""
        return Key(self.namespace, self.name)

    def flag(self, name: str) -> bool:
        """Whether the boolean query parameter `name` is set."""
        return self.query.get(name, "").lower() in _TRUE

    def number(self, name: str) -> int:
        """The integer query parameter `name`, 0 when absent; BadRequest when not a number."""
        text = self.query.get(name, "0") or "0"
        if not text.isdigit():
            raise errors.bad_request(f"invalid {name}: {text!r}")
        return int(text)


def parse(registry: Registry, method: str, path: str, query: Query) -> Target:
    """The target of a resource request; NotFound or MethodNotAllowed when there is none."""
    group, version, rest = _group_version(path)
    namespace, parts = _namespace(rest)
    if not parts or len(parts) > 3:
        raise errors.no_such_resource()
    plural, name, subresource = (*parts, "", "")[:3]
    resource = registry.find(group, version, plural)
    if resource is None or (namespace and not resource.namespaced):
        raise errors.no_such_resource()
    if name and resource.namespaced and not namespace:
        raise errors.no_such_resource()
    _check_subresource(resource, subresource)
    verb = _verb(method, name, subresource, query)
    if verb == "create" and resource.namespaced and not namespace:
        raise errors.method_not_allowed()
    return Target(verb, resource, namespace, name, subresource, query)


def _group_version(path: str) -> tuple[str, str, list[str]]:
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            return "", version, rest
        case ["apis", group, version, *rest]:
            return group, version, rest
        case _:
            raise errors.no_such_resource()


def _namespace(parts: list[str]) -> tuple[str, list[str]]:
    """The namespace of a path and the rest; `/namespaces/x` itself is about the namespace x."""
    match parts:
        case ["namespaces", _, "status" | "finalize"]:
            return "", parts
        case ["namespaces", namespace, *rest] if rest:
            return namespace, rest
        case _:
            return "", parts


def _check_subresource(resource: Resource, subresource: str) -> None:
    served = {"": True, "status": resource.status, "scale": resource.scale is not None}
    if not served.get(subresource, False):
        raise errors.no_such_resource()


def _verb(method: str, name: str, subresource: str, query: Query) -> str:
    if subresource:
        verbs: Mapping[str, str] = _SUBRESOURCE_VERBS
    else:
        verbs = _OBJECT_VERBS if name else _COLLECTION_VERBS
    if method not in verbs:
        raise errors.method_not_allowed()
    if verbs[method] == "list" and query.get("watch", "").lower() in _TRUE:
        return "watch"
    return verbs[method]
