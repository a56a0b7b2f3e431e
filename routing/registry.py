"""Provider names to routers, and what all of them together write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from clients.kube import resources
from clients.kube.resources import Resource
from config import meshes
from config.api.canary import Canary
from config.traffic import TrafficSplit
from routing.istio import Istio
from routing.knative import Knative
from routing.kubernetes import Kubernetes
from routing.router import Live, Router, ServiceRole, split_in_force


class NoRouter(ValueError):
    """A provider without a router here; the message lists those that have one."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"{name!r} has no router; known are {', '.join(sorted(known))}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Routers:
    """A registry of routers by provider."""

    by_name: Mapping[str, Router]

    @classmethod
    def of(cls, *routers: Router) -> Self:
        """The registry of `routers`.

        Raises ValueError when two have the same provider or a role in common.
        """
        by_name = {router.name: router for router in routers}
        roles = Counter([*ServiceRole, *(role for router in routers for role in router.writes)])
        if len(by_name) < len(routers) or max(roles.values()) > 1:
            raise ValueError("two routers with one provider, or with one role; allowed is one")
        return cls(MappingProxyType(by_name))

    @property
    def writes(self) -> Mapping[str, Resource]:
        """Role to kind, of all objects that hold traffic."""
        own = dict.fromkeys(map(str, ServiceRole), resources.SERVICES)
        return own | {
            role: kind for router in self.by_name.values() for role, kind in router.writes.items()
        }

    def named(self, provider: str) -> Router:
        """The router of `provider`, aliases resolved (`smi:istio` is `istio`).

        Raises NoRouter: another mesh's objects would be worse than none.
        """
        try:
            return self.by_name[meshes.canonical(provider)]
        except (KeyError, meshes.UnknownMesh):
            raise NoRouter(provider, self.by_name) from None

    def chosen(self, canary: Canary, default_provider: str = meshes.ISTIO) -> Router:
        """The router of the canary's provider, or of the controller's default.

        Raises NoRouter.
        """
        return self.named(canary.spec.provider or default_provider)

    def in_force(
        self, canary: Canary, live: Live, default_provider: str = meshes.ISTIO
    ) -> TrafficSplit | None:
        """The split the live objects have in force; None when there is no route.

        Raises UnreadableRoute, NoRouter.
        """
        return split_in_force(self.chosen(canary, default_provider), canary, live)


ROUTERS: Final = Routers.of(Istio(), Kubernetes(), Knative())
"""Those of this application."""
