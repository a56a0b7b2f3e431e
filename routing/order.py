"""In which order objects are written, so that no request is led to something that is not there.

Pure. Two rules: on first exposure the weights come last, after everything they lead to; once that
is there, or the route is ours, they come first, so that nothing else can delay a rollback.
"""

from __future__ import annotations

from config.api.canary import Canary
from config.traffic import RouteIntent, RouteStage, TrafficSplit
from routing import services
from routing.router import (
    Live,
    Managed,
    Router,
    ServiceRole,
    UnreadableRoute,
    split_in_force,
)


def of_writing(
    canary: Canary, router: Router, intent: RouteIntent, live: Live
) -> tuple[Managed, ...]:
    """The objects of the intent's stage in the order of writing."""
    own_services = services.managed(canary, intent.stage)
    if intent.stage is not RouteStage.EXPOSED:
        return own_services
    objects = (*own_services, *router.resources(canary))
    carrier = [managed for managed in objects if managed.role == router.carrier]
    others = [managed for managed in objects if managed.role != router.carrier]
    if missing_destinations(intent.split, live):
        return (*others, *carrier)
    is_complete = all(live.get(managed.role) is not None for managed in others)
    carrier_leads = is_complete or _is_ours(canary, router, live)
    return (*carrier, *others) if carrier_leads else (*others, *carrier)


def missing_destinations(split: TrafficSplit, live: Live) -> tuple[str, ...]:
    """Roles of the Services that `split` leads requests to and that do not exist."""
    shares = ((ServiceRole.PRIMARY, split.primary), (ServiceRole.CANARY, split.canary))
    return tuple(role.value for role, share in shares if share and live.get(role) is None)


def _is_ours(canary: Canary, router: Router, live: Live) -> bool:
    """Whether the live route leads to our Services already."""
    try:
        return split_in_force(router, canary, live) is not None
    except UnreadableRoute:
        return False
