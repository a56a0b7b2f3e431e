"""The scale subresource: a Scale read from an object, and a Scale written back into it."""

from sandbox.apiserver import errors
from sandbox.apiserver.objects import Obj, at, replaced
from sandbox.apiserver.resources import Resource, ScalePaths
from sandbox.apiserver.selectors import selector_text

_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def paths_of(resource: Resource) -> ScalePaths:
    """Where `resource` keeps its scale; NotFound when it has no scale subresource."""
    if resource.scale is None:
        raise errors.no_such_resource()
    return resource.scale


def read(resource: Resource, obj: Obj) -> Obj:
    """The autoscaling/v1 Scale of `obj`."""
    paths = paths_of(resource)
    selector = at(obj, paths.selector, "") if paths.selector else ""
    text = selector_text(selector) if isinstance(selector, dict) else str(selector)
    status = {"replicas": at(obj, paths.status_replicas, 0)}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            field: obj["metadata"][field] for field in _METADATA if field in obj["metadata"]
        },
        "spec": {"replicas": at(obj, paths.spec_replicas, 0)},
        "status": {**status, "selector": text} if text else status,
    }


def written(resource: Resource, obj: Obj, scale: Obj) -> Obj:
    """`obj` with the replicas of `scale`, and its resourceVersion as the precondition."""
    paths = paths_of(resource)
    replicas = at(scale, ("spec", "replicas"), 0)
    if not isinstance(replicas, int) or replicas < 0:
        detail = "must be greater than or equal to 0"
        problem = errors.invalid_value("spec.replicas", replicas, detail)
        raise errors.invalid("Scale", "autoscaling", obj["metadata"]["name"], [problem])
    version = at(scale, ("metadata", "resourceVersion")) or obj["metadata"]["resourceVersion"]
    scaled = replaced(obj, paths.spec_replicas, replicas)
    return {**scaled, "metadata": {**obj["metadata"], "resourceVersion": version}}
