"""What a write must satisfy before anything is stored; each check raises what refuses it."""

from sandbox.apiserver import errors, rules
from sandbox.apiserver.objects import Key, Obj
from sandbox.apiserver.resources import Resource


def typed(resource: Resource, obj: Obj) -> Obj:
    """`obj` with the resource's apiVersion and kind; BadRequest when it claims another."""
    for field, title, wanted in (
        ("apiVersion", "API version", resource.api_version),
        ("kind", "kind", resource.kind),
    ):
        found = obj.get(field) or wanted
        if found != wanted:
            message = (
                f"the {title} in the data ({found}) does not match the expected {title} ({wanted})"
            )
            raise errors.bad_request(message)
    metadata = metadata_of(obj)
    named = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
    return {**obj, **named}


def metadata_of(obj: Obj) -> Obj:
    """The object's metadata, {} when absent; BadRequest when it is not an object."""
    metadata = obj.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise errors.bad_request("the object provided is unrecognized: metadata is no object")
    return metadata


def same_namespace(metadata: Obj, namespace: str) -> str:
    """The `namespace` of the request; BadRequest when the object names another."""
    if metadata.get("namespace", namespace) not in (namespace, ""):
        message = (
            "the namespace of the provided object does not match the namespace sent on the request"
        )
        raise errors.bad_request(message)
    return namespace


def check_identity(resource: Resource, key: Key, metadata: Obj) -> None:
    """BadRequest when the object is not the one the path names."""
    name = metadata.get("name") or key.name
    if name != key.name:
        message = f"the name of the object ({name}) does not match the name on the URL ({key.name})"
        raise errors.bad_request(message)
    if resource.namespaced:
        same_namespace(metadata, key.namespace)


def check_version(resource: Resource, new: Obj, old: Obj) -> None:
    """Conflict when the write was computed from another version, or is about another object."""
    metadata, before = new["metadata"], old["metadata"]
    wanted = metadata.get("resourceVersion")
    if wanted and wanted != before["resourceVersion"]:
        raise resource.conflict(before["name"])
    uid = metadata.get("uid")
    if uid and uid != before["uid"]:
        detail = (
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {before['uid']}"
        )
        raise resource.conflict(before["name"], detail)


def check_types(resource: Resource, obj: Obj) -> None:
    """BadRequest when a field has a JSON type Kubernetes could not decode."""
    for problem in rules.decoding_problems(resource, obj):
        raise resource.undecodable(problem)


def check_rules(resource: Resource, new: Obj, old: Obj | None = None) -> None:
    """Invalid when the object breaks its schema or a rule of its kind."""
    problems = rules.problems(resource, new, old)
    if problems:
        raise resource.invalid(new["metadata"]["name"], problems)
