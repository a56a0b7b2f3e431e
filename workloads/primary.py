"""The primary Deployment: as created from its target, given a newer revision, and told from others.

Pure, on raw objects, so that fields no library knows travel as well.
Source: docs/compatibility/lifecycle.md, "Primary Deployment as created" and "Promotion".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clients.documents.configs import ConfigRef
from clients.documents.world import SelectorLabel, WorkloadView
from clients.kube.protocol import Object
from config import names, ownership, well_known
from config.api.canary import Canary
from config.refs import CanaryRef
from workloads import revision, tracker_references

_COPIED: Final = ("progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit", "strategy")
_OF_THE_TARGET_ONLY: Final = frozenset(
    {well_known.LAST_APPLIED_ANNOTATION, "deployment.kubernetes.io/revision"}
)
"""Annotations that describe the target object itself; on a copy they would mislead kubectl."""


@dataclass(frozen=True, slots=True)
class Copying:
    """How targets are copied: candidate selector labels, and key prefixes of metadata to keep.

    `prefixes` containing `*` keeps everything. `configs` are the keys of the ConfigMaps and Secrets
    of which the primary gets copies; there are none unless the installation `tracks` them.
    """

    selector_labels: Sequence[str]
    prefixes: Sequence[str] = ()
    configs: Collection[str] = ()
    tracks: bool = True


def create(
    canary: Canary,
    target: Object,
    label: SelectorLabel,
    copying: Copying,
    *,
    pod_id: str,
    fields: Sequence[str] = _COPIED,
) -> dict[str, Any]:
    """The primary Deployment of `target`, owned by `canary`; `label` tells the target's pods.

    `pod_id` marks the pods of its revision, `fields` are those of the spec that are copied as they
    are. Replicas are the target's when it has any, else 1.
    """
    spec, (key, value) = target["spec"], of_primary(label)
    annotations = revision.copied(target["metadata"].get("annotations"))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": names.primary_workload(canary),
            "namespace": canary.namespace,
            "labels": {**prefixed(target, "labels", copying), key: value},
            "annotations": {
                name: text for name, text in annotations.items() if name not in _OF_THE_TARGET_ONLY
            },
            "ownerReferences": [ownership.reference(canary)],
        },
        "spec": {
            **{field: spec[field] for field in fields if field in spec},
            "replicas": spec.get("replicas") or 1,
            "selector": {"matchLabels": {key: value}},
            "template": _template(canary, spec["template"], (key, value), copying, pod_id),
        },
    }


def promote(
    canary: Canary,
    target: Object,
    label: SelectorLabel,
    copying: Copying,
    *,
    pod_id: str,
    fields: Sequence[str] = _COPIED,
) -> list[Mapping[str, Any]]:
    """The JSON patch (RFC 6902) that gives a primary the revision of `target`.

    Selector and whatever else the target does not determine stay as they are; replicas follow the
    target unless an autoscaler owns them.
    """
    spec, (key, value) = target["spec"], of_primary(label)
    follows = spec.get("replicas") and not canary.spec.autoscaler_ref
    wanted = {
        "/metadata/labels": {**prefixed(target, "labels", copying), key: value},
        "/metadata/annotations": prefixed(target, "annotations", copying),
        **{f"/spec/{field}": spec.get(field) for field in fields},
        **({"/spec/replicas": spec["replicas"]} if follows else {}),
        "/spec/template": _template(canary, spec["template"], (key, value), copying, pod_id),
    }
    changes = [{"op": "add", "path": path, "value": wanted[path]} for path in wanted]
    # What is added first can be removed for certain, whether it was there before or not.
    absent = [{"op": "remove", "path": path} for path in wanted if wanted[path] is None]
    return [*changes, *absent]


def _template(
    canary: Canary, template: Object, label: SelectorLabel, copying: Copying, pod_id: str
) -> dict[str, Any]:
    """The target's pod template as the primary's: its own label, spread and configs, and a mark."""
    metadata = template.get("metadata") or {}
    target, primary = canary.spec.target_ref.name, names.primary_workload(canary)

    def rename(value: str) -> str:
        return primary if value == target else value

    def copy(ref: ConfigRef) -> str:
        return ref.name + (well_known.PRIMARY_SUFFIX if ref.key in copying.configs else "")

    spec = revision.renamed(template.get("spec") or {}, copying.selector_labels, rename)
    return {
        **template,
        "metadata": {
            **metadata,
            "labels": {**revision.copied(metadata.get("labels")), label[0]: label[1]},
            "annotations": {
                **revision.copied(metadata.get("annotations")),
                well_known.POD_TEMPLATE_ID_ANNOTATION: pod_id,
            },
        },
        "spec": tracker_references.renamed(spec, copy),
    }


def of_primary(label: SelectorLabel) -> SelectorLabel:
    """The selector label of a primary, by that of its target."""
    return label[0], label[1] + well_known.PRIMARY_SUFFIX


def prefixed(target: Object, kind: str, copying: Copying) -> dict[str, str]:
    """An object's own labels or annotations that match a configured prefix."""
    values = revision.copied(target["metadata"].get(kind))
    return {
        key: value
        for key, value in values.items()
        if key not in _OF_THE_TARGET_ONLY
        and any(prefix == "*" or key.startswith(prefix) for prefix in copying.prefixes)
    }


def objection(
    primary: WorkloadView,
    kind: str,
    canary: CanaryRef,
    uid: str,
    *,
    target: WorkloadView | None,
    left_by: Collection[str] = (),
) -> str:
    """Why the viewed `primary`, of that kind, is not that of the `canary` object `uid`; or empty.

    A primary is overwritten by every promotion, and its label is what users' traffic selects: who
    merely has its name must be neither. One that nobody controls is adopted, such as one that
    outlived its canary, as long as it selects the pods that a primary made from the viewed `target`
    would; so is that of a canary whose uid is in `left_by`.
    """
    name = f"{kind.lower()} {primary.name}.{primary.namespace}"
    meant = f"{name} is not the primary of canary {canary.dotted}"
    if primary.controller not in {"", uid, *left_by}:
        owner = primary.owner or "another object"
        return f"{meant}: it is controlled by {owner}; delete {name}, or give it to this canary"
    wanted, label = target and target.selector_label, primary.selector_label
    allowed = of_primary(wanted) if wanted else label
    if label != allowed:
        return f"{meant}: it selects {_shown(label)}, allowed is {_shown(allowed)}"
    return ""


def no_selector_label(target: WorkloadView, kind: str, keys: Sequence[str]) -> str:
    """What is said of a target whose pods cannot be told apart: none of `keys` selects them."""
    return (
        f"getSelectorLabel failed: {kind.lower()} {target.name}.{target.namespace} "
        f"spec.selector.matchLabels must contain one of [{' '.join(keys)}]"
    )


def _shown(label: SelectorLabel | None) -> str:
    return "=".join(label) if label else "by no known label"
