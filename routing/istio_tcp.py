"""TCP rules of a VirtualService, for services whose `appProtocol` is `tcp`.

Pure. Rules: docs/compatibility/routing.md, "TCP services". Of `service.match` only ports apply to
connections; a TCP rule cannot mirror.
"""

from __future__ import annotations

from typing import Any

from config.api.canary import Canary
from config.traffic import TrafficSplit
from routing import istio_http


def is_tcp(canary: Canary) -> bool:
    """Whether this canary divides connections instead of requests."""
    return (canary.spec.service.app_protocol or "").lower() == "tcp"


def rules(canary: Canary, split: TrafficSplit) -> list[dict[str, Any]]:
    """The rule that divides connections by weight."""
    conditions = [
        {} if match.port is None else {"port": match.port} for match in canary.spec.service.match
    ]
    rule: dict[str, Any] = {"match": conditions} if conditions else {}
    return [{**rule, "route": istio_http.destinations(canary, split)}]
