"""The rules of writing an object: what a client may set, what Kubernetes sets, what is refused.

Pure functions over (resource, new object, old object). Storing is `writes`, deleting `deletion`.
"""

import re
from collections.abc import Iterator
from typing import Final

from sandbox.apiserver import crds, defaults, errors, fields, schema, validation
from sandbox.apiserver.builtins import CRD_RESOURCE
from sandbox.apiserver.errors import FieldError
from sandbox.apiserver.objects import Obj, at, without
from sandbox.apiserver.resources import Resource
from sandbox.apiserver.selectors import matches_selector

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_LABEL}(\\.{_LABEL})*')"
)
_LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    f"for validation is '{_LABEL}')"
)
_LABEL_NAMED: Final = frozenset({"namespaces"})
_RBAC: Final = "rbac.authorization.k8s.io"
_SELECTED: Final = frozenset({"deployments.apps", "replicasets.apps", "daemonsets.apps"})
_INITIAL_STATUS: Final = {"services": {"loadBalancer": {}}, "pods": {"phase": "Pending"}}

SYSTEM_METADATA: Final = ("uid", "creationTimestamp", "deletionTimestamp", "generation")
_GO_NAMES: Final = {"boolean": "bool", "integer": "number"}
GRACE: Final = "deletionGracePeriodSeconds"


def completed(resource: Resource, obj: Obj, now: str) -> tuple[Obj, list[str]]:
    """`obj` pruned and defaulted, and the paths of the unknown fields that were dropped.

    Raises ValueError for what should be a quantity and is none.
    """
    kept, dropped = schema.pruned(resource.schema, obj) if resource.schema else (obj, [])
    if resource.custom:
        return schema.defaulted(resource.schema, kept), dropped
    if resource.group_resource == CRD_RESOURCE:
        return crds.completed(kept, now), dropped
    return defaults.defaulted(resource.group_resource, kept), dropped


def initial(resource: Resource, obj: Obj) -> Obj:
    """A new object without what only its status writer may set."""
    if not resource.status:
        return obj
    if resource.custom:
        return without(obj, "status")
    return {**obj, "status": _INITIAL_STATUS.get(resource.group_resource, {})}


def main_update(resource: Resource, new: Obj, old: Obj) -> Obj:
    """What a write to the object itself stores: the old status where it is a subresource."""
    kept = new
    if resource.status:
        kept = without(new, "status")
        if "status" in old:
            kept = {**kept, "status": old["status"]}
    kept = {**kept, "metadata": _metadata(new, old)}
    if resource.generation and _changed(resource, kept, old):
        generation = old["metadata"].get("generation", 0) + 1
        kept["metadata"] = {**kept["metadata"], "generation": generation}
    return kept


def status_update(resource: Resource, new: Obj, old: Obj) -> Obj:
    """What a write to `/status` stores: nothing but the status.

    Built-in kinds also take annotations from it, as the deployment controller relies on.
    """
    metadata = dict(old["metadata"])
    if not resource.custom and "annotations" in new["metadata"]:
        metadata["annotations"] = new["metadata"]["annotations"]
    kept = {**without(old, "status"), "metadata": metadata}
    return {**kept, "status": new["status"]} if "status" in new else kept


def _metadata(new: Obj, old: Obj) -> Obj:
    system = {**dict.fromkeys((*SYSTEM_METADATA, GRACE, "selfLink"))}
    kept = {name: value for name, value in new["metadata"].items() if name not in system}
    identity = (*system, "name", "namespace")
    before = {name: value for name, value in old["metadata"].items() if name in identity}
    return {**kept, **before}


def _changed(resource: Resource, new: Obj, old: Obj) -> bool:
    if resource.generation == "all":
        ignored = ("metadata", "status") if resource.status else ("metadata",)
        return without(new, *ignored) != without(old, *ignored)
    changed: bool = new.get("spec") != old.get("spec")
    if resource.group_resource == "deployments.apps":
        # Kubernetes counts a changed annotation of a Deployment as a new generation.
        annotations = ("metadata", "annotations")
        changed = changed or at(new, annotations, {}) != at(old, annotations, {})
    return changed


