"""A Canary that can be acted on, and where the objects are that it refers to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from analysis.metrics import checks
from clients.documents.packed import packed
from clients.documents.world import ADMISSION, PRIMARY, SCALER, TARGET, TEMPLATES, TWIN
from clients.kube import resources
from clients.kube.protocol import Object
from clients.kube.resources import Resource
from config import derived, names
from config.api.canary import Canary
from config.refs import CanaryRef
from config.traffic import RouteStage
from config.validation.rules import ANALYSIS
from routing import services
from routing.registry import Routers
from routing.router import SOURCE
from workloads import kinds, scalers


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
class AlertUse:
    """An AlertProvider that a manifest refers to."""

    place: Place
    field: str
    """Where the manifest refers to it."""


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
    strategy: str
    """The kind of its rollouts."""
    templates: tuple[TemplateUse, ...] = ()
    """What it shares with other canaries."""
    alerts: tuple[AlertUse, ...] = ()
    """The same; it is carried out without them."""

    @property
    def referred(self) -> Iterator[tuple[str, Place]]:
        """All objects that it refers to, each after its role; of alerts no more is kept."""
        yield from self.places.items()
        yield from ((TEMPLATES, use.place) for use in self.templates)
        yield from ((ADMISSION, use.place) for use in self.alerts)

    def names(self, resource: Resource) -> bool:
        """Whether it refers to objects of a resource."""
        return any(place.resource == resource for _, place in self.referred)

    def needs(self, resource: Resource) -> bool:
        """Whether it is not carried out without objects of a resource."""
        return resource != resources.ALERT_PROVIDERS and self.names(resource)


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
        strategy=derived.strategy_kind(derived.carried_out(canary, default_provider)).value,
        templates=tuple(_templates(canary)),
        alerts=tuple(_alerts(canary)),
    )


def _alerts(canary: Canary) -> Iterator[AlertUse]:
    for index, alert in enumerate(canary.spec.analysis.alerts):
        ref, field = alert.provider_ref, f"{ANALYSIS}.alerts[{index}].providerRef"
        namespace = ref.namespace or canary.namespace
        yield AlertUse(Place(resources.ALERT_PROVIDERS, namespace, ref.name), field)


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
    metadata = raw.get("metadata") if isinstance(raw, Mapping) else None
    return metadata if isinstance(metadata, Mapping) else {}


def place(resource: Resource, raw: Any) -> Place | None:
    """Where `raw` is; None for what is not an object with a name and a namespace."""
    known = metadata_of(raw)
    namespace, name = known.get("namespace"), known.get("name")
    if not (isinstance(namespace, str) and isinstance(name, str) and namespace and name):
        return None
    return Place(resource, namespace, name)


def _places(canary: Canary, default_provider: str, routers: Routers) -> dict[str, Place]:
    routed = (
        *services.managed(canary, RouteStage.EXPOSED),
        *routers.chosen(canary, default_provider).resources(canary),
    )
    places = {str(each.role): Place(each.resource, canary.namespace, each.name) for each in routed}
    workloads = {
        TARGET: canary.spec.target_ref.name,
        PRIMARY: names.primary_workload(canary),
    }
    kind = kinds.of(canary).resource
    if kinds.of(canary).as_primary:  # it is its own primary
        workloads[PRIMARY] = canary.spec.target_ref.name
    if canary.spec.target_ref.is_kubernetes_service:
        workloads[SOURCE] = canary.spec.target_ref.name
    places |= {role: Place(kind, canary.namespace, name) for role, name in workloads.items()}
    ref, scaler = canary.spec.autoscaler_ref, scalers.of(canary)
    if ref is None or scaler is None:
        return places
    autoscalers = {SCALER: ref.name, TWIN: names.primary_scaler(ref)}
    kind = scaler.resource
    return places | {
        role: Place(kind, canary.namespace, name) for role, name in autoscalers.items()
    }
