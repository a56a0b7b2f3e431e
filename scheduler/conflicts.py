"""What is wrong with a manifest because of the other objects in the cluster. Pure.

What can be said of the manifest alone is `config.validation.admission`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from analysis import templates
from clients.documents.world import (
    PRIMARY,
    SCALER,
    TARGET,
    TWIN,
    ShownStatus,
    TemplateView,
    WorkloadView,
)
from clients.kube.protocol import Object
from clients.kube.resources import Resource
from config.api.status import IN_ROLLOUT
from config.refs import CanaryRef
from config.validation import support
from config.validation.problems import Problem, ProblemReason
from config.validation.support import CarriedOut
from routing import services
from scheduler.manifests import AlertUse, Manifest, Named, Place, TemplateUse
from scheduler.projections import AUTOSCALERS, WORKLOADS, ProviderView
from workloads import kinds
from workloads import primary as primaries
from workloads.scalers import scaler as autoscalers

REMEMBERED: Final = 4096
"""Queries of which the leader knows whether they can be rendered: it looks at a canary whenever
something of it changes, and a query may be long."""


def of_names(manifest: Manifest, taken: Mapping[Place, CanaryRef]) -> tuple[Problem, ...]:
    """The first object of `manifest` that somebody has already; that of the target comes first."""
    for role in (*WORKLOADS, *sorted(manifest.places.keys() - set(WORKLOADS))):
        if manifest.places[role] in taken:
            return (_taken(manifest, role, taken[manifest.places[role]]),)
    return ()


def _taken(manifest: Manifest, role: str, owner: CanaryRef) -> Problem:
    place = manifest.places[role]
    field, name = "spec.targetRef.name", manifest.places[TARGET].name
    if role in AUTOSCALERS:
        field, name = "spec.autoscalerRef.name", manifest.places[SCALER].name
    elif role not in WORKLOADS and manifest.service:
        field, name = "spec.service.name", manifest.service
    text = (
        f'Invalid value: "{name}": {place.resource.kind.lower()} {place.name}.{owner.namespace} is '
        f"already that of canary {owner}; allowed is a name that no other canary uses, nor its "
        "-primary and -canary"
    )
    is_target = role == TARGET
    reason = ProblemReason.TARGET_CONFLICT if is_target else ProblemReason.NAME_CONFLICT
    return Problem.of(field, text, reason, blocking=True)


def of_rollout(
    good: Manifest | None, current: Manifest | None, status: ShownStatus
) -> tuple[Problem, ...]:
    """The first object in which the manifests differ, while a rollout leads traffic by `good`.

    What has traffic would be left behind with it.
    """
    if good is None or current is None or not has_traffic(status):
        return ()
    for role in (*WORKLOADS, *sorted(good.places.keys() - {*WORKLOADS, *AUTOSCALERS})):
        if current.places.get(role) != good.places[role]:
            return (_moved(good, role),)
    return ()


def has_traffic(status: ShownStatus) -> bool:
    """Whether the canary has traffic by its status, or is about to get some."""
    weight = status.fields.get("canaryWeight")
    is_weighed = isinstance(weight, int) and weight > 0
    return is_weighed or str(status.fields.get("phase")) in IN_ROLLOUT  # of anybody's making


def _moved(good: Manifest, role: str) -> Problem:
    place = good.places[role]
    field = "spec.targetRef" if role in WORKLOADS else "spec.service.name"
    text = (
        f"the rollout of {place.resource.kind.lower()} {place.name}.{place.namespace} ends first; "
        "a change of target, names or provider takes effect when it has"
    )
    return Problem.of(field, text, ProblemReason.IN_ROLLOUT, blocking=True)


def unwatched(resource: Resource, why: str) -> Problem:
    """The problem of a canary with objects of a resource that cannot be listed."""
    text = f"the leader cannot watch {resource.plural}: {why}"
    return Problem.of("", text, ProblemReason.NOT_WATCHED, blocking=True)


def odd(place: Place, why: str) -> Problem:
    """The problem of a canary of whose object in a place not everything can be read."""
    text = f"{place.resource.kind} {place.name}.{place.namespace} cannot be read: {why}"
    return Problem.of("", text, ProblemReason.ODD_OBJECT, blocking=False)


def of_workloads(
    manifest: Manifest,
    target: WorkloadView | None,
    primary: WorkloadView | None,
    left_by: Collection[str],
    selector_labels: Sequence[str],
) -> Iterator[Problem]:
    """What keeps the manifest in force from being carried out with these workloads.

    `left_by` as in `clients.documents.world.Admission`.
    """
    if target is None:
        yield _absent(manifest.places[TARGET])
        return
    resource = manifest.places[TARGET].resource
    if kinds.BY_RESOURCE[resource].making is None:
        return
    kind = resource.kind
    if target.selector_label is None:  # its pods cannot be told from the primary's
        message = primaries.no_selector_label(target, kind, selector_labels)
        yield Problem.of("", message, ProblemReason.NO_SELECTOR_LABEL, blocking=True)
    if manifest.has_shared_service and not target.shared_labels:
        message = f"{kind.lower()} {target.name}.{target.namespace} {services.NO_SHARED_LABEL}"
        reason = ProblemReason.NO_SELECTOR_LABEL
        yield Problem.of("spec.service.subsets", f"true: {message}", reason, blocking=True)
    objection = primary and primaries.objection(
        primary, kind, manifest.ref, manifest.uid, target=target, left_by=left_by
    )
    if objection:
        yield Problem.of("", objection, ProblemReason.PRIMARY_CONFLICT, blocking=True)


def of_autoscalers(
    manifest: Manifest, scaler: Object | None, twin: Object | None, left_by: Collection[str]
) -> Iterator[Problem]:
    """What keeps the autoscaler that the manifest in force names from getting its twin.

    Nothing starts, steps up or is promoted until it is there: its number of pods would be nobody's.
    """
    if SCALER not in manifest.places:
        return
    if scaler is None:
        field, reason = "spec.autoscalerRef.name", ProblemReason.AUTOSCALER_NOT_FOUND
        yield Problem.of(field, _not_found(manifest.places[SCALER]), reason, blocking=True)
    why = twin and autoscalers.objection(
        twin, manifest.ref, manifest.uid, manifest.places[PRIMARY].name, left_by
    )
    if why:
        yield Problem.of("", why, ProblemReason.AUTOSCALER_CONFLICT, blocking=True)


def of_former_twins(
    manifest: Manifest, controlled: Mapping[Place, Object | None]
) -> Iterator[Problem]:
    """Which autoscalers that the canary `controlled` are left of an autoscalerRef that it had.

    They scale on what they were made for, and nobody here has the right to delete them.
    """
    for place, twin in controlled.items():
        if twin is None or place == manifest.places.get(TWIN):
            continue
        scaled = autoscalers.scaled_by(twin)
        text = (
            f"{place.resource.kind} {place.name}.{place.namespace}, the twin of an autoscaler that "
            f"the canary names no more, scales {scaled} on; delete that twin"
        )
        yield Problem.of("spec.autoscalerRef", text, ProblemReason.SUSPICIOUS, blocking=False)


def of_templates(
    manifest: Manifest, known: Callable[[Place], TemplateView | None], able: CarriedOut
) -> Iterator[Problem]:
    """What keeps the queries of MetricTemplates that the manifest in force names from being asked.

    Nothing starts, steps up or is promoted until they can be: it would not be measured.
    """
    for use in manifest.templates:
        for text, reason in _of_template(use, known(use.place), able):
            yield Problem.of(use.field, text, reason, blocking=True)


def _of_template(
    use: TemplateUse, view: TemplateView | None, able: CarriedOut
) -> Iterator[tuple[str, ProblemReason]]:
    if view is None:
        yield _not_found(use.place), ProblemReason.TEMPLATE_NOT_FOUND
        return
    label = f"{use.place.resource.kind} {use.place.name}.{use.place.namespace}"
    for text in view.problems or _not_rendered(view.query, use.names, use.variables):
        yield f"{label}: {text}", ProblemReason.INVALID_TEMPLATE
    for problem in () if view.problems else support.of_backend(view.kind, able):
        yield f"{label}: {problem}", problem.reason


def of_alerts(
    manifest: Manifest, known: Callable[[Place], ProviderView | None], unlisted: str
) -> Iterator[Problem]:
    """Which alerts of the manifest in force are not sent. The rollout is the same without them.

    `unlisted` is why AlertProviders cannot be watched, empty when they can.
    """
    for use in manifest.alerts:
        for text in _of_provider(use, known(use.place), unlisted):
            yield Problem.of(use.field, text, ProblemReason.NOT_CARRIED_OUT, blocking=False)


def _of_provider(use: AlertUse, view: ProviderView | None, unlisted: str) -> Iterator[str]:
    if unlisted:
        yield f"the leader cannot watch {use.place.resource.plural}: {unlisted}"
    elif view is None:
        yield _not_found(use.place)
    else:
        label = f"{use.place.resource.kind} {use.place.name}.{use.place.namespace}"
        yield from (f"{label}: {text}" for text in view.problems)


@lru_cache(maxsize=REMEMBERED)
def _not_rendered(query: str, names: Named, variables: Named) -> tuple[str, ...]:
    """What keeps a query from being rendered, if anything does."""
    try:
        templates.render(query, dict(names), dict(variables))
    except templates.TemplateError as error:
        return (f"spec.query: {error}",)
    return ()


def _absent(target: Place) -> Problem:
    """The problem of a target that does not exist, or not yet."""
    field, reason = "spec.targetRef.name", ProblemReason.TARGET_NOT_FOUND
    return Problem.of(field, _not_found(target), reason, blocking=False)


def _not_found(place: Place) -> str:
    resource, namespace, name = place
    return (
        f"Invalid value: {name!r}: {resource.kind.lower()} {name}.{namespace} not found; "
        f"allowed is the name of an existing {resource.kind} in namespace {namespace}"
    )
