"""Knative: traffic entries of the target itself, for its latest revision and the primary's.

Unlike Flagger's, weights are read where they are written, in the spec: its status lags, and right
after a promotion both entries are about one revision (D-85).
Pure. Rules: docs/compatibility/routing.md, "Knative".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from clients.kube import resources
from clients.kube.protocol import Object
from clients.kube.resources import Resource
from config import meshes, well_known
from config.api.canary import Canary
from config.traffic import Feature, TrafficSplit
from routing.router import (
    Live,
    Managed,
    TargetFacts,
    UnreadableRoute,
    UnroutableCanary,
    refuse_beyond,
)

KNATIVE_SERVICE: Final = "knative-service"


class Knative:
    """The codec; without state."""

    name = meshes.KNATIVE
    carrier: str | None = KNATIVE_SERVICE
    features: frozenset[Feature] = frozenset()
    options: frozenset[str] = frozenset()
    writes: Mapping[str, Resource] = MappingProxyType({KNATIVE_SERVICE: resources.KNATIVE_SERVICES})

    def resources(self, canary: Canary) -> tuple[Managed, ...]:
        """The target."""
        name = canary.spec.target_ref.name
        return (Managed(KNATIVE_SERVICE, resources.KNATIVE_SERVICES, name),)

    def render(
        self,
        managed: Managed,
        canary: Canary,
        target: TargetFacts | None,  # noqa: ARG002
        split: TrafficSplit,
        live: Live,
    ) -> Object:
        """The target with the traffic of `split`; see `Router.render`."""
        refuse_beyond(self.features, split, _label(canary))
        present = live.get(managed.role)
        primary = _primary(present)
        if present is None or not primary:
            raise UnroutableCanary(f"{_label(canary)} has no primary revision yet")
        traffic = [
            {"latestRevision": True, "percent": split.canary},
            {"revisionName": primary, "percent": split.primary},
        ]
        return {**present, "spec": {**present.get("spec", {}), "traffic": traffic}}

    def released(
        self,
        canary: Canary,  # noqa: ARG002
        live: Object,
        *,
        is_ours: bool,  # noqa: ARG002
    ) -> Object | None:
        """The target without the name of a primary's revision; its traffic stays as it is."""
        noted = live["metadata"].get("annotations") or {}
        kept = {
            key: text
            for key, text in noted.items()
            if key != well_known.PRIMARY_REVISION_ANNOTATION
        }
        return {**live, "metadata": {**live["metadata"], "annotations": kept}}

    def parse(self, canary: Canary, live: Live) -> TrafficSplit | None:
        """The weights of the two entries; see `Router.parse`."""
        present = live.get(KNATIVE_SERVICE)
        if present is None:
            return None
        entries, primary = present.get("spec", {}).get("traffic") or (), _primary(present)
        latest = [each for each in entries if each.get("latestRevision")]
        others = [each for each in entries if not each.get("latestRevision")]
        former = [each for each in others if primary and each.get("revisionName") == primary]
        try:
            return TrafficSplit(_percent(former), _percent(latest))
        except ValueError as error:
            raise UnreadableRoute(f"{_label(canary)} cannot be read: {error}") from error


def promoted(present: Object | None, promote: str, base: str) -> Object | None:
    """`present` with the revision that is to be the primary's: `promote`, else the one it has.

    If it has none, that is `base`, the one promoted last, and before the first the latest.
    """
    if present is None:
        return None
    latest = (present.get("status") or {}).get("latestCreatedRevisionName") or ""
    wanted = promote or _primary(present) or base or latest
    if not wanted:
        return present
    metadata = present["metadata"]
    annotations = metadata.get("annotations") or {}
    marked = {**annotations, well_known.PRIMARY_REVISION_ANNOTATION: wanted}
    return {**present, "metadata": {**metadata, "annotations": marked}}


def _primary(present: Object | None) -> str:
    annotations = ((present or {}).get("metadata") or {}).get("annotations") or {}
    return str(annotations.get(well_known.PRIMARY_REVISION_ANNOTATION) or "")


def _percent(entries: Iterable[Mapping[str, Any]]) -> int:
    """The percentage of all requests that `entries` lead somewhere."""
    return sum(each.get("percent") or 0 for each in entries)


def _label(canary: Canary) -> str:
    return f"Knative Service {canary.spec.target_ref.name}.{canary.namespace}"
