"""Primary and canary as destinations of Istio: a host each, or two subsets of the apex Service.

Pure. Rules: docs/compatibility/routing.md, "Subsets of one host".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from config import names, well_known
from config.api.canary import Canary
from routing import services
from routing.router import TargetFacts, UnroutableCanary


class Side(StrEnum):
    """Where a request can be led to; the texts are names of subsets."""

    PRIMARY = "primary"
    CANARY = "canary"


def destination(canary: Canary, side: Side) -> dict[str, Any]:
    """The destination of a side, without a port."""
    if canary.spec.service.subsets:
        return {"host": names.apex_name(canary), "subset": side.value}
    return {"host": _host(canary, side)}


def side_of(canary: Canary, live: Mapping[str, Any]) -> Side | None:
    """The side that a live destination is, in either form; None for any other destination."""
    host, subset = live.get("host"), live.get("subset")
    if host == names.apex_name(canary):
        return next((side for side in Side if side == subset), None)
    return next((side for side in Side if _host(canary, side) == host), None)


def subsets(canary: Canary, target: TargetFacts) -> list[dict[str, Any]]:
    """The subsets of the apex Service, by the label that tells both sides' pods apart.

    Raises UnroutableCanary where no other label is on the pods of both: the Service could not
    select them.
    """
    if not target.shared_labels:
        raise UnroutableCanary(
            f"{names.apex_name(canary)}.{canary.namespace} {services.NO_SHARED_LABEL}"
        )
    primary = target.label_value + well_known.PRIMARY_SUFFIX
    labels = {Side.PRIMARY: primary, Side.CANARY: target.label_value}
    return [
        {"name": side.value, "labels": {target.label_key: value}} for side, value in labels.items()
    ]


def has_subsets(live: Mapping[str, Any] | None) -> bool:
    """Whether a live DestinationRule has the subsets of both sides."""
    named = {each.get("name") for each in ((live or {}).get("spec") or {}).get("subsets") or ()}
    return named >= {side.value for side in Side}


def _host(canary: Canary, side: Side) -> str:
    match side:
        case Side.PRIMARY:
            return names.primary_service(canary)
        case Side.CANARY:
            return names.canary_service(canary)
