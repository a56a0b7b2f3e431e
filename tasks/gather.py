"""Builds the Observation of one canary from what is stored about it. No I/O."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from analysis import state as states
from analysis.effects import Lane
from analysis.findings import Findings, HookResult
from analysis.observation import Confirmed, Observation, PastStatus, Problem, Workload
from analysis.phases import Phase
from analysis.state import RolloutState
from analysis.strategies import STRATEGIES, Strategies
from clients.redis.records import Snapshot
from config import derived
from config.api.canary import Canary
from config.refs import CanaryRef
from config.traffic import TrafficSplit
from config.validation import manifests
from routing import registry
from routing.router import UnreadableRoute
from workloads import adoption, deployment, readiness

World = Mapping[str, Any]

ANSWERS: Final = "answers"
"""The confirmed field with the answers of the hooks that were asked last, and of which round."""

TROUBLES: Final = {
    Lane.ROUTE.value: "route_trouble",
    Lane.WORKLOAD.value: "workload_trouble",
}
"""Confirmed fields in which the writers of each effect say what keeps them from finishing."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for canaries that do not say it themselves."""

    provider: str
    metrics_server: str
    interval_floor: timedelta
    selector_labels: tuple[str, ...] = ()
    """Candidate selector labels, for what is said about a target that has none of them."""
    strategies: Strategies = STRATEGIES


def observe(ref: CanaryRef, snapshot: Snapshot, defaults: Defaults) -> Observation | None:
    """What is known about `ref`; None when there is no such Canary object any more."""
    world = snapshot.world
    admission = world.get("admission")
    if admission is None:
        return None
    canary = accepted(world)
    uid = admission["uid"]
    state, status = _state(snapshot, uid), _status(world.get("status"))
    return Observation(
        now=snapshot.now,
        ref=ref,
        uid=uid,
        generation=admission["generation"],
        canary=canary,
        strategy=defaults.strategies.chosen(canary) if canary else None,
        interval=derived.interval(canary, defaults.interval_floor) if canary else timedelta(0),
        threshold=derived.threshold(canary) if canary else 1,
        deleting=admission["deleting"],
        claimed=admission["claimed_by"] is not None,
        problems=_problems(canary, world, defaults),
        version=snapshot.version,
        state=state,
        confirmed=_still_shown(confirmed(snapshot.confirmed, uid, world), state, status),
        target=_workload(canary, world.get("target"), snapshot.now, primary=False),
        primary=_workload(canary, world.get("primary"), snapshot.now, primary=True),
        in_force=_in_force(canary, world, defaults.provider),
        status=status,
    )


def accepted(world: World) -> Canary | None:
    """The last manifest that could be carried out."""
    raw = world.get("canary")
    return None if raw is None else manifests.load_canary(raw)


def confirmed(fields: Mapping[str, str], uid: str, world: World | None = None) -> Confirmed:
    """What was brought about for the Canary object `uid`; nothing for another one.

    Generations count for the objects in `world` only: one that was deleted and made anew counts
    from 1 again.
    """
    if fields.get("uid") != uid:
        return Confirmed()
    at = fields.get("route_at")
    return Confirmed(
        route_seq=int(fields.get("route_seq", 0)),
        route_at=datetime.fromisoformat(at) if at else None,
        workload_seq=int(fields.get("workload_seq", 0)),
        target_generation=_generation(fields, "target", world or {}),
        primary_generation=_generation(fields, "primary", world or {}),
        status_version=int(fields.get("status_version", 0)),
        trouble="\n".join(filter(None, map(fields.get, TROUBLES.values()))),
        mending=frozenset(effect for effect, field in TROUBLES.items() if fields.get(field)),
        refused=frozenset(effect for effect in Lane if fields.get(f"{effect}_refused")),
    )


def uid_of(snapshot: Snapshot) -> str:
    """Which Canary object the state is about; empty without one."""
    return str((snapshot.state or {}).get("uid", ""))


def is_asked(snapshot: Snapshot, round_id: int) -> bool:
    """Whether the state waits for the answers of round `round_id`."""
    asked = (snapshot.state or {}).get("round")
    return asked is not None and asked["id"] == round_id


def answered(snapshot: Snapshot, state: RolloutState | None) -> Findings:
    """The answers of the hooks that `state` waits for, if they have come."""
    stored = snapshot.confirmed.get(ANSWERS)
    asked = state.round if state else None
    if not stored or asked is None or not is_asked(snapshot, asked.id):
        return Findings.none()
    kept = json.loads(stored)
    if kept["round"] != asked.id:
        return Findings.none()
    results = tuple(HookResult.from_dict(answer) for answer in kept["answers"])
    return Findings(hooks={asked.type: results})


