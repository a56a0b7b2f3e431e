"""What makes two workloads the same release, and what to call that release.

A revision is a digest of the raw template as the API server stores it, so it does not depend on
any client library's idea of the fields, and of what the tracked ConfigMaps and Secrets hold. The
suffix of primaries is taken away first: equal revisions mean that the primary runs what the target
holds.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from config import canonical, well_known
from workloads import tracker_references

Template = Mapping[str, Any]
Rename = Callable[[str], str]

_IDS: Final = uuid.UUID("5f0c3c1e-6c1c-4c58-9a42-6d1d1a3f7b55")
"""The name space of ids of pod templates."""
_ID_LENGTH: Final = 36
_ID_VERSION: Final = 14

_SPREADS: Final = "topologySpreadConstraints"


def revision_of(template: Template) -> str:
    """The digest of a pod template.

    Absent and null fields are the same; metadata that is never copied to a primary, or never to a
    pod, does not count.
    """
    return canonical.digest(_without_nulls({**template, "metadata": _metadata(template)}))


def with_configs(template: str, digests: Mapping[str, str]) -> str:
    """The revision of a workload whose template has the revision `template`.

    `digests` are those of its tracked ConfigMaps and Secrets by key; none of them adds nothing.
    """
    return canonical.digest([template, digests]) if digests else template


def pod_id(revision: str) -> str:
    """The UUID that marks the pod template of a primary with this revision.

    Another one for each revision, so that pods are made anew when nothing but a config differs.
    """
    return str(uuid.uuid5(_IDS, revision))


def of_primary(revision: str, marked: str) -> str:
    """The revision of a primary whose template and configs are of `revision`, `marked` by that id.

    The pods of one with our mark of another revision were made when its configs held something
    else: it is given its mark last. Of other marks, such as Flagger's, nothing is known.
    """
    ours = len(marked) == _ID_LENGTH and marked[_ID_VERSION] == "5"
    return canonical.digest([revision, marked]) if ours and marked != pod_id(revision) else revision


def workload_revision(
    template: Template, workload: str, label: str | None, keys: Collection[str]
) -> str:
    """The revision of the template of a target, and of the primary copied from it: the same.

    `workload` is the name of either, `label` the key of its selector label and `keys` the
    candidate selector labels. Where a copy gets the suffix of primaries, `x` and `x-primary` count
    as the same in targets too: there a copy could not be told from an original, and a target may
    itself be called `x-primary`.
    """
    base = _base(workload)
    labels = dict((template.get("metadata") or {}).get("labels") or {})
    if label in labels:
        labels[label] = _base(labels[label])
    metadata = {**(template.get("metadata") or {}), "labels": labels}

    def undo(value: str) -> str:
        return base if _base(value) == base else value

    spec = renamed(template.get("spec") or {}, keys, undo)
    spec = tracker_references.renamed(spec, lambda ref: _base(ref.name))
    return revision_of({**template, "metadata": metadata, "spec": spec})


def copied(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """The labels or annotations that travel from a target to its primary."""
    return {
        key: value
        for key, value in (metadata or {}).items()
        if well_known.FLUX_KEY_PART not in key and key != well_known.POD_TEMPLATE_ID_ANNOTATION
    }


def renamed(spec: Mapping[str, Any], keys: Collection[str], rename: Rename) -> dict[str, Any]:
    """The pod spec with workload names passed through `rename` where pods are kept apart.

    That is in topology spread constraints and pod anti-affinity, for selector labels in `keys`.
    """
    result = dict(spec)
    if result.get(_SPREADS):
        result[_SPREADS] = _with_selectors(result[_SPREADS], keys, rename)
    affinity = result.get("affinity") or {}
    if affinity.get("podAntiAffinity"):
        anti = _with_selectors(affinity["podAntiAffinity"], keys, rename)
        result["affinity"] = {**affinity, "podAntiAffinity": anti}
    return result


def _base(name: str) -> str:
    """`name` without the suffix of primaries, however often it is there."""
    while name.endswith(well_known.PRIMARY_SUFFIX):
        name = name.removesuffix(well_known.PRIMARY_SUFFIX)
    return name


def _with_selectors(value: Any, keys: Collection[str], rename: Rename) -> Any:
    """`value` with each `labelSelector` in it renamed."""
    match value:
        case Mapping():
            return {
                key: _renamed_selector(item, keys, rename)
                if key == "labelSelector" and item
                else _with_selectors(item, keys, rename)
                for key, item in value.items()
            }
        case list() | tuple():
            return [_with_selectors(item, keys, rename) for item in value]
        case _:
            return value


def _renamed_selector(
    selector: Mapping[str, Any], keys: Collection[str], rename: Rename
) -> dict[str, Any]:
    result = dict(selector)
    if selector.get("matchLabels"):
        result["matchLabels"] = {
            key: rename(value) if key in keys else value
            for key, value in selector["matchLabels"].items()
        }
    if selector.get("matchExpressions"):
        result["matchExpressions"] = [
            {**item, "values": [rename(item["values"][0]), *item["values"][1:]]}
            if item.get("key") in keys and item.get("values")
            else item
            for item in selector["matchExpressions"]
        ]
    return result


def _metadata(template: Template) -> dict[str, Any]:
    """The metadata that pods get, absent when empty."""
    metadata = template.get("metadata") or {}
    kept: dict[str, Any] = {key: copied(metadata.get(key)) for key in ("labels", "annotations")}
    kept["finalizers"] = metadata.get("finalizers")
    return {key: values for key, values in kept.items() if values}


def _without_nulls(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _without_nulls(item) for key, item in value.items() if item is not None}
        case list() | tuple():
            return [_without_nulls(item) for item in value]
        case _:
            return value
