"""CustomResourceDefinitions: checked, completed, and turned into the resources they define."""

from collections.abc import Iterator
from typing import Any

from sandbox.apiserver import errors
from sandbox.apiserver.errors import FieldError
from sandbox.apiserver.objects import Obj, at
from sandbox.apiserver.resources import Column, Resource, ScalePaths


def problems(crd: Obj) -> Iterator[FieldError]:
    """What the API server would refuse in this CustomResourceDefinition."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    for field in ("plural", "kind"):
        if not names.get(field):
            yield errors.required(f"spec.names.{field}")
    if not spec.get("group"):
        yield errors.required("spec.group")
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        yield errors.unsupported("spec.scope", spec.get("scope", ""), ("Cluster", "Namespaced"))
    expected = f"{names.get('plural')}.{spec.get('group')}"
    if crd["metadata"]["name"] != expected:
        yield errors.invalid_value(
            "metadata.name", crd["metadata"]["name"], 'must be spec.names.plural+"."+spec.group'
        )
    yield from _version_problems(spec.get("versions") or [])


def _version_problems(versions: list[Obj]) -> Iterator[FieldError]:
    if sum(1 for version in versions if version.get("storage")) != 1:
        detail = "must have exactly one version marked as storage version"
        yield errors.invalid_value("spec.versions", [v.get("name") for v in versions], detail)
    for index, version in enumerate(versions):
        if not at(version, ("schema", "openAPIV3Schema")):
            detail = "schemas are required"
            yield errors.required(f"spec.versions[{index}].schema.openAPIV3Schema", detail)


def completed(crd: Obj, now: str) -> Obj:
    """`crd` with the names Kubernetes fills in and the status of one that is being served."""
    names = at(crd, ("spec", "names"), {})
    kind = names.get("kind", "")
    filled = {"listKind": f"{kind}List", "singular": kind.lower(), **names}
    conversion = at(crd, ("spec", "conversion"), {"strategy": "None"})
    spec = {**crd.get("spec", {}), "names": filled, "conversion": conversion}
    return {**crd, "spec": spec, "status": _status(crd, spec, now)}


def _status(crd: Obj, spec: Obj, now: str) -> Obj:
    accepted = _condition("NamesAccepted", "NoConflicts", "no conflicts found", now)
    message = "the initial names have been accepted"
    established = _condition("Established", "InitialNamesAccepted", message, now)
    versions = spec.get("versions") or []
    return {
        "acceptedNames": spec["names"],
        "conditions": at(crd, ("status", "conditions")) or [accepted, established],
        "storedVersions": [version.get("name") for version in versions if version.get("storage")],
    }


def _condition(kind: str, reason: str, message: str, now: str) -> Obj:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": now,
    }


def resources(crd: Obj) -> tuple[Resource, ...]:
    """The served versions a definition adds, the newest first as Kubernetes orders them."""
    served = [version for version in crd["spec"]["versions"] if version.get("served")]
    ordered = sorted(served, key=lambda version: _priority(version["name"]))
    return tuple(_resource(crd["spec"], version) for version in ordered)


def _priority(version: str) -> tuple[int, int, int]:
    """The sort key of a version name: GA before beta before alpha, larger numbers first."""
    number, stage, stage_number = version.removeprefix("v"), 0, "0"
    for rank, word in ((1, "beta"), (2, "alpha")):
        if word in number:
            number, stage_number = number.split(word)
            stage = rank
    return stage, -int(number or 0), -int(stage_number or 0)


def _resource(spec: Obj, version: Obj) -> Resource:
    names = spec["names"]
    subresources = version.get("subresources") or {}
    return Resource(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names["singular"],
        short_names=tuple(names.get("shortNames") or ()),
        namespaced=spec["scope"] == "Namespaced",
        categories=tuple(names.get("categories") or ()),
        status="status" in subresources,
        scale=_scale(subresources.get("scale")),
        generation="all",
        custom=True,
        columns=_columns(version.get("additionalPrinterColumns")),
        schema=version["schema"]["openAPIV3Schema"],
    )


def _scale(scale: Obj | None) -> ScalePaths | None:
    if scale is None:
        return None
    return ScalePaths(
        spec_replicas=_fields(scale["specReplicasPath"]),
        status_replicas=_fields(scale["statusReplicasPath"]),
        selector=_fields(scale.get("labelSelectorPath", "")),
    )


def _fields(path: str) -> tuple[str, ...]:
    return tuple(field for field in path.split(".") if field)


def _columns(columns: list[dict[str, Any]] | None) -> tuple[Column, ...]:
    name = Column("Name", cell="name", format="name", description="Name of the object.")
    if not columns:
        age = Column("Age", type="date", path=".metadata.creationTimestamp")
        return (name, age)
    return (name, *(_column(column) for column in columns))


def _column(column: dict[str, Any]) -> Column:
    return Column(
        name=column["name"],
        type=column["type"],
        path=column["jsonPath"],
        format=column.get("format", ""),
        description=column.get("description", ""),
        priority=column.get("priority", 0),
    )