def version_field(role: str) -> str:
    """The confirmed field with the resourceVersion of our last write of the object in `role`."""
    return f"{role}_version"


def is_our_write(snapshot: Snapshot, roles: Collection[str]) -> bool:
    """Whether the objects in `roles`, as they are known now, are all as we last wrote them."""
    return all(
        (snapshot.world.get(role) or {}).get("metadata", {}).get("resourceVersion")
        == snapshot.confirmed.get(version_field(role), "never")
        for role in roles
    )


def trouble(fields: Mapping[str, str], uid: str, writer: str) -> str:
    """What the `writer` ("route", "workload") said last that keeps it from finishing."""
    return fields.get(f"{writer}_trouble", "") if fields.get("uid") == uid else ""


def _still_shown(
    known: Confirmed, state: RolloutState | None, status: PastStatus | None
) -> Confirmed:
    """`known`, without the report when the status was wiped since: it is to be written anew."""
    shows_nothing = state is not None and state.phase is not Phase.NEW and status is None
    return replace(known, status_version=0) if shows_nothing else known


def _generation(fields: Mapping[str, str], role: str, world: World) -> int:
    """The generation that our last write of the object in `role` made."""
    written, seen = fields.get(f"{role}_uid"), world.get(role)
    if written and seen and seen["uid"] != written:
        return 0
    return int(fields.get(f"{role}_generation", 0))


def _state(snapshot: Snapshot, uid: str) -> RolloutState | None:
    """The stored state, unless it is about an earlier object of the same name."""
    if snapshot.state is None or snapshot.state["uid"] != uid:
        return None
    return states.from_json(snapshot.state)


def _problems(canary: Canary | None, world: World, defaults: Defaults) -> tuple[Problem, ...]:
    """What is wrong with the manifest, and what no check of a manifest alone can see."""
    found = tuple(Problem(**problem) for problem in world["admission"]["problems"])
    if canary is None:
        return found
    target, primary = world.get("target"), world.get("primary")
    if target is None:
        return (*found, _absent(canary))
    return (*found, *_unlabelled(target, defaults), *_foreign(canary, primary, target))


def _absent(canary: Canary) -> Problem:
    """A target that does not exist, or not yet."""
    target = canary.spec.target_ref
    message = (
        f"spec.targetRef.name: Invalid value: {target.name!r}: {target.kind.lower()} "
        f"{target.name}.{canary.namespace} not found; allowed is the name of an existing "
        f"{target.kind} in namespace {canary.namespace}"
    )
    return Problem("TargetNotFound", message, blocking=False)


def _unlabelled(target: World, defaults: Defaults) -> Iterator[Problem]:
    """A target whose pods cannot be told from the primary's."""
    if target["selectorLabel"] is None:
        keys = defaults.selector_labels or ("the configured --selector-labels",)
        error = deployment.NoSelectorLabel(target["name"], target["namespace"], keys)
        yield Problem("NoSelectorLabel", str(error), blocking=True)


def _foreign(canary: Canary, primary: World | None, target: World) -> Iterator[Problem]:
    """A Deployment that has the name of the primary and is none of ours."""
    objection = adoption.objection(canary, primary, target) if primary else ""
    if objection:
        yield Problem("PrimaryConflict", objection, blocking=True)


def _workload(
    canary: Canary | None, view: World | None, now: datetime, *, primary: bool
) -> Workload | None:
    if canary is None or view is None:
        return None
    percent = (
        derived.primary_ready_percent(canary) if primary else derived.canary_ready_percent(canary)
    )
    deadline = derived.progress_deadline(canary)
    judged = readiness.judge(view, percent, deadline, now)
    ends = None if judged.ready or not judged.retriable else readiness.patience_ends(view, deadline)
    return Workload(view["revision"], view["generation"], view["replicas"], judged, ends)


def _in_force(canary: Canary | None, world: World, default: str) -> TrafficSplit | None:
    """The split of the live route; None when there is none, or none that can be read."""
    if canary is None:
        return None
    try:
        return registry.in_force(canary, world, default)
    except UnreadableRoute:
        return None


def _status(status: World | None) -> PastStatus | None:
    if not status or not status.get("phase"):
        return None
    return PastStatus(
        phase=status["phase"],
        weight=int(status.get("canaryWeight") or 0),
        failed_checks=int(status.get("failedChecks") or 0),
        iterations=int(status.get("iterations") or 0),
        applied=status.get("lastAppliedSpec") or "",
        promoted=status.get("lastPromotedSpec") or "",
        version=int(status.get("stateVersion") or 0),
    )
