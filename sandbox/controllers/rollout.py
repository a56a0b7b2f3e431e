"""How a Deployment's ReplicaSets are sized during a rolling update, as pure functions.

Source: `pkg/controller/deployment/rolling.go` and `util/deployment_util.go` of Kubernetes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.apiserver.objects import at


@dataclass(frozen=True)
class SetState:
    """One ReplicaSet: whether it runs the latest template, its wanted, existing, available pods."""

    name: str
    is_new: bool
    desired: int
    pods: int
    ready: int
    available: int


@dataclass(frozen=True)
class Bounds:
    """How far a rollout may stray from `replicas`: pods above it and unavailable pods below it."""

    replicas: int
    surge: int
    unavailable: int

    @classmethod
    def of(cls, deployment: Mapping[str, Any]) -> "Bounds":
        """The bounds in a Deployment's strategy; Recreate allows everything to be unavailable."""
        replicas: int = at(deployment, ("spec", "replicas"), 1)
        strategy = at(deployment, ("spec", "strategy"), {})
        if strategy.get("type") == "Recreate":
            return cls(replicas, 0, replicas)
        rolling = strategy.get("rollingUpdate") or {}
        surge = share(rolling.get("maxSurge", "25%"), replicas, up=True)
        unavailable = share(rolling.get("maxUnavailable", "25%"), replicas, up=False)
        if surge == 0 and unavailable == 0:
            unavailable = 1
        return cls(replicas, surge, unavailable)


def share(value: int | str, replicas: int, *, up: bool) -> int:
    """An IntOrString as a number of pods; percentages of `replicas` are rounded up or down."""
    if isinstance(value, int):
        return value
    exact = replicas * int(value.removesuffix("%")) / 100
    return math.ceil(exact) if up else math.floor(exact)


def sizes(bounds: Bounds, sets: Sequence[SetState], *, recreate: bool = False) -> dict[str, int]:
    """The size each ReplicaSet should have next, by name; one step of the rollout."""
    wanted = {item.name: item.desired for item in sets}
    new = next((item for item in sets if item.is_new), None)
    old = [item for item in sets if not item.is_new]
    if new is not None:
        waits = recreate and any(item.pods for item in old)
        wanted[new.name] = 0 if waits else _new_size(bounds, new, sum(wanted.values()))
    if recreate:
        return wanted | {item.name: 0 for item in old}
    return wanted | _old_sizes(bounds, new, old)


def _new_size(bounds: Bounds, new: SetState, total: int) -> int:
    if new.desired >= bounds.replicas:
        return bounds.replicas
    room = max(bounds.replicas + bounds.surge - total, 0)
    return min(new.desired + room, bounds.replicas)


def _old_sizes(bounds: Bounds, new: SetState | None, old: Sequence[SetState]) -> dict[str, int]:
    """Old sets shrunk as far as availability allows, their unavailable pods first."""
    total = sum(item.desired for item in old) + (new.desired if new else 0)
    new_unavailable = new.desired - new.available if new else 0
    spare = total - (bounds.replicas - bounds.unavailable) - new_unavailable
    left = {item.name: item.desired for item in old}
    for item in old:
        broken = min(item.desired - item.available, max(spare, 0))
        left[item.name] -= broken
        spare -= broken
    available = sum(item.available for item in old) + (new.available if new else 0)
    spare = available - (bounds.replicas - bounds.unavailable)
    for item in old:
        fewer = min(left[item.name], max(spare, 0))
        left[item.name] -= fewer
        spare -= fewer
    return left
