"""How the canaries stand, and whether their rollouts ended as the story says.

Statuses and events are read through the Kubernetes API, checks and weights from the timeline.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from analysis import wording
from cli.console import checks
from cli.console.checks import Check
from cli.demo.story import Act
from clients import errors
from clients.kube.protocol import Object
from clients.kube.resources import CANARIES, DEPLOYMENTS, EVENTS, VIRTUAL_SERVICES, Resource
from clients.kube.rest import KubeHttp
from clients.redis.store import Store
from config.refs import CanaryRef

_TIMELINE: Final = 200
_HALTED: Final = "Halt "


@dataclass(frozen=True, slots=True)
class Standing:
    """One canary at one moment; `phase` is empty before it has a status.

    `checks` are those of the last tick that had any; `weights` the canary's since the release, one
    per change; `events` Kubernetes events, oldest first.
    """

    act: Act
    phase: str = ""
    weight: int = 0
    failed_checks: int = 0
    threshold: int = 0
    checks: Sequence[Check] = ()
    weights: tuple[int, ...] = ()
    events: Sequence[Object] = ()


@dataclass(frozen=True, slots=True)
class Ending:
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
        canaries = {_ref(item["metadata"]): item for item in self._kube.list(CANARIES).items}
        events: defaultdict[CanaryRef, list[Object]] = defaultdict(list)
        for item in sorted(self._kube.list(EVENTS).items, key=_written):
            events[_ref(item["involvedObject"])].append(item)
        return tuple(
            self._standing(act, canaries[act.ref], events[act.ref])
            if act.ref in canaries
            else Standing(act)
            for act in acts
        )

    def ending(self, act: Act) -> Ending:
        """What the rollout of `act` left behind."""
        primary = self._find(DEPLOYMENTS, act.ref.namespace, f"{act.ref.name}-primary")
        route = self._find(VIRTUAL_SERVICES, act.ref.namespace, act.ref.name)
        return Ending(_image(primary) if primary else None, _weights(route) if route else None)

    def _find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        try:
            return self._kube.get(resource, namespace, name)
        except errors.NotFound:
            return None

    def _standing(self, act: Act, canary: Object, events: Sequence[Object]) -> Standing:
        status = canary.get("status") or {}
        timeline = self._store.timeline(act.ref, _TIMELINE)
        checked = (entry["checks"] for entry in reversed(timeline) if entry["checks"])
        weights = (int(each["split"].partition("/")[2].partition("+")[0]) for each in timeline)
        return Standing(
            act=act,
            phase=status.get("phase") or "",
            weight=int(status.get("canaryWeight") or 0),
            failed_checks=int(status.get("failedChecks") or 0),
            threshold=int(canary["spec"]["analysis"].get("threshold") or 1),
            checks=tuple(map(checks.of, next(checked, ()))),
            weights=tuple(weight for weight, _ in groupby(weights)),
            events=events,
        )


def faults(standing: Standing, ending: Ending) -> tuple[str, ...]:
    """What is not as it should be at the end, one sentence each; empty when all is."""
    return tuple(_faults(standing, ending))


def why(standing: Standing) -> str:
    """Why the rollout stopped, in the words of its last failed check; empty for a promotion."""
    halts = [text for text in _messages(standing, "Warning") if _HALTED in text]
    return wording.cause(halts[-1]) if halts and not standing.act.promoted else ""


def _faults(standing: Standing, ending: Ending) -> Iterator[str]:
    act, name = standing.act, standing.act.ref.name
    if standing.phase != act.phase:
        yield f"phase is {standing.phase or 'none'}, should be {act.phase}"
    if ending.primary_image != act.image:
        yield f"the primary runs {ending.primary_image}, should run {act.image}"
    wanted = {f"{name}-primary": 100, f"{name}-canary": 0}
    if ending.weights != wanted:
        yield f"weights are {ending.weights}, should be {wanted}"
    if not any(act.last_event in text for text in _messages(standing, "Normal", "Warning")):
        yield f"no event says {act.last_event!r}"
    warnings = _messages(standing, "Warning")
    if act.cause and not any(act.cause in text for text in warnings):
        yield f"no warning is about the {act.cause}"
    if not act.cause and any(_HALTED in text for text in warnings):
        yield "a good release was held up"


def _messages(standing: Standing, *types: str) -> list[str]:
    return [event["message"] for event in standing.events if event["type"] in types]


def _ref(about: Mapping[str, Any]) -> CanaryRef:
    return CanaryRef(about["namespace"], about["name"])


def _written(event: Object) -> tuple[str, int]:
    """When: times have whole seconds only, hence the resourceVersion too."""
    return event["lastTimestamp"], int(event["metadata"]["resourceVersion"])


def _image(deployment: Object) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def _weights(route: Object) -> dict[str, int]:
    destinations = route["spec"]["http"][0]["route"]
    return {each["destination"]["host"]: int(each.get("weight", 100)) for each in destinations}
