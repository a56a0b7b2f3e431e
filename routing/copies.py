"""The Services of a canary whose target is itself a Service: copies of it. Pure.

The canary's follows the target, the primary's gets what was promoted. Unlike Flagger's, they are
written when they differ, keep their owner, and never ask for another Service's addresses.
Rules: docs/compatibility/routing.md, "Services as targets".
"""

from __future__ import annotations

from collections.abc import Collection

from clients.kube.protocol import Object
from config import copies, well_known
from config.api.canary import Canary
from routing import metadata
from routing.metadata import Marks
from routing.router import Live, Managed, ServiceRole, UnroutableCanary


def render(
    service: Managed, canary: Canary, source: Object, live: Live, known: Collection[str]
) -> Object:
    """`service` as it should be, a copy of `source`; addresses and node ports of a live copy stay.

    `known` are the revisions that the primary's copy may be given: what is promoted, or was; none
    before the first one. Raises UnroutableCanary where it is gone and the source holds another.
    """
    present, spec = live.get(service.role), source.get("spec") or {}
    is_free = service.role == ServiceRole.CANARY or not known
    if not (is_free or copies.revision(spec) in known):
        if present is not None:
            return present
        raise UnroutableCanary(
            f"service {service.name} is gone and cannot be made anew: service "
            f"{source['metadata']['name']} holds revision {copies.revision(spec)}, allowed is "
            f"{' or '.join(sorted(known))}"
        )
    wanted = copies.copied(spec)
    if canary.spec.service.traffic_distribution:
        wanted["trafficDistribution"] = canary.spec.service.traffic_distribution
    if present is None:
        return metadata.new_object(canary, service, _marks(source), wanted)
    before = present.get("spec") or {}
    node_ports = {
        port.get("name"): port["nodePort"]
        for port in before.get("ports") or ()
        if "nodePort" in port
    }
    ports = [
        {**port, "nodePort": node_ports[name]} if (name := port.get("name")) in node_ports else port
        for port in wanted.get("ports") or ()
    ]
    kept = {key: before[key] for key in (*copies.ALLOCATED, "clusterIP") if key in before}
    return {**present, "spec": {**wanted, **kept, **({"ports": ports} if ports else {})}}


def _marks(source: Object) -> Marks:
    """The labels and annotations of the source, save what describes that object itself."""
    own = source["metadata"]
    annotations = own.get("annotations") or {}
    left_out = well_known.LAST_APPLIED_ANNOTATION
    kept = {key: text for key, text in annotations.items() if key != left_out}
    return Marks(own.get("labels") or {}, kept)
