"""Provider names to routers, and the split that live objects have in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from config import providers
from config.canary import Canary
from config.traffic import TrafficSplit
from routing.istio import Istio
from routing.router import Live, Router

ROUTERS: Final[Mapping[str, Router]] = {router.name: router for router in (Istio(),)}


class UnknownProvider(ValueError):
    """A provider without a router here; the message lists those that have one."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} has no router; known are {', '.join(sorted(ROUTERS))}")
        self.name = name


def router(provider: str) -> Router:
    """The router of `provider`, aliases resolved (`smi:istio` is `istio`).

    Raises UnknownProvider: another mesh's objects would be worse than none.
    """
    try:
        return ROUTERS[providers.canonical(provider)]
    except (KeyError, providers.UnknownProvider):
        raise UnknownProvider(provider) from None


def router_of(canary: Canary, default_provider: str = providers.ISTIO) -> Router:
    """The router of the canary's provider, or of the controller's default.

    Raises UnknownProvider.
    """
    return router(canary.spec.provider or default_provider)


def in_force(
    canary: Canary, live: Live, default_provider: str = providers.ISTIO
) -> TrafficSplit | None:
    """The split the live objects have in force; None when there is no route.

    Raises UnreadableRoute, UnknownProvider.
    """
    return router_of(canary, default_provider).parse(canary, live)
