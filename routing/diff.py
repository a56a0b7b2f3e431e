"""What to write so that a live object becomes the desired one: as little as possible.

Pure. A patch holds only the fields that differ, with the live `resourceVersion` as its
precondition, so a write computed from an old object is refused instead of undoing a newer one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clients.kube.protocol import Object


@dataclass(frozen=True, slots=True)
class Create:
    """The object is not there: create `body`."""

    body: Object


@dataclass(frozen=True, slots=True)
class Patch:
    """The object differs: send `body` as a merge patch (RFC 7386)."""

    body: Mapping[str, Any]


Change = Create | Patch


def change(live: Object | None, desired: Object) -> Change | None:
    """What turns `live` into `desired`; None when nothing does."""
    if live is None:
        return Create(desired)
    patch = merge_patch(live, desired)
    if not patch:
        return None
    metadata = {**patch.get("metadata", {}), **_precondition(live)}
    return Patch({**patch, "metadata": metadata} if metadata else patch)


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest merge patch from `old` to `new`; maps are merged, lists replaced whole.

    A null in `new` reads as absent, as the API server drops it.
    """
    patch: dict[str, Any] = {
        key: None for key in old if old[key] is not None and new.get(key) is None
    }
    for key, value in new.items():
        before = old.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            if inner := merge_patch(before, value):
                patch[key] = inner
        elif value is not None and value != before:
            patch[key] = value
    return patch


def _precondition(live: Object) -> dict[str, str]:
    version = live.get("metadata", {}).get("resourceVersion")
    return {"resourceVersion": version} if version else {}
