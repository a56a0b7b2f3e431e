"""The one writer of traffic: brings Services and mesh objects to what an intent asks for.

With live objects as fresh as a watch's, a weight step costs one PATCH and an intent in force costs
nothing. The failure of one object never keeps the others, least of all the weights, from being
written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from clients import errors
from clients.documents.outcome import Applied, Outcome, Refusal, Rejected, Superseded, Unchanged
from clients.documents.world import WorkloadView, World
from clients.kube.protocol import Kube, Object
from config import meshes
from config.api.canary import Canary
from config.traffic import RouteIntent, RouteStage
from routing import messages, metadata, order, services
from routing.converge import Converged, Convergence, Overtaken, WriteFailed
from routing.registry import ROUTERS, Routers
from routing.router import ODD_SHAPE, Live, Managed, Router, TargetFacts, UnroutableCanary


def _never() -> bool:
    return False


class RouteWriter:
    """Brings route intents about; `default_provider` is the controller's."""

    def __init__(self, default_provider: str = meshes.ISTIO, routers: Routers = ROUTERS) -> None:
        self._routers = routers
        self._default_provider = default_provider

    def write(
        self,
        kube: Kube,
        canary: Canary,
        intent: RouteIntent,
        world: World,
        superseded: Callable[[], bool] = _never,
    ) -> Outcome:
        """How bringing about `intent` through `kube` ended.

        `world` is what was last seen; without a target (it is gone) the Services are left alone.
        `superseded` is asked after a conflict, before writing over what someone else wrote:
        whether the intent is not the newest any more. What somebody else controls is refused, save
        the objects that other canaries have left.

        Raises NoRouter.
        """
        router = self._routers.chosen(canary, self._default_provider)
        progress = _Progress(dict(world.routes))
        facts = _facts(canary, world.target, progress)
        door = Convergence(kube, canary.namespace, superseded)
        return _carry_out(_Plan(canary, facts, intent, router, world.left_by), door, progress)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What should be, without what is."""

    canary: Canary
    target: TargetFacts | None
    intent: RouteIntent
    router: Router
    left_by: Collection[str]

    def owned(self, live: Object | None) -> Object | None:
        """`live`, if it may be written; raises Foreign."""
        return metadata.owned(live, self.canary, self.left_by)

    def render(self, role: str, live: Live) -> Object:
        """The object in `role` as it should be; raises UnroutableCanary."""
        if self.target is not None:
            rendered = services.render(self.canary, self.target, self.intent.stage, live)
            if role in rendered:
                return rendered[role]
        return self.router.render(self.canary, self.target, self.intent.split, live)[role]

    def is_carrier(self, managed: Managed) -> bool:
        """Whether the weights are in this object."""
        return managed.role == self.router.carrier

    def objects(self, live: Live) -> tuple[Managed, ...]:
        """The objects to write, in order; Services cannot be rendered without the target."""
        ordered = order.of_writing(self.canary, self.router, self.intent, live)
        mesh = self.router.resources(self.canary)
        return ordered if self.target else tuple(one for one in ordered if one in mesh)


@dataclass(slots=True)
class _Progress:
    """What has been learned and done so far."""

    live: dict[str, Object | None]
    written: dict[str, Object] = field(default_factory=dict)
    observed: dict[str, Object] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    is_reachable: bool = True
    foreign: set[str] = field(default_factory=set)
    """Roles of objects that somebody else controls: to lead requests there would be wrong too."""

    def note(self, role: str, converged: Converged) -> None:
        """Keep the newest form of an object."""
        kept = self.live[role] = metadata.bare(converged.object)
        if converged.wrote:
            self.written[role] = kept
        elif converged.reread:
            self.observed[role] = kept


def _facts(canary: Canary, target: WorkloadView | None, progress: _Progress) -> TargetFacts | None:
    """What Services need to know; a target that does not tell is a refusal like any other."""
    if target is None:
        return None
    facts = TargetFacts.of(target)
    if facts is None:
        progress.refusals.append(messages.no_selector_label(canary))
    return facts


def _carry_out(plan: _Plan, door: Convergence, progress: _Progress) -> Outcome:
    _set_foreign_apart(plan, progress)
    try:
        for managed in plan.objects(progress.live):
            if managed.role in progress.foreign:
                continue
            # Each call to a server that does not answer costs a whole timeout.
            if progress.is_reachable or plan.is_carrier(managed):
                _attempt(plan, door, managed, progress)
    except Overtaken:
        return Superseded("a newer intent exists", progress.written, progress.observed)
    return _outcome(plan, progress)


def _set_foreign_apart(plan: _Plan, progress: _Progress) -> None:
    """Refuses what somebody else controls, and takes it for absent from here on."""
    for managed in plan.objects(progress.live):
        try:
            plan.owned(progress.live.get(managed.role))
        except metadata.Foreign as foreign:
            _refuse_foreign(plan, managed, foreign, progress)


def _refuse_foreign(
    plan: _Plan, managed: Managed, foreign: metadata.Foreign, progress: _Progress
) -> None:
    progress.refusals.append(messages.foreign(plan.canary, managed, foreign))
    progress.foreign.add(managed.role)
    progress.live[managed.role] = None


def _attempt(plan: _Plan, door: Convergence, managed: Managed, progress: _Progress) -> None:
    """Writes one object where it differs; a failure becomes a refusal."""
    missing = order.missing_destinations(plan.intent.split, progress.live)
    if plan.is_carrier(managed) and missing:
        progress.refusals.append(messages.no_destination(plan.canary, managed, missing))
        return

    def desired(present: Object | None) -> Object:
        return plan.render(managed.role, {**progress.live, managed.role: plan.owned(present)})

    try:
        converged = door.reach(managed, progress.live.get(managed.role), desired)
    except metadata.Foreign as foreign:
        _refuse_foreign(plan, managed, foreign, progress)
    except ODD_SHAPE as odd:
        progress.refusals.append(messages.unreadable(plan.canary, managed, odd))
    except UnroutableCanary as error:
        progress.refusals.append(messages.unroutable(managed, error))
    except WriteFailed as failure:
        progress.refusals.append(messages.write_failed(plan.canary, managed, failure))
        progress.is_reachable &= not isinstance(failure.error, errors.Transient)
    else:
        progress.note(managed.role, converged)


def _outcome(plan: _Plan, progress: _Progress) -> Outcome:
    if progress.refusals:
        gravest_first = sorted(progress.refusals, key=lambda one: one.role != plan.router.carrier)
        is_exposed = plan.intent.stage is RouteStage.EXPOSED
        in_force = is_exposed and gravest_first[0].role != plan.router.carrier
        return Rejected(tuple(gravest_first), progress.written, progress.observed, in_force)
    if progress.written:
        return Applied(progress.written, progress.observed)
    return Unchanged(progress.observed)
