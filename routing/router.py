"""The protocol of a mesh, the roles of a canary's Services, and facts of a target.

Pure declarations: codecs implement them, `apply` drives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Protocol, Self

from clients.documents.world import ContainerPort, SelectorLabel, WorkloadView
from clients.kube.protocol import Object
from clients.kube.resources import Resource
from config.api.canary import Canary
from config.traffic import Feature, TrafficSplit

Live = Mapping[str, Object | None]
"""Role to the object as last seen; None or absent: there is none, as far as we know."""


class ServiceRole(StrEnum):
    """What each Service is to its canary, whatever the mesh; a router names its own objects."""

    CANARY = "canary-service"
    PRIMARY = "primary-service"
    APEX = "apex-service"


SOURCE: Final = "source-service"
"""The role of a target that is itself a Service: others are copies of it, and it is not written."""


class Managed(NamedTuple):
    """One object that is written for a canary, in the canary's namespace.

    Its role is what it is to the canary: the key under which it is observed and written.
    """

    role: str
    resource: Resource
    name: str


ODD_SHAPE: Final = (AttributeError, LookupError, TypeError, ValueError)
"""What reading an object of an impossible shape raises, which a lax CRD may let through."""


class UnreadableRoute(Exception):
    """A live route that shows no split; its text says why, in words for an event."""


class UnroutableCanary(Exception):
    """A canary whose routing objects cannot be made; its text is in words for an event."""


def split_in_force(router: Router, canary: Canary, live: Live) -> TrafficSplit | None:
    """The split that the live objects have in force; None without a route.

    Raises UnreadableRoute, also for a route of an impossible shape.
    """
    try:
        return router.parse(canary, live)
    except ODD_SHAPE as error:
        raise UnreadableRoute(repr(error)) from error


def refuse_beyond(features: frozenset[Feature], split: TrafficSplit, label: str) -> None:
    """Nothing when a route with `features` can say all of `split`; `label` names its object.

    Raises UnroutableCanary: a part left out would send somebody where he should not be.
    """
    missing = split.features - features
    if missing:
        able = ", ".join(["weights", *sorted(features)])
        raise UnroutableCanary(f"{label} cannot carry {', '.join(sorted(missing))}, but: {able}")


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What Services need to know of the target: its selector label and its containers' ports.

    `shared_labels` are other labels that its pods and those of its primary have.
    """

    label_key: str
    label_value: str
    ports: tuple[ContainerPort, ...] = ()
    shared_labels: tuple[SelectorLabel, ...] = ()

    @classmethod
    def of(cls, target: WorkloadView) -> Self | None:
        """The facts in the view of a target; None for one whose pods no label selects."""
        label = target.selector_label
        return cls(*label, target.ports, target.shared_labels) if label else None


class Router(Protocol):
    """A mesh as a codec of pure functions."""

    @property
    def name(self) -> str:
        """The provider name."""

    @property
    def carrier(self) -> str | None:
        """Role of the object that holds the weights; None when the provider moves no traffic."""

    @property
    def features(self) -> frozenset[Feature]:
        """What its routes can say besides weights; `render` refuses anything else."""

    @property
    def options(self) -> frozenset[str]:
        """What it heeds of the fields that not every mesh knows: `config.validation.support`."""

    @property
    def writes(self) -> Mapping[str, Resource]:
        """Role to kind, of all objects it ever writes; no other router has such roles.

        What is watched, kept and allowed to the routing workers follows from this.
        """

    def resources(self, canary: Canary) -> tuple[Managed, ...]:
        """The mesh objects of one canary, in the order of creation: the carrier comes last."""

    def render(
        self,
        managed: Managed,
        canary: Canary,
        target: TargetFacts | None,
        split: TrafficSplit,
        live: Live,
    ) -> Object:
        """One of the `resources` as it should be, fields of `live` that are not ours kept.

        Without `target` (the workload is gone) labels and annotations stay as they are.
        Raises UnroutableCanary.
        """

    def parse(self, canary: Canary, live: Live) -> TrafficSplit | None:
        """The split in force, as far as `features` go; None without a route. Inverse of `render`.

        Raises UnreadableRoute for a route that is not one of ours, or no longer.
        """

    def released(self, canary: Canary, live: Object, *, is_ours: bool) -> Object | None:
        """The carrier as it is left when the canary goes, with which it goes if it `is_ours`.

        None where that is what it was before it was taken over, as notes on it tell.
        """
