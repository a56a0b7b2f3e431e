"""Owner references: who controls a generated object, and how it says that a canary does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from config import well_known
from config.api.canary import Canary

Metadata = Mapping[str, Any]


def reference(canary: Canary) -> dict[str, Any]:
    """The reference that makes garbage collection remove an object with its canary."""
    return {
        "apiVersion": well_known.API_VERSION,
        "kind": well_known.CANARY_KIND,
        "name": canary.name,
        "uid": canary.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller(metadata: Metadata) -> Mapping[str, Any] | None:
    """The reference to the object that controls the one with `metadata`; None when nobody does."""
    references = metadata.get("ownerReferences") or ()
    return next((each for each in references if each.get("controller")), None)


def named(holder: Mapping[str, Any] | None) -> str:
    """The object that a reference names, as in `Canary cart`; empty for none."""
    return " ".join(str(holder[key]) for key in ("kind", "name") if key in holder) if holder else ""


def taken_over(metadata: Metadata, canary: Canary) -> dict[str, Any]:
    """`metadata` of an object that `canary` controls from now on; other owners are kept."""
    references = metadata.get("ownerReferences") or ()
    kept = [each for each in references if not each.get("controller")]
    return {**metadata, "ownerReferences": [*kept, reference(canary)]}