def decoding_problems(resource: Resource, obj: Obj) -> Iterator[str]:
    """The fields whose JSON type is wrong, as Go's decoder puts it: metadata, built-in kinds."""
    found = list(validation.check(fields.METADATA_SCHEMA, obj["metadata"], "metadata"))
    if resource.schema and not resource.custom:
        found += validation.problems(resource.schema, obj)
    for problem in found:
        given = problem.text.rsplit('"', 2)[1]
        kind = _GO_NAMES.get(given, given)
        yield f"json: cannot unmarshal {kind} into Go struct field {resource.kind}.{problem.field}"


def problems(resource: Resource, new: Obj, old: Obj | None = None) -> list[FieldError]:
    """Everything Kubernetes would refuse in `new`; `old` is None on creation."""
    found = [] if old else list(_name_problems(resource, new["metadata"]["name"]))
    if old is not None:
        found += _finalizer_problems(new, old)
    if resource.custom:
        return found + validation.problems(resource.schema, new)
    if resource.group_resource == CRD_RESOURCE:
        found += crds.problems(new)
    if resource.group_resource in _SELECTED:
        found += _workload_problems(new, old)
    if resource.group_resource == "services" and old is not None:
        found += _service_problems(new, old)
    if resource.group_resource == "horizontalpodautoscalers.autoscaling":
        found += _bounds_problems(new)
    return found


def _name_problems(resource: Resource, name: str) -> Iterator[FieldError]:
    if resource.group == _RBAC:
        return
    pattern, rule = _SUBDOMAIN, _SUBDOMAIN_RULE
    if resource.group_resource in _LABEL_NAMED:
        pattern, rule = _LABEL, _LABEL_RULE
    if re.fullmatch(pattern, name) is None:
        yield errors.invalid_value("metadata.name", name, rule)


def _finalizer_problems(new: Obj, old: Obj) -> Iterator[FieldError]:
    if not old["metadata"].get("deletionTimestamp"):
        return
    before = old["metadata"].get("finalizers") or []
    added = [item for item in new["metadata"].get("finalizers") or [] if item not in before]
    if added:
        names = ", ".join(f'"{item}"' for item in added)
        detail = (
            "no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{names}}}"
        )
        yield errors.forbidden_field("metadata.finalizers", detail)


def _workload_problems(new: Obj, old: Obj | None) -> Iterator[FieldError]:
    selector = at(new, ("spec", "selector"))
    if not selector:
        yield errors.required("spec.selector")
        return
    labels = at(new, ("spec", "template", "metadata", "labels"), {})
    if not matches_selector(selector, labels):
        yield FieldError(
            "spec.template.metadata.labels",
            "FieldValueInvalid",
            f"Invalid value: {errors.quoted(labels)}: `selector` does not match template `labels`",
        )
    if not at(new, ("spec", "template", "spec", "containers")):
        yield errors.required("spec.template.spec.containers")
    if old is not None and selector != at(old, ("spec", "selector")):
        yield errors.invalid_value("spec.selector", selector, "field is immutable")
    replicas = at(new, ("spec", "replicas"), 0)
    if replicas < 0:
        detail = "must be greater than or equal to 0"
        yield errors.invalid_value("spec.replicas", replicas, detail)


def _service_problems(new: Obj, old: Obj) -> Iterator[FieldError]:
    before, after = at(old, ("spec", "clusterIP")), at(new, ("spec", "clusterIP"))
    if before and after != before and at(new, ("spec", "type")) != "ExternalName":
        detail = "may not change once set"
        yield errors.invalid_value("spec.clusterIPs[0]", [after], detail)


def _bounds_problems(new: Obj) -> Iterator[FieldError]:
    most = at(new, ("spec", "maxReplicas"), 0)
    if most < at(new, ("spec", "minReplicas"), 0):
        detail = "must be greater than or equal to `minReplicas`"
        yield errors.invalid_value("spec.maxReplicas", most, detail)
