"""Kinds of targets: what of a workload depends on its kind; one line of the registry each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from clients.documents.world import WorkloadView
from clients.kube import resources
from clients.kube.protocol import Object
from clients.kube.resources import Resource
from config.api.canary import Canary
from config.api.references import Adapter
from config.readiness import Readiness
from workloads import daemon_set, deployment, knative, primary, service


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How primaries are made from targets, and targets scaled: pure functions over raw objects.

    `scaled` is the JSON patch that brings a target to a number of replicas, as its views count
    them.
    """

    create: Callable[..., dict[str, Any]]
    """The primary of a target; as `primary.create`."""
    promote: Callable[..., Sequence[Mapping[str, Any]]]
    """The JSON patch that gives the primary its target's revision; as `primary.promote`."""
    scaled: Callable[[int, Object], Sequence[Mapping[str, Any]]]
    is_scaled_as_read: bool = False
    """Whether that patch depends on the object as it is; else an empty one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Pure functions over raw objects and views of one kind of target.

    A view says 0 `replicas` for one that is scaled to zero, whatever form that has.
    """

    name: Adapter
    resource: Resource
    project: Callable[[Object, Sequence[str]], WorkloadView]
    judge: Callable[[WorkloadView, int, timedelta, datetime, datetime], Readiness]
    patience_ends: Callable[[WorkloadView, timedelta, datetime], datetime | None]
    as_primary: Callable[[Object, Sequence[str]], WorkloadView | None] | None = None
    """The view of a primary, where it is not just another object of the kind."""
    making: Making | None
    """None for objects that hold traffic: only routing workers may write those."""


_ALL: Final = (
    Kind(
        name=Adapter.DEPLOYMENT,
        resource=resources.DEPLOYMENTS,
        project=deployment.project,
        judge=deployment.judge,
        patience_ends=deployment.patience_ends,
        making=Making(create=primary.create, promote=primary.promote, scaled=deployment.scaled),
    ),
    Kind(
        name=Adapter.DAEMON_SET,
        resource=resources.DAEMON_SETS,
        project=daemon_set.project,
        judge=daemon_set.judge,
        patience_ends=daemon_set.patience_ends,
        making=Making(
            create=daemon_set.create,
            promote=daemon_set.promote,
            scaled=daemon_set.scaled,
            is_scaled_as_read=True,
        ),
    ),
    Kind(
        name=Adapter.SERVICE,
        resource=resources.SERVICES,
        project=service.project,
        judge=service.judge,
        patience_ends=service.patience_ends,
        making=None,
    ),
    Kind(
        name=Adapter.KNATIVE_SERVICE,
        resource=resources.KNATIVE_SERVICES,
        project=knative.project,
        judge=knative.judge,
        patience_ends=knative.patience_ends,
        as_primary=knative.as_primary,
        making=None,
    ),
)
KINDS: Final[Mapping[Adapter, Kind]] = MappingProxyType({kind.name: kind for kind in _ALL})
BY_RESOURCE: Final[Mapping[Resource, Kind]] = MappingProxyType(
    {kind.resource: kind for kind in _ALL}
)


def of(canary: Canary) -> Kind:
    """The kind of the canary's target and primary. Raises KeyError for one that is not admitted."""
    return KINDS[canary.spec.target_ref.adapter]
