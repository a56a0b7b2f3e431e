"""What the Services and routes of a canary are made of, by the kind of its target. Pure.

Pods are selected by Services, a Service has copies of itself, and a Knative Service leads to its
revisions by itself. A kind of target that holds traffic in another way is one more class here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from clients.documents.outcome import Refusal
from clients.documents.world import World
from clients.kube.protocol import Object
from config.api.canary import Canary
from config.api.references import Adapter
from config.traffic import RouteIntent, RouteStage
from routing import copies, knative, messages, services
from routing.router import SOURCE, Live, Managed, Router, ServiceRole, TargetFacts

SERVICES: Final = frozenset(ServiceRole)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be brought about, and what was last seen.

    `promote` is the revision to be given to a primary that is itself traffic, empty for none, and
    `base` the one that it was given last, empty before the first.
    """

    canary: Canary
    intent: RouteIntent
    world: World
    router: Router
    promote: str
    base: str


class Source(ABC):
    """A kind of target, as far as routes are concerned."""

    is_route: ClassVar[bool] = False
    """Whether the target is written as the route, which is there from the beginning."""

    def is_there(self, wanted: Wanted, live: Live) -> bool:  # noqa: ARG002
        """Whether there is what Services are made of."""
        return False

    def refusal(self, wanted: Wanted) -> Refusal | None:  # noqa: ARG002
        """Why Services can never be made of the target as it is; None when they can."""
        return None

    @abstractmethod
    def render(self, managed: Managed, wanted: Wanted, live: Live) -> Object:
        """A Service, or an object of the mesh, as it should be. Raises UnroutableCanary."""


class Pods(Source):
    """Deployments and DaemonSets; Services select their pods by a label."""

    def is_there(self, wanted: Wanted, live: Live) -> bool:  # noqa: ARG002
        """Whether the target is there, and has such a label."""
        return _facts(wanted) is not None

    def refusal(self, wanted: Wanted) -> Refusal | None:
        """The refusal of a target whose pods no label selects."""
        has_label = wanted.world.target is None or _facts(wanted) is not None
        return None if has_label else messages.unselectable(wanted.canary)

    def render(self, managed: Managed, wanted: Wanted, live: Live) -> Object:
        """See `Source.render`."""
        target, canary, split = _facts(wanted), wanted.canary, wanted.intent.split
        if target is None or managed.role not in SERVICES:
            return wanted.router.render(managed, canary, target, split, live)
        is_apex = wanted.router.carrier == ServiceRole.APEX
        side = services.exposed(split) if is_apex else ServiceRole.PRIMARY
        return services.render(managed, canary, target, live, wanted.world.primary, apex=side)


class Copies(Source):
    """Services; those of the sides are copies of them."""

    def is_there(self, wanted: Wanted, live: Live) -> bool:  # noqa: ARG002
        """Whether the target is there."""
        return live.get(SOURCE) is not None

    def render(self, managed: Managed, wanted: Wanted, live: Live) -> Object:
        """See `Source.render`."""
        source = live.get(SOURCE)
        if source is None or managed.role not in SERVICES:
            return wanted.router.render(managed, wanted.canary, None, wanted.intent.split, live)
        known = {wanted.promote, wanted.base} - {""}
        return copies.render(managed, wanted.canary, source, live, known)


class Revisions(Source):
    """Knative Services; there are no others for them."""

    is_route = True

    def render(self, managed: Managed, wanted: Wanted, live: Live) -> Object:
        """The target with its primary revision; with weights once that is served."""
        marked = knative.promoted(live.get(managed.role), wanted.promote, wanted.base)
        if marked is not None and wanted.intent.stage is not RouteStage.EXPOSED:
            return marked
        seen = {**live, managed.role: marked}
        return wanted.router.render(managed, wanted.canary, None, wanted.intent.split, seen)


def of(canary: Canary) -> Source:
    """What the routes of a canary are made of."""
    return _SOURCES[canary.spec.target_ref.adapter]


def _facts(wanted: Wanted) -> TargetFacts | None:
    return TargetFacts.of(wanted.world.target) if wanted.world.target else None


_SOURCES: Final[Mapping[Adapter, Source]] = {
    Adapter.DEPLOYMENT: Pods(),
    Adapter.DAEMON_SET: Pods(),
    Adapter.SERVICE: Copies(),
    Adapter.KNATIVE_SERVICE: Revisions(),
}
