"""What an API server makes of a write: pure rules of metadata, status and generation.

Used by the in-memory twin only. Which kinds have which rule is the two tables below; a kind
missing from them is stored as it is given, like a ConfigMap.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from clients import errors
from clients.kube import resources
from clients.kube.resources import Resource

WITH_STATUS: Final = frozenset(
    {
        resources.CANARIES,
        resources.METRIC_TEMPLATES,
        resources.ALERT_PROVIDERS,
        resources.DEPLOYMENTS,
        resources.HORIZONTAL_POD_AUTOSCALERS,
        resources.SERVICES,
        resources.VIRTUAL_SERVICES,
        resources.DESTINATION_RULES,
    }
)
"""Kinds whose status is written through its own subresource, and only through it."""

WITH_GENERATION: Final = WITH_STATUS - {
    resources.HORIZONTAL_POD_AUTOSCALERS,
    resources.SERVICES,
}
"""Kinds whose `metadata.generation` counts changes outside metadata and status."""

CUSTOM_GROUPS: Final = frozenset({"flagger.app", "networking.istio.io"})
"""Groups of custom resources, whose whole replacement needs a resourceVersion."""

SERVER_FIELDS: Final = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "selfLink")
"""Metadata that clients cannot set; what they send is dropped."""


def born(
    resource: Resource,
    namespace: str | None,
    name: str,
    body: Mapping[str, Any],
    *,
    uid: str,
    now: datetime,
) -> dict[str, Any]:
    """The object a creation stores, without its resourceVersion."""
    created = copy.deepcopy(dict(body))
    metadata = dict(created.get("metadata") or {})
    for field in (*SERVER_FIELDS, "resourceVersion", "generateName"):
        metadata.pop(field, None)
    metadata |= {"name": name, "uid": uid, "creationTimestamp": timestamp(now)}
    if namespace:
        metadata["namespace"] = namespace
    if resource in WITH_GENERATION:
        metadata["generation"] = 1
    if resource in WITH_STATUS:
        created.pop("status", None)
    return {**created, "metadata": metadata}


def revised(
    resource: Resource,
    stored: Mapping[str, Any],
    wanted: Mapping[str, Any],
    subresource: str | None,
) -> dict[str, Any]:
    """The object a write stores: server-owned metadata, status split and generation kept right."""
    if subresource == "status":
        result = {**stored}
        result.pop("status", None)
        return result | ({"status": wanted["status"]} if "status" in wanted else {})
    result = {**wanted, "metadata": _kept_metadata(stored["metadata"], wanted["metadata"])}
    if resource in WITH_STATUS:
        result.pop("status", None)
        result |= {"status": stored["status"]} if "status" in stored else {}
    if resource in WITH_GENERATION and _content(result) != _content(stored):
        result["metadata"]["generation"] = stored["metadata"]["generation"] + 1
    return result


def dying(stored: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The object marked for deletion, which its finalizers still hold."""
    metadata = dict(stored["metadata"])
    metadata |= {"deletionTimestamp": timestamp(now), "deletionGracePeriodSeconds": 0}
    if "generation" in metadata:
        metadata["generation"] += 1
    return {**stored, "metadata": metadata}


def released(stored: Mapping[str, Any]) -> bool:
    """Whether the object was only waiting for its last finalizer, which is gone."""
    metadata = stored["metadata"]
    return "deletionTimestamp" in metadata and not metadata.get("finalizers")


def disowned(stored: Mapping[str, Any], uid: str) -> dict[str, Any]:
    """The object without the owner that had `uid`."""
    metadata = dict(stored["metadata"])
    owners = [owner for owner in metadata.pop("ownerReferences") if owner["uid"] != uid]
    return {**stored, "metadata": metadata | ({"ownerReferences": owners} if owners else {})}


def check_subresource(resource: Resource, subresource: str | None) -> None:
    """Raise NotFound for a subresource the kind does not have."""
    if subresource is None or (subresource == "status" and resource in WITH_STATUS):
        return
    raise errors.NotFound(
        f"{resource.plural} have no subresource {subresource!r}", status=404, reason="NotFound"
    )


def check_replacement(resource: Resource, name: str, body: Mapping[str, Any]) -> None:
    """Raise Permanent for a custom resource that does not say which version it replaces."""
    if resource.group in CUSTOM_GROUPS and not body["metadata"].get("resourceVersion"):
        raise errors.Permanent(
            f"{resource.plural} {name!r}: metadata.resourceVersion must be specified for an update",
            status=422,
            reason="Invalid",
        )


def check_precondition(
    resource: Resource, stored: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Raise Conflict when `wanted` was computed from another version or another object."""
    metadata, now = wanted.get("metadata") or {}, stored["metadata"]
    for field in ("resourceVersion", "uid"):
        if metadata.get(field) and metadata[field] != now[field]:
            words = f"{field} {metadata[field]} is not the current {now[field]}"
            raise errors.Conflict(
                f"{resource.plural} {now['name']!r}: {words}", status=409, reason="Conflict"
            )


def check_immutable(
    resource: Resource, stored: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Raise Permanent for a patch to another uid; only a replacement takes it as a precondition."""
    given, now = wanted["metadata"].get("uid"), stored["metadata"]
    if given and given != now["uid"]:
        raise errors.Permanent(
            f"{resource.plural} {now['name']!r}: metadata.uid: field is immutable",
            status=422,
            reason="Invalid",
        )


def check_identity(
    resource: Resource, namespace: str | None, name: str, body: Mapping[str, Any]
) -> None:
    """Raise Permanent when `body` says it is another object than the one addressed."""
    metadata = body.get("metadata") or {}
    expected = {
        "apiVersion": (body.get("apiVersion"), resource.api_version),
        "kind": (body.get("kind"), resource.kind),
        "metadata.name": (metadata.get("name"), name),
        "metadata.namespace": (metadata.get("namespace") or namespace, namespace),
    }
    for field, (given, allowed) in expected.items():
        if given != allowed:
            raise errors.Permanent(
                f"{resource.plural} {name!r}: {field} is {given!r}, must be {allowed!r}",
                status=400,
                reason="BadRequest",
            )


def timestamp(moment: datetime) -> str:
    """The time as Kubernetes writes it: UTC, whole seconds, with a Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _kept_metadata(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in wanted.items() if key not in SERVER_FIELDS}
    kept.pop("deletionGracePeriodSeconds", None)
    for field in (*SERVER_FIELDS, "deletionGracePeriodSeconds", "resourceVersion"):
        if field in stored:
            kept[field] = stored[field]
    return kept


def _content(obj: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in obj.items() if key not in {"metadata", "status"}}
