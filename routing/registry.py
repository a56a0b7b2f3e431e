"""Provider names to routers, and the split that live objects have in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from config import meshes
from config.api.canary import Canary
from config.traffic import TrafficSplit
from routing.istio import Istio
from routing.router import Live, Router

ROUTERS: Final[Mapping[str, Router]] = {router.name: router for router in (Istio(),)}


class NoRouter(ValueError):
    """A provider without a router here; the message lists those that have one."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} has no router; known are {', '.join(sorted(ROUTERS))}")
        self.name = name


def router(provider: str) -> Router:
    """The router of `provider`, aliases resolved (`smi:istio` is `istio`).

    Raises NoRouter: another mesh's objects would be worse than none.
    """
    try:
        return ROUTERS[meshes.canonical(provider)]
    except (KeyError, meshes.UnknownMesh):
        raise NoRouter(provider) from None


def router_of(canary: Canary, default_provider: str = meshes.ISTIO) -> Router:
    """The router of the canary's provider, or of the controller's default.

    Raises NoRouter.
    """
    return router(canary.spec.provider or default_provider)


def in_force(
    canary: Canary, live: Live, default_provider: str = meshes.ISTIO
) -> TrafficSplit | None:
    """The split the live objects have in force; None when there is no route.

    Raises UnreadableRoute, NoRouter.
    """
    return router_of(canary, default_provider).parse(canary, live)
