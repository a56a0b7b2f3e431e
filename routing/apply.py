"""The one writer of traffic: brings Services and mesh objects to what an intent asks for.

With live objects as fresh as a watch's, a weight step costs one PATCH and an intent in force costs
nothing. The failure of one object never keeps the others, least of all the weights, from being
written. Every write carries the `resourceVersion` it was computed from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clients import errors
from clients.documents.outcome import Applied, Outcome, Refusal, Rejected, Superseded
from clients.documents.world import World
from clients.kube.protocol import Kube, Object
from config.api.canary import Canary
from config.traffic import RouteIntent, RouteStage
from routing import diff, messages, metadata, services, sources
from routing.messages import Doing
from routing.router import (
    ODD_SHAPE,
    Managed,
    Router,
    ServiceRole,
    UnreadableRoute,
    UnroutableCanary,
    split_in_force,
)
from routing.sources import Source, Wanted

TRIES: Final = 3
"""Writes of one object in one call: each further one follows a read after a conflict."""


class _Overtaken(Exception):
    """Someone else changed the object, and what is wanted has changed as well."""


class _WriteFailed(Exception):
    """What was refused, and how."""

    def __init__(self, doing: Doing, error: errors.ClientError) -> None:
        super().__init__(doing)
        self.doing = doing
        self.error = error


@dataclass(slots=True)
class Convergence:
    """One try to bring about one intent, and what it has learned and done so far.

    What somebody else controls is refused, save the objects that other canaries have left.
    """

    kube: Kube
    canary: Canary
    intent: RouteIntent
    world: World
    """What was last seen; without a target (it is gone) the Services are left alone."""
    superseded: Callable[[], bool]
    """Asked after a conflict, before writing over what someone else wrote: whether the intent is
    not the newest any more."""
    router: Router
    promote: str = ""
    """The revision to be given to a primary that is itself traffic; empty for none."""
    base: str = ""
    """The revision that it was given last; empty before the first."""
    live: dict[str, Object | None] = field(init=False)
    wanted: Wanted = field(init=False)
    written: dict[str, Object] = field(default_factory=dict)
    observed: dict[str, Object] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    is_reachable: bool = True
    foreign: set[str] = field(default_factory=set)
    """Roles of objects that somebody else controls: to lead requests there would be wrong too."""

    def __post_init__(self) -> None:
        """Begins with what was last seen, as plain dicts: each is looked at dozens of times."""
        self.live = {role: dict(raw) for role, raw in self.world.routes.items()}
        given = self.promote, self.base
        self.wanted = Wanted(self.canary, self.intent, self.world, self.router, *given)

    def bring_about(self) -> Outcome:
        """Writes whatever differs, and says how it ended."""
        if refusal := self._source.refusal(self.wanted):
            self.refusals.append(refusal)
        objects = self._objects()
        for managed in objects:
            try:
                self._owned(self.live.get(managed.role))
            except metadata.Foreign as foreign:
                self._refuse_foreign(managed, foreign)
        try:
            for managed in self._objects() if self.foreign else objects:
                # Each call to a server that does not answer costs a whole timeout.
                if self.is_reachable or self._is_carrier(managed.role):
                    self._attempt(managed)
        except _Overtaken:
            return Superseded("a newer intent exists", self.written, self.observed)
        return self._outcome()

    @property
    def _source(self) -> Source:
        return sources.of(self.canary)

    def _objects(self) -> tuple[Managed, ...]:
        """The objects to write, in order, so that no request is led to something absent.

        On first exposure the weights come last, after everything they lead to; once that is there,
        or the route is ours, they come first, so that nothing else can delay a rollback. Services
        cannot be rendered without the target.
        """
        is_led = self._source.is_route or self.intent.stage is RouteStage.EXPOSED
        own = services.managed(self.canary, self.intent.stage)
        every = (*own, *(self.router.resources(self.canary) if is_led else ()))
        carrier = tuple(each for each in every if self._is_carrier(each.role))
        rest = tuple(each for each in every if not self._is_carrier(each.role))
        is_complete = all(self.live.get(each.role) is not None for each in rest)
        can_make = self._source.is_there(self.wanted, self.live)
        others = tuple(each for each in rest if can_make or each.role not in sources.SERVICES)
        if not self._missing() and (is_complete or self._is_ours()):
            return (*carrier, *others)
        return (*others, *carrier)

    def _missing(self) -> tuple[str, ...]:
        """Roles of the Services that requests are led to and that do not exist."""
        split = self.intent.split
        own = {each.role for each in services.managed(self.canary, RouteStage.EXPOSED)}
        reached = {
            ServiceRole.PRIMARY: split.reaches_primary,
            ServiceRole.CANARY: split.reaches_canary,
        }
        return tuple(
            role.value
            for role, is_led_to in reached.items()
            if is_led_to and role in own and not self.live.get(role)
        )

    def _is_ours(self) -> bool:
        """Whether the live route leads to our Services already."""
        try:
            return split_in_force(self.router, self.canary, self.live) is not None
        except UnreadableRoute:
            return False

    def _is_carrier(self, role: str) -> bool:
        """Whether the weights are in this object."""
        return role == self.router.carrier

    def _attempt(self, managed: Managed) -> None:
        """Writes one object where it differs; a failure becomes a refusal."""
        if managed.role in self.foreign:
            return
        missing = self._missing() if self._is_carrier(managed.role) else ()
        if missing:
            self.refusals.append(messages.no_destination(self.canary, managed, missing))
            return
        try:
            self._reach(managed)
        except metadata.Foreign as foreign:
            self._refuse_foreign(managed, foreign)
        except ODD_SHAPE as odd:
            self.refusals.append(messages.unreadable(self.canary, managed, odd))
        except UnroutableCanary as error:
            self.refusals.append(messages.unroutable(managed, error))
        except _WriteFailed as failed:
            refusal = messages.write_failed(self.canary, managed, failed.doing, failed.error)
            self.refusals.append(refusal)
            if isinstance(failed.error, errors.Transient):
                self.is_reachable = False

    def _refuse_foreign(self, managed: Managed, foreign: metadata.Foreign) -> None:
        """Refuses what somebody else controls, and takes it for absent from here on."""
        self.refusals.append(messages.foreign(self.canary, managed, foreign))
        self.foreign.add(managed.role)
        self.live[managed.role] = None

    def _reach(self, managed: Managed) -> None:
        """Writes one object until it is as desired, with as few calls as that takes."""
        role, reread = managed.role, False
        present = self.live.get(role)
        for tries_left in reversed(range(TRIES)):
            desired = self._render(managed, self._owned(present))
            change = None if present is None else diff.patch(present, desired)
            if present is not None and not change:
                if reread:
                    self.live[role] = self.observed[role] = metadata.bare(present)
                return
            try:
                made = self._write(managed, desired, change)
            except errors.ClientError as error:
                if not (tries_left and _is_out_of_date(present, error)):
                    doing = Doing.CREATE if present is None else Doing.UPDATE
                    raise _WriteFailed(doing, error) from error
                present, reread = self._look_again(managed), True
            else:
                self.live[role] = self.written[role] = metadata.bare(made)
                return

    def _owned(self, live: Object | None) -> Object | None:
        return metadata.owned(live, self.canary, self.world.left_by)

    def _render(self, managed: Managed, present: Object | None) -> Object:
        """The object as it should be, where it is as `present` now."""
        return self._source.render(managed, self.wanted, {**self.live, managed.role: present})

    def _write(self, managed: Managed, whole: Object, change: Mapping[str, Any] | None) -> Object:
        place = managed.resource, self.canary.namespace
        if change is None:
            return self.kube.create(*place, whole)
        return self.kube.patch(*place, managed.name, change)

    def _look_again(self, managed: Managed) -> Object | None:
        """The object as it is now, for another try; None when it is gone."""
        if self.superseded():
            raise _Overtaken
        try:
            return self.kube.get(managed.resource, self.canary.namespace, managed.name)
        except errors.NotFound:
            return None
        except errors.ClientError as error:
            raise _WriteFailed(Doing.READ, error) from error

    def _outcome(self) -> Outcome:
        if self.refusals:
            gravest_first = sorted(self.refusals, key=lambda each: not self._is_carrier(each.role))
            is_exposed = self.intent.stage is RouteStage.EXPOSED
            in_force = is_exposed and not self._is_carrier(gravest_first[0].role)
            return Rejected(tuple(gravest_first), self.written, self.observed, in_force)
        return Applied(self.written, self.observed)


def _is_out_of_date(present: Object | None, error: errors.ClientError) -> bool:
    """Whether the object is not what it was thought to be; a missing namespace stays missing."""
    is_gone = present is not None and isinstance(error, errors.NotFound)
    return is_gone or isinstance(error, errors.Conflict)
