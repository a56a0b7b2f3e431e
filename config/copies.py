"""What of a Service is copied to the Services of the sides, and what makes it another release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from config import canonical

ALLOCATED: Final = frozenset({"clusterIPs", "healthCheckNodePort", "loadBalancerIP"})
"""Fields of a spec that the API server gives to one Service alone, as are node ports."""

HEADLESS: Final = "None"


def copied(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a Service as that of another one, which gets addresses of its own."""
    kept = {key: value for key, value in spec.items() if key not in ALLOCATED}
    if kept.get("clusterIP") != HEADLESS:
        kept.pop("clusterIP", None)
    ports = [
        {key: value for key, value in port.items() if key != "nodePort"}
        for port in spec.get("ports") or ()
    ]
    return {**kept, **({"ports": ports} if ports else {})}


def revision(spec: Mapping[str, Any]) -> str:
    """The digest of what is copied, the same for source and copy.

    The traffic distribution is left out, which a manifest may override.
    """
    kept = {key: value for key, value in copied(spec).items() if key != "trafficDistribution"}
    return canonical.digest(kept)
