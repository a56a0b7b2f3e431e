"""Owner references, labels and annotations of the objects generated for a canary.

Rules: docs/compatibility/routing.md, "Rules common to all routers" and "The three ClusterIP
Services". Pure; nothing here is particular to one mesh.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from clients.kube.protocol import Object
from config import names, ownership, well_known
from config.api.canary import Canary
from config.api.service import ServiceMetadata
from routing.router import Managed, TargetFacts


def bare(raw: Object) -> dict[str, Any]:
    """An object without the bookkeeping of its writers; its resourceVersion guards our writes.

    In this form it is kept by whoever observed it and by whoever wrote it: were the two forms
    different, each write of ours would look like somebody else's.
    """
    metadata = {key: value for key, value in raw["metadata"].items() if key != "managedFields"}
    return {**raw, "metadata": metadata}


class Marks(NamedTuple):
    """The labels and annotations an object should carry."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class Foreign(Exception):
    """An object that somebody else controls; its text names who, as in "Canary cart"."""


def owned(live: Object | None, canary: Canary, left_by: Collection[str]) -> Object | None:
    """`live` as an object that may be written for `canary`; None when there is none.

    Its own, a user's that nobody controls, and one of the canaries with uids in `left_by`, which
    have turned to other names since. Raises Foreign for any other.
    """
    holder = ownership.controller(live["metadata"]) if live else None
    if live is None or holder is None or is_controlled(live, canary):
        return live
    if holder.get("uid") not in left_by:
        raise Foreign(ownership.named(holder))
    return {**live, "metadata": ownership.taken_over(live["metadata"], canary)}


def is_controlled(live: Object, canary: Canary) -> bool:
    """Whether this canary is the controller of `live`, and so may set its metadata.

    Compared by kind and name, so that a canary that was deleted and applied again finds its own.
    """
    holder = ownership.controller(live.get("metadata") or {}) or {}
    return (holder.get("kind"), holder.get("name")) == (well_known.CANARY_KIND, canary.name)


def new_object(
    canary: Canary, managed: Managed, marks: Marks, spec: Mapping[str, Any]
) -> dict[str, Any]:
    """An object to create: owned by the canary, in its namespace."""
    place = {"name": managed.name, "namespace": canary.namespace}
    owned = {**place, "ownerReferences": [ownership.reference(canary)]}
    return {
        "apiVersion": managed.resource.api_version,
        "kind": managed.resource.kind,
        "metadata": with_marks(owned, marks),
        "spec": spec,
    }


def with_marks(metadata: Mapping[str, Any], marks: Marks) -> dict[str, Any]:
    """`metadata` with labels and annotations set exactly to `marks`; everything else kept."""
    wanted = {"labels": dict(marks.labels), "annotations": dict(marks.annotations)}
    kept = {key: value for key, value in metadata.items() if key not in wanted}
    return {**kept, **{field: values for field, values in wanted.items() if values}}


def with_flux_opt_out(annotations: Mapping[str, str] | None) -> dict[str, str]:
    """`annotations` and the keys that keep Flux from setting generated objects back."""
    return {**(annotations or {}), **dict(well_known.FLUX_OPT_OUT_ANNOTATIONS)}


def service_marks(
    canary: Canary,
    target: TargetFacts,
    name: str,
    custom: ServiceMetadata | None,
    live: Object | None,
) -> Marks:
    """What the Service `name` of this canary should carry.

    Custom metadata, the selector label with the Service's own name, the Flux opt-out, and the
    present values of the keys the user told us not to manage.
    """
    asked = custom or ServiceMetadata()
    own = {**asked.labels, target.label_key: name}
    return Marks(
        labels={**own, **_unmanaged(canary, live, "labels")},
        annotations={
            **with_flux_opt_out(asked.annotations),
            **_unmanaged(canary, live, "annotations"),
        },
    )


def route_marks(canary: Canary, target: TargetFacts, live_apex: Object | None) -> Marks:
    """What a routing object should carry: the apex Service's marks when `service.apex` is given.

    Without it the object has no labels. That the selector label and unmanaged keys appear only
    with `service.apex` is a side effect in Flagger that users' selectors may rely on.
    """
    custom = canary.spec.service.apex
    if custom is None:
        return Marks(labels={}, annotations=with_flux_opt_out(None))
    return service_marks(canary, target, names.apex_name(canary), custom, live_apex)


def _unmanaged(canary: Canary, live: Object | None, field: str) -> dict[str, str]:
    unmanaged = canary.spec.service.unmanaged_metadata
    if unmanaged is None or live is None:
        return {}
    listed: Iterable[str] = getattr(unmanaged, field)
    present = live.get("metadata", {}).get(field) or {}
    return {key: present[key] for key in listed if key in present}
