"""How the canaries stand: statuses and events through the Kubernetes API, checks by the timeline.

Reads only; what it gives is plain values for the view and the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.demo.story import Act
from clients import errors
from clients.kube.protocol import Object
from clients.kube.resources import CANARIES, DEPLOYMENTS, EVENTS, VIRTUAL_SERVICES
from clients.kube.rest import KubeHttp
from clients.redis.store import Store
from config.refs import CanaryRef

_TIMELINE: Final = 200


@dataclass(frozen=True, slots=True)
class Check:
    """A judged check of the last tick that had any; bounds that do not exist are None."""

    metric: str
    passed: bool
    verdict: str
    value: float | None
    unit: str
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes event about a canary; `key` is new for each."""

    key: str
    type: str
    message: str
    at: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One canary at one moment; `phase` is empty before it has a status."""

    act: Act
    phase: str = ""
    weight: int = 0
    failed_checks: int = 0
    threshold: int = 0
    checks: tuple[Check, ...] = ()
    weights: tuple[int, ...] = ()
    """The canary's weights since the release, one per change."""
    events: tuple[Event, ...] = ()
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is in the cluster when all is over; None for what is not there."""

    primary_image: str | None
    weights: Mapping[str, int] | None
    """Percent by destination host."""


class Scene:
    """Reads the cluster and the store."""

    def __init__(self, kube: KubeHttp, store: Store) -> None:
        self._kube = kube
        self._store = store

    def look(self, acts: Sequence[Act]) -> tuple[Standing, ...]:
        """How each canary stands now. Raises clients.errors.ClientError."""
        canaries = {_ref(item): item for item in self._kube.list(CANARIES).items}
        events = self._events()
        return tuple(
            self._standing(act, canaries[act.ref], events.get(act.ref, ()))
            if act.ref in canaries
            else Standing(act)
            for act in acts
        )

    def outcome(self, act: Act) -> Outcome:
        """What the rollout of `act` left behind."""
        primary = self._find(DEPLOYMENTS, act.ref.namespace, f"{act.ref.name}-primary")
        route = self._find(VIRTUAL_SERVICES, act.ref.namespace, act.ref.name)
        return Outcome(_image(primary), _weights(route))

    def _find(self, resource: Any, namespace: str, name: str) -> Object | None:
        try:
            return self._kube.get(resource, namespace, name)
        except errors.NotFound:
            return None

    def _events(self) -> dict[CanaryRef, tuple[Event, ...]]:
        found: dict[CanaryRef, list[Object]] = {}
        for item in self._kube.list(EVENTS).items:
            about = item["involvedObject"]
            ref = CanaryRef(about["namespace"], about["name"])
            found.setdefault(ref, []).append(item)
        return {ref: _in_order(items) for ref, items in found.items()}

    def _standing(self, act: Act, canary: Object, events: tuple[Event, ...]) -> Standing:
        status = canary.get("status") or {}
        timeline = self._store.timeline(act.ref, _TIMELINE)
        return Standing(
            act=act,
            phase=status.get("phase") or "",
            weight=int(status.get("canaryWeight") or 0),
            failed_checks=int(status.get("failedChecks") or 0),
            threshold=int(canary["spec"]["analysis"].get("threshold") or 1),
            checks=_last_checks(timeline),
            weights=_changes(timeline),
            events=events,
        )


def _ref(item: Object) -> CanaryRef:
    return CanaryRef(item["metadata"]["namespace"], item["metadata"]["name"])


def _in_order(items: Sequence[Object]) -> tuple[Event, ...]:
    """As they were written: times have whole seconds only, hence the resourceVersion too."""
    ordered = sorted(
        items,
        key=lambda item: (item["lastTimestamp"], int(item["metadata"]["resourceVersion"])),
    )
    return tuple(
        Event(item["metadata"]["name"], item["type"], item["message"], item["lastTimestamp"])
        for item in ordered
    )


def _last_checks(timeline: Sequence[Mapping[str, Any]]) -> tuple[Check, ...]:
    for entry in reversed(timeline):
        if entry["checks"]:
            return tuple(_check(item) for item in entry["checks"])
    return ()


def _check(item: Mapping[str, Any]) -> Check:
    return Check(
        metric=item["metric"],
        passed=item["verdict"] == "passed",
        verdict=item["verdict"],
        value=item["value"],
        unit=item["unit"],
        minimum=item["minimum"],
        maximum=item["maximum"],
    )


def _changes(timeline: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    """The canary's weights, repetitions left out."""
    weights = [int(entry["split"].partition("/")[2].partition("+")[0]) for entry in timeline]
    return tuple(
        weight for index, weight in enumerate(weights) if index == 0 or weight != weights[index - 1]
    )


def _image(deployment: Object | None) -> str | None:
    if deployment is None:
        return None
    image: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def _weights(route: Object | None) -> dict[str, int] | None:
    if route is None:
        return None
    destinations = route["spec"]["http"][0]["route"]
    return {each["destination"]["host"]: int(each.get("weight", 100)) for each in destinations}
