"""Knative Services as targets: each of their revisions is a release, one of them the primary.

The primary is named by an annotation and served by traffic entries of the same object, which
routing workers write. Pure. Rules: docs/compatibility/lifecycle.md, "Knative Services as targets".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from clients.documents.world import WorkloadStatus, WorkloadView
from clients.kube.protocol import Object
from config import readiness, well_known
from config.readiness import READY, Readiness
from workloads import deployment

_ONE: Final = 1
"""A revision counts as one pod, which is available when the revision is ready."""


def project(raw: Object, keys: Sequence[str]) -> WorkloadView:  # noqa: ARG001
    """The view of the revision created last."""
    status = raw.get("status") or {}
    created = status.get("latestCreatedRevisionName") or ""
    is_ready = bool(created) and status.get("latestReadyRevisionName") == created
    return _view(raw, created, is_ready=is_ready)


def as_primary(raw: Object, keys: Sequence[str]) -> WorkloadView | None:
    """The view of the primary's revision; None before there is one.

    It was ready when it became that; requests not being led anywhere shows that it is no more.
    """
    annotations = raw["metadata"].get("annotations") or {}
    name = annotations.get(well_known.PRIMARY_REVISION_ANNOTATION)
    if not name:
        return None
    latest = project(raw, keys)
    if latest.revision == name:
        return latest
    conditions = (raw.get("status") or {}).get("conditions") or ()
    causes = {each.get("reason") for each in conditions if each.get("type") == "RoutesReady"}
    is_missing = "RevisionMissing" in causes
    return replace(_view(raw, name, is_ready=not is_missing), generation=0, images=())


def judge(
    view: WorkloadView,
    percent: int,  # noqa: ARG001
    deadline: timedelta,  # noqa: ARG001
    began: datetime,  # noqa: ARG001
    now: datetime,  # noqa: ARG001
) -> Readiness:
    """Whether the revision is ready; waiting for it has no deadline."""
    if view.generation > view.status.observed_generation:
        return readiness.stale("service")
    if view.status.available_replicas:
        return READY
    message = f"Knative Revision {view.revision}.{view.namespace} is not ready"
    return Readiness(ready=False, message=message)


def patience_ends(view: WorkloadView, deadline: timedelta, began: datetime) -> None:
    """None: there is no deadline."""


def _view(raw: Object, revision: str, *, is_ready: bool) -> WorkloadView:
    metadata, template = raw["metadata"], (raw.get("spec") or {}).get("template") or {}
    return WorkloadView(
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata.get("uid") or "",
        generation=metadata.get("generation") or 0,
        replicas=_ONE,
        revision=revision,
        selector_label=None,
        images=deployment.images(template.get("spec") or {}),
        status=WorkloadStatus(
            observed_generation=(raw.get("status") or {}).get("observedGeneration") or 0,
            replicas=_ONE,
            updated_replicas=_ONE,
            available_replicas=_ONE if is_ready else 0,
        ),
    )
