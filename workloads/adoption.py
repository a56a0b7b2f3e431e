"""Whether a Deployment that has the name of a primary is one. Pure.

A primary is overwritten by every promotion, and its label is what users' traffic selects: whoever
merely has its name must be neither.
"""

from __future__ import annotations

from collections.abc import Collection

from clients.documents.world import SelectorLabel, WorkloadView
from config import well_known
from config.refs import CanaryRef


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

    One that nobody controls is adopted, such as one that outlived its canary, as long as it
    selects the pods that a primary made from the viewed `target` would; so is that of a canary
    whose uid is in `left_by`.
    """
    name = f"{kind.lower()} {primary.name}.{primary.namespace}"
    meant = f"{name} is not the primary of canary {canary.dotted}"
    if primary.controller not in {"", uid, *left_by}:
        return f"{meant}: it is controlled by another object (uid {primary.controller})"
    wanted, label = _primary_label(target), primary.selector_label
    if wanted is not None and label != wanted:
        return f"{meant}: it selects {_shown(label)}, allowed is {_shown(wanted)}"
    return ""


def _primary_label(target: WorkloadView | None) -> SelectorLabel | None:
    """The selector label of a primary made from `target`; None when that is not known."""
    label = target.selector_label if target else None
    return (label[0], label[1] + well_known.PRIMARY_SUFFIX) if label else None


def _shown(label: SelectorLabel | None) -> str:
    return "=".join(label) if label else "by no known label"
