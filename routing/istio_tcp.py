"""TCP rules of a VirtualService, for services whose `appProtocol` is `tcp`.

Pure. Rules: docs/compatibility/routing.md, "TCP services". Of `service.match` only ports apply to
connections; a TCP rule cannot mirror.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from config.api.canary import Canary
from config.traffic import TrafficSplit
from routing import istio_http
from routing.istio_http import Rule

MANAGED: Final = frozenset({"match", "route"})
"""Fields of a TCP rule that are set, or removed when the canary does not ask for them."""


def is_tcp(canary: Canary) -> bool:
    """Whether this canary divides connections instead of requests."""
    return (canary.spec.service.app_protocol or "").lower() == "tcp"


def rules(canary: Canary, split: TrafficSplit, live: Sequence[Rule]) -> list[Rule]:
    """The rule that divides connections by weight; fields unknown to us are kept from `live`."""
    conditions = [
        {} if match.port is None else {"port": match.port} for match in canary.spec.service.match
    ]
    rule: dict[str, Any] = istio_http.foreign_fields(canary, live, MANAGED)
    if conditions:
        rule["match"] = conditions
    return [{**rule, "route": istio_http.destinations(canary, split)}]
