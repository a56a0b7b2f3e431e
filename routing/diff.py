"""What to write so that a live object becomes the desired one: as little as possible. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clients.kube.protocol import Object


def patch(live: Object, desired: Object) -> dict[str, Any]:
    """The merge patch (RFC 7386) that turns `live` into `desired`; empty when nothing differs.

    It has the live `resourceVersion` as its precondition, so one computed from an old object is
    refused instead of undoing a newer one.
    """
    change = merge_patch(live, desired)
    version = live.get("metadata", {}).get("resourceVersion")
    if change and version:
        change["metadata"] = {**change.get("metadata", {}), "resourceVersion": version}
    return change


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest merge patch from `old` to `new`; maps are merged, lists replaced whole.

    A null in `new` reads as absent, as the API server drops it.
    """
    patch: dict[str, Any] = {
        key: None for key in old if old[key] is not None and new.get(key) is None
    }
    for key, value in new.items():
        before = old.get(key)
        if value is None or value == before:  # most of an object: compared without a call of ours
            continue
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            if inner := merge_patch(before, value):
                patch[key] = inner
        else:
            patch[key] = value
    return patch
