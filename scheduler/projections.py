"""What is kept of each observed object, and under which role. Pure.

The worlds of all canaries are in Redis and read on every tick, so bookkeeping that decides nothing
(managedFields, resourceVersions where nobody needs them) stays out: what is not kept cannot wake
anybody by changing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, NamedTuple

from analysis.metrics import checks
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
from config import derived, names
from config.api.canary import Canary
from config.refs import CanaryRef
from config.traffic import RouteStage
from config.validation import metric_templates
from config.validation.problems import InvalidSpec
from config.validation.rules import ANALYSIS
from routing import metadata, services
from routing.registry import Routers
from routing.router import SOURCE
from workloads import kinds, scalers
from workloads.kinds import Kind
from workloads.scalers import SCALERS
from workloads.scalers.scaler import projected

OWN_ROLES: Final = frozenset(
    {CANARY, STATUS, ADMISSION, TARGET, PRIMARY, SCALER, TWIN, CONFIGS, TEMPLATES}
)
"""Roles of every canary, whatever its mesh; all others are of objects that hold traffic."""

WORKLOADS: Final = (TARGET, PRIMARY)
AUTOSCALERS: Final = (SCALER, TWIN)

Projection = WorkloadView | TemplateView | Object
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
    """What is watched: canaries, MetricTemplates, workloads, autoscalers, and what routers write.

    AlertProviders are not: that no alerts are sent is reported of the canaries that ask for some.
    """
    targets = (kind.resource for kind in kinds.KINDS.values())
    autoscalers = (scaler.resource for scaler in SCALERS.values())
    kept = (
        resources.CANARIES,
        resources.METRIC_TEMPLATES,
        *targets,
        *autoscalers,
        *routers.writes.values(),
    )
    return tuple(dict.fromkeys(kept))


class Place(NamedTuple):
    """Where an object is: its resource (meshes share plurals), its namespace and name."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.resource.plural}/{self.namespace}/{self.name}"


Named = tuple[tuple[str, str], ...]
"""Texts by name."""


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """A MetricTemplate that a manifest refers to, and what its query is rendered with."""

    place: Place
    field: str
    """Where the manifest refers to it."""
    names: Named
    variables: Named


@dataclass(frozen=True, slots=True)
class Manifest:
    """A Canary that can be acted on, and what it refers to."""

    raw: Object
    """Packed."""
    ref: CanaryRef
    """Name of the Canary object this was written in."""
    uid: str
    """Identity of that object."""
    generation: int
    """Which edit of that object this is."""
    service: str | None
    """`spec.service.name`, if given."""
    places: Mapping[str, Place]
    """Role to the object in it. Two canaries must not share any of them."""
    has_shared_service: bool
    """Whether one Service selects the pods of target and primary."""
    ready_percents: tuple[int, int]
    """How many of the pods must be available, of target and primary."""
    templates: tuple[TemplateUse, ...] = ()
    """What it shares with other canaries."""

    @property
    def referred(self) -> Iterator[tuple[str, Place]]:
        """All objects that it refers to, each after its role."""
        yield from self.places.items()
        yield from ((TEMPLATES, use.place) for use in self.templates)

    def needs(self, resource: Resource) -> bool:
        """Whether it refers to objects of a resource."""
        return any(place.resource == resource for _, place in self.referred)


def manifest(bare: Object, canary: Canary, default_provider: str, routers: Routers) -> Manifest:
    """The manifest `canary`, which was read from the bare object `bare`."""
    metadata, analysis = bare["metadata"], canary.spec.analysis
    return Manifest(
        raw=packed(bare),
        ref=canary.ref,
        uid=str(metadata.get("uid") or ""),
        generation=generation(metadata),
        service=canary.spec.service.name,
        places=_places(canary, default_provider, routers),
        has_shared_service=canary.spec.service.subsets,
        ready_percents=(analysis.canary_ready_threshold, analysis.primary_ready_threshold),
        templates=tuple(_templates(canary)),
    )


def _templates(canary: Canary) -> Iterator[TemplateUse]:
    """The MetricTemplates that are asked; none where the analysis is skipped."""
    metrics = () if canary.spec.skip_analysis else canary.spec.analysis.metrics
    for index, entry in enumerate(metrics):
        if ref := derived.template(canary, entry):
            yield TemplateUse(
                Place(resources.METRIC_TEMPLATES, ref.namespace, ref.name),
                f"{ANALYSIS}.metrics[{index}].templateRef",
                tuple(checks.query_names(canary, derived.metric_window(entry)).items()),
                tuple(entry.template_variables.items()),
            )


def generation(metadata: Mapping[str, Any]) -> int:
    """Which edit of an object its metadata tell; 0 for none, or what is no number."""
    number = metadata.get("generation")
    return number if isinstance(number, int) else 0


def metadata_of(raw: Any) -> Mapping[str, Any]:
    """The metadata of `raw`; empty for what has none."""
    found = raw.get("metadata") if isinstance(raw, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def place(resource: Resource, raw: Any) -> Place | None:
    """Where `raw` is; None for what is not an object with a name and a namespace."""
    known = metadata_of(raw)
    namespace, name = known.get("namespace"), known.get("name")
    if not (isinstance(namespace, str) and isinstance(name, str) and namespace and name):
        return None
    return Place(resource, namespace, name)


def bare_canary(raw: Object) -> dict[str, Any]:
    """A Canary object without its status and what every write of it changes."""
    kept = {key: value for key, value in raw.items() if key != "status"}
    unsaid = {"managedFields", "resourceVersion"}
    kept["metadata"] = {k: value for k, value in raw["metadata"].items() if k not in unsaid}
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
    autoscalers = {scaler.resource: autoscaling for scaler in SCALERS.values()}
    workloads = {kind.resource: viewed(kind) for kind in kinds.KINDS.values()}
    templates = {resources.METRIC_TEMPLATES: _template}
    return {**workloads, **autoscalers, **routes, **templates}


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


def _places(canary: Canary, default_provider: str, routers: Routers) -> dict[str, Place]:
    routed = (
        *services.managed(canary, RouteStage.EXPOSED),
        *routers.chosen(canary, default_provider).resources(canary),
    )
    found = {str(one.role): Place(one.resource, canary.namespace, one.name) for one in routed}
    workloads = {
        TARGET: canary.spec.target_ref.name,
        PRIMARY: names.primary_workload(canary),
    }
    kind = kinds.of(canary).resource
    if kinds.of(canary).as_primary:  # it is its own primary
        workloads[PRIMARY] = canary.spec.target_ref.name
    if canary.spec.target_ref.is_kubernetes_service:
        workloads[SOURCE] = canary.spec.target_ref.name
    found |= {role: Place(kind, canary.namespace, name) for role, name in workloads.items()}
    ref, scaler = canary.spec.autoscaler_ref, scalers.of(canary)
    if ref is None or scaler is None:
        return found
    autoscalers = {SCALER: ref.name, TWIN: names.primary_scaler(ref)}
    kind = scaler.resource
    return found | {role: Place(kind, canary.namespace, name) for role, name in autoscalers.items()}
