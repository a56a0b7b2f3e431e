"""Copies of requests for a canary that answers none yet: what blue/green and weights share."""

from __future__ import annotations

from dataclasses import replace

from config import requests
from config.api.canary import Canary
from config.traffic import ALL_TO_PRIMARY, Mirror, TrafficSplit


def split(canary: Canary) -> TrafficSplit:
    """All requests to the primary, and copies to the canary where its manifest asks for them.

    With `match`, of the chosen requests.
    """
    analysis = canary.spec.analysis
    if not analysis.mirror:
        return ALL_TO_PRIMARY
    mirror = Mirror(analysis.mirror_weight or None)
    return replace(ALL_TO_PRIMARY, mirror=mirror, match=requests.matched(canary))


def resumed(canary: Canary, live: TrafficSplit) -> TrafficSplit:
    """The same, with copies only if the `live` route makes some."""
    return split(canary) if live.mirror is not None else ALL_TO_PRIMARY
