"""Services as targets: always ready, never scaled; a release is a changed spec. Pure.

Their copies are traffic, which `routing.copies` writes. Rules: docs/compatibility/lifecycle.md,
"Services as targets".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from clients.documents.world import WorkloadStatus, WorkloadView
from clients.kube.protocol import Object
from config import copies, ownership
from config.readiness import READY, Readiness

_ONE: Final = 1
"""A Service counts as one pod, which is available."""


def project(raw: Object, keys: Sequence[str]) -> WorkloadView:  # noqa: ARG001
    """The view of a Service: its revision, and that it serves."""
    metadata = raw["metadata"]
    holder = ownership.controller(metadata)
    return WorkloadView(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata.get("uid") or "",
        controller=(holder or {}).get("uid", ""),
        owner=ownership.named(holder),
        replicas=_ONE,
        revision=copies.revision(raw.get("spec") or {}),
        selector_label=None,
        status=WorkloadStatus(replicas=_ONE, updated_replicas=_ONE, available_replicas=_ONE),
    )


def judge(
    view: WorkloadView,  # noqa: ARG001
    percent: int,  # noqa: ARG001
    deadline: timedelta,  # noqa: ARG001
    began: datetime,  # noqa: ARG001
    now: datetime,  # noqa: ARG001
) -> Readiness:
    """Ready: nothing is known of the pods behind it."""
    return READY


def patience_ends(view: WorkloadView, deadline: timedelta, began: datetime) -> None:
    """None: it is never unready."""
