"""The workloads and pods of both sides of a canary, read from raw objects. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from cli.console import raw
from cli.console.facts import Facts
from cli.console.raw import Raw
from clients.documents.world import WorkloadView
from config.api.references import KNATIVE_API_VERSION, Adapter, TargetKind
from config.settings.canaries import CanarySettings
from workloads import kinds
from workloads.kinds import Kind

_LABELS: Final = CanarySettings().selector_labels
_WITHOUT_PODS: Final = frozenset({Adapter.SERVICE, Adapter.KNATIVE_SERVICE})
"""Kinds whose pods belong to other objects."""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod; `state` is the reason for which a container waits or ended, else the pod's phase."""

    name: str
    ready: bool
    state: str
    restarts: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side's workload; `available` of `wanted` pods take traffic, None where there are none.

    `revision` is that of its pod template, without ConfigMaps and Secrets: the same on both sides
    when the primary runs what the target holds. Empty when that is not known.
    """

    name: str
    workload: str
    missing: str = ""
    """Why nothing is known of the workload; empty when it was read."""
    wanted: int | None = None
    available: int | None = None
    images: tuple[str, ...] = ()
    revision: str = ""
    selector: str = ""
    pods: tuple[Pod, ...] = ()
    unlisted: str = ""
    """Why its pods are not known; empty when they are, or were not asked for."""

    @property
    def tag(self) -> str:
        """The images without registry and path, for people."""
        return ", ".join(image.rpartition("/")[2] for image in self.images)


def kind(canary: Facts) -> Kind | None:
    """How the target's kind is read; None for one that nothing here knows."""
    if canary.kind == TargetKind.SERVICE and canary.api_version == KNATIVE_API_VERSION:
        return kinds.KINDS[Adapter.KNATIVE_SERVICE]
    return kinds.KINDS.get(Adapter(canary.kind)) if canary.kind in set(Adapter) else None


def side(name: str, label: str, target: Kind, workload: Raw, *, primary: bool) -> Side:
    """The side called `name` with its raw `workload`, which people know as `label`."""
    keys = (*_LABELS, *(raw.at(workload, "spec", "selector", "matchLabels") or ()))
    read = target.as_primary if primary and target.as_primary else target.project
    view: WorkloadView | None = read(workload, keys)
    found = Side(name=name, workload=label, images=tuple(_images(workload)))
    if view is None:
        return replace(found, missing="not there yet")
    found = replace(found, revision=view.revision)
    if target.name in _WITHOUT_PODS:
        return found
    return replace(
        found,
        wanted=view.replicas,
        available=view.status.available_replicas,
        selector=_selector(workload),
    )


def pods(items: Iterable[Raw]) -> tuple[Pod, ...]:
    """The pods, those that are not ready first, then the newest."""
    return tuple(sorted(map(_pod, items), key=_rank))


def _rank(pod: Pod) -> tuple[bool, float, str]:
    return pod.ready, -(pod.since.timestamp() if pod.since else 0.0), pod.name


def _pod(item: Raw) -> Pod:
    containers = tuple(raw.mappings(item, "status", "containerStatuses"))
    ready = any(
        raw.text(each, "type") == "Ready" and raw.text(each, "status") == "True"
        for each in raw.mappings(item, "status", "conditions")
    )
    phase = raw.text(item, "status", "phase") or "Unknown"
    going = "Terminating" if raw.text(item, "metadata", "deletionTimestamp") else ""
    return Pod(
        name=raw.text(item, "metadata", "name"),
        ready=ready and not going,
        state=going or next(filter(None, map(_trouble, containers)), "") or phase,
        restarts=sum(raw.number(each, "restartCount") for each in containers),
        since=raw.moment(item, "metadata", "creationTimestamp"),
    )


def _trouble(container: Raw) -> str:
    state = raw.at(container, "state")
    return raw.text(state, "waiting", "reason") or raw.text(state, "terminated", "reason")


def _images(workload: Raw) -> Iterator[str]:
    template = raw.at(workload, "spec", "template", "spec")
    return (raw.text(each, "image") for each in raw.mappings(template, "containers"))


def _selector(workload: Raw) -> str:
    labels: Any = raw.at(workload, "spec", "selector", "matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
