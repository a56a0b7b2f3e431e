"""Whether a Deployment that has the name of a primary is one. Pure.

A primary is overwritten by every promotion, and its label is what users' traffic selects: whoever
merely has its name must be neither.
"""

from __future__ import annotations

from collections.abc import Collection

from clients.documents.world import SelectorLabel, WorkloadView
from config.refs import CanaryRef
from workloads.primary import of_primary


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
    wanted, label = target and target.selector_label, primary.selector_label
    allowed = of_primary(wanted) if wanted else label
    if label != allowed:
        return f"{meant}: it selects {_shown(label)}, allowed is {_shown(allowed)}"
    return ""


def _shown(label: SelectorLabel | None) -> str:
    return "=".join(label) if label else "by no known label"
