"""What makes two pod templates the same release, and what to call that release.

A revision is a digest of the raw template as the API server stores it, so it does not depend on
any client library's idea of the fields. A primary's template is brought back to the form of its
target first: equal revisions mean that the primary runs what the target holds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from config import well_known

Template = Mapping[str, Any]

LENGTH: Final = 20
"""Hex digits of a revision: 80 bits, so that two releases never look the same by accident."""

_SPREADS: Final = "topologySpreadConstraints"
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def revision_of(template: Template) -> str:
    """The revision of a target's pod template: `LENGTH` lower-case hex digits.

    Absent and null fields are the same; keys that are never copied to a primary do not count.
    """
    normal = _without_nulls({**template, "metadata": _metadata(template)})
    text = json.dumps(normal, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def primary_revision(template: Template, label: str, primary: str, keys: Sequence[str]) -> str:
    """The revision of the target whose copy the primary's `template` is.

    `label` is the key of the selector label, `primary` the primary workload's name and `keys` the
    candidate selector labels, whose values were given the suffix of primaries.
    """
    labels = dict(_metadata(template).get("labels", {}))
    if label in labels:
        labels[label] = labels[label].removesuffix(well_known.PRIMARY_SUFFIX)
    metadata = {**_metadata(template), "labels": labels}
    target = primary.removesuffix(well_known.PRIMARY_SUFFIX)
    spec = renamed(template.get("spec") or {}, keys, primary, target)
    return revision_of({**template, "metadata": metadata, "spec": spec})


def copied(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """The labels or annotations that travel from a target to its primary."""
    return {
        key: value
        for key, value in (metadata or {}).items()
        if well_known.FLUX_KEY_PART not in key and key != well_known.POD_TEMPLATE_ID_ANNOTATION
    }


def renamed(
    spec: Mapping[str, Any], keys: Sequence[str], before: str, after: str
) -> dict[str, Any]:
    """The pod spec with `before` replaced by `after` where pods of a workload keep apart.

    That is in topology spread constraints and pod anti-affinity, for selector labels in `keys`.
    """
    result = dict(spec)
    if result.get(_SPREADS):
        result[_SPREADS] = [
            _with_selector(constraint, keys, before, after) for constraint in result[_SPREADS]
        ]
    affinity = result.get("affinity") or {}
    if affinity.get("podAntiAffinity"):
        anti = _renamed_terms(affinity["podAntiAffinity"], keys, before, after)
        result["affinity"] = {**affinity, "podAntiAffinity": anti}
    return result


def _renamed_terms(
    anti: Mapping[str, Any], keys: Sequence[str], before: str, after: str
) -> dict[str, Any]:
    result = dict(anti)
    if anti.get(_REQUIRED):
        result[_REQUIRED] = [_with_selector(term, keys, before, after) for term in anti[_REQUIRED]]
    if anti.get(_PREFERRED):
        result[_PREFERRED] = [
            {**item, "podAffinityTerm": _with_selector(term, keys, before, after)}
            if (term := item.get("podAffinityTerm"))
            else item
            for item in anti[_PREFERRED]
        ]
    return result


def _with_selector(
    holder: Mapping[str, Any], keys: Sequence[str], before: str, after: str
) -> dict[str, Any]:
    selector = holder.get("labelSelector")
    if not selector:
        return dict(holder)

    def rename(value: str) -> str:
        return after if value == before else value

    return {**holder, "labelSelector": _renamed_selector(selector, keys, rename)}


def _renamed_selector(
    selector: Mapping[str, Any], keys: Sequence[str], rename: Callable[[str], str]
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
    """The metadata that counts: labels and annotations, absent when empty."""
    metadata = template.get("metadata") or {}
    kept = {key: copied(metadata.get(key)) for key in ("labels", "annotations")}
    return {key: values for key, values in kept.items() if values}


def _without_nulls(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _without_nulls(item) for key, item in value.items() if item is not None}
        case list() | tuple():
            return [_without_nulls(item) for item in value]
        case _:
            return value
