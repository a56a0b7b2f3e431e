"""What is kept of each observed object, and under which role. Pure.

The worlds of all canaries are in Redis and read on every tick, so bookkeeping that decides nothing
(managedFields, resourceVersions where nobody needs them) stays out: what is not kept cannot wake
anybody by changing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from analysis.news import News
from clients.documents.confirmed import Lane
from clients.documents.packed import packed
from clients.documents.world import (
    ADMISSION,
    CANARY,
    CONFIGS,
    PRIMARY,
    SCALER,
    STATUS,
    TARGET,
    TEMPLATES,
    TWIN,
    TemplateView,
    WorkloadView,
)
from clients.kube import decoding, resources
from clients.kube.protocol import Object
from clients.kube.resources import Resource
from config import well_known
from config.validation import alert_providers, metric_templates
from config.validation.problems import InvalidSpec
from routing import metadata
from routing.registry import Routers
from routing.router import SOURCE
from workloads import kinds
from workloads.kinds import Kind
from workloads.scalers import SCALERS
from workloads.scalers.scaler import projected

OWN_ROLES: Final = frozenset(
    {CANARY, STATUS, ADMISSION, TARGET, PRIMARY, SCALER, TWIN, CONFIGS, TEMPLATES}
)
"""Roles of every canary, whatever its mesh; all others are of objects that hold traffic."""

WORKLOADS: Final = (TARGET, PRIMARY)
AUTOSCALERS: Final = (SCALER, TWIN)
AUTOSCALING: Final = tuple(scaler.resource for scaler in SCALERS.values())
"""The resources of autoscalers."""


@dataclass(frozen=True, slots=True)
class ProviderView:
    """An AlertProvider: the `problems` that keep it unused. Where it leads to, no leader needs."""

    problems: tuple[str, ...] = ()


Projection = WorkloadView | TemplateView | ProviderView | Object
"""What is kept of an object other than a Canary."""


def news(role: str) -> News:
    """What a change of the object in a role may be good for, if nothing more is known of it.

    Routes, autoscalers and the status are mended without a decision; templates are read with the
    next check.
    """
    is_read = role in {CANARY, ADMISSION, TARGET, PRIMARY, CONFIGS}
    return News.DECIDES if is_read else News.NONE


@cache
def drifting(changed: frozenset[str]) -> Mapping[Lane, frozenset[str]]:
    """Per lane the roles whose change may have taken it away from what is wanted."""
    routed, shown = changed - (OWN_ROLES - {CANARY}), changed & {STATUS}
    scaled = changed & set(AUTOSCALERS)
    lanes = {Lane.ROUTE: routed, Lane.WORKLOAD: scaled, Lane.STATUS: shown}
    return {lane: roles for lane, roles in lanes.items() if roles}


def roles(routers: Routers) -> frozenset[str]:
    """All roles there are."""
    return OWN_ROLES | routers.writes.keys() | {SOURCE}


def watched(routers: Routers) -> tuple[Resource, ...]:
    """What is watched: what canaries refer to, and what routers write."""
    targets = (kind.resource for kind in kinds.KINDS.values())
    kept = (
        resources.CANARIES,
        resources.METRIC_TEMPLATES,
        resources.ALERT_PROVIDERS,
        *targets,
        *AUTOSCALING,
        *routers.writes.values(),
    )
    return tuple(dict.fromkeys(kept))


def bare_canary(raw: Object) -> dict[str, Any]:
    """A Canary object without its status, what every write of it changes, and others' notes on it.

    Those of tools are as long as its manifest at least, and 256 KiB at most: each look at the
    canary would read them.
    """
    kept = {key: value for key, value in raw.items() if key != "status"}
    unsaid = {"managedFields", "resourceVersion", "annotations"}
    kept["metadata"] = {k: value for k, value in raw["metadata"].items() if k not in unsaid}
    notes = raw["metadata"].get("annotations")
    if isinstance(notes, Mapping) and well_known.NUDGE_ANNOTATION in notes:
        nudge = {well_known.NUDGE_ANNOTATION: notes[well_known.NUDGE_ANNOTATION]}
        kept["metadata"]["annotations"] = nudge
    return decoding.Odd(kept, raw.reason) if isinstance(raw, decoding.Odd) else kept


def projector(
    selector_labels: Sequence[str], routers: Routers, *, tracks: bool = True
) -> Mapping[Resource, Callable[[Object], Projection]]:
    """Resource to what is kept of its objects; of workloads their configs if it `tracks` them."""

    def viewed(kind: Kind) -> Callable[[Object], WorkloadView]:
        if tracks:
            return lambda raw: kind.project(raw, selector_labels)
        return lambda raw: replace(kind.project(raw, selector_labels), configs=())

    def bare(raw: Object) -> Object:
        return packed(metadata.bare(raw))

    def autoscaling(raw: Object) -> Object:
        return packed(projected(raw))

    routes = dict.fromkeys(routers.writes.values(), bare)
    autoscalers = dict.fromkeys(AUTOSCALING, autoscaling)
    workloads = {kind.resource: viewed(kind) for kind in kinds.KINDS.values()}
    templates = {resources.METRIC_TEMPLATES: _template}
    providers = {resources.ALERT_PROVIDERS: _provider}
    return {**workloads, **autoscalers, **routes, **templates, **providers}


def _provider(raw: Object) -> ProviderView:
    """What is wrong with an AlertProvider."""
    try:
        alert_providers.load_provider(raw)
    except InvalidSpec as invalid:
        return ProviderView(tuple(map(str, invalid.problems)))
    return ProviderView()


def _template(raw: Object) -> TemplateView:
    """What is kept of a MetricTemplate, or all that is wrong with it."""
    try:
        spec = metric_templates.load_template(raw)
    except InvalidSpec as invalid:
        return TemplateView(problems=tuple(map(str, invalid.problems)))
    provider = spec.provider
    return TemplateView(
        kind=provider.type.value,
        address=provider.address or "",
        headers=tuple(sorted(provider.headers.items())),
        secret=provider.secret_ref.name if provider.secret_ref else "",
        region=provider.region or "",
        verify_tls=not provider.insecure_skip_verify,
        query=spec.query,
    )
