"""What Coalmine remembers of one rollout: the only mutable fact, replaced whole by each commit.

The state holds what is *desired* (traffic, replicas, promoted revision); what has been brought
about is confirmed beside it (`observation.Confirmed`), and effects are the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter

from analysis.phases import TRANSITIONS, IllegalTransition, Phase
from analysis.waiting import Waiting
from config import moments
from config.api.hooks import WebhookType
from config.scaling import Autoscaler, CanaryScale, WorkloadIntent
from config.traffic import ALL_TO_PRIMARY, RouteIntent, RouteStage, TrafficSplit


@dataclass(frozen=True, slots=True)
class HookRound:
    """Webhooks of one type that were asked and have not all answered.

    `id` is the state version that asked first: an answer to another round is recognised by it.
    Calls that nobody has taken are asked for again, last at `asked`, for the `repeats`-th time.
    `revision` is what a gate before the rollout is asked about; empty: that of the rollout.
    `settled` are the types whose hooks were asked before in the same check, and hold nothing up.
    `beside` is the check for which the hooks of a check were asked in the same round, since these
    took long: when it was due; None as long as there was none.
    """

    id: int
    type: WebhookType
    asked: datetime = moments.EPOCH
    repeats: int = 0
    revision: str = ""
    settled: tuple[WebhookType, ...] = ()
    beside: datetime | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Whether the manifest as last edited is carried out; the `Accepted` condition."""

    accepted: bool
    reason: str
    message: str
    since: datetime


def accepted(since: datetime) -> Acceptance:
    """What is said of a manifest with which nothing is wrong."""
    message = "The manifest is accepted."
    return Acceptance(accepted=True, reason="Accepted", message=message, since=since)


@dataclass(frozen=True, slots=True)
class Exposure:
    """Since when a rollout has met users, and the greatest share of their requests, in percent."""

    since: datetime
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutState:
    """One rollout. Times are aware UTC; weights percent; revisions opaque, empty when unknown."""

    uid: str
    """Of the Canary object: a re-created canary starts afresh."""
    phase: Phase
    since: datetime
    """When `phase` was entered."""
    generation: int = 0
    """Of the Canary spec that the last decision was made from."""
    target: str = ""
    """Kind and name of the workload that the revisions are of; empty when that is not known."""
    autoscaler: Autoscaler | None = None
    """That of the target, as last carried out."""
    applied: str = ""
    """Revision last seen as new: under analysis, or last analysed."""
    promoted: str = ""
    """Revision the primary was last given, or created with."""
    configs: Mapping[str, str] | None = None
    """Digests of the tracked ConfigMaps and Secrets of `applied` by key; None: never any."""
    route: RouteIntent
    workload: WorkloadIntent
    failed_checks: int = 0
    iterations: int = 0
    check_at: datetime | None = None
    """When the next analysis is due; None before the first step of a rollout."""
    nudged_from: datetime | None = None
    """When the check at `check_at` would be due had no nudge made it early; None: none did."""
    round: HookRound | None = None
    epilogue: bool = False
    """Post-rollout hooks of the rollout that ended are still to be called."""
    copying: str = ""
    """The revision whose copy to the primary was last asked for, and is not known to be done."""
    finalizer: bool = False
    """Whether the Canary object is to be kept, when it is deleted, until everything is undone."""
    stale_pods: bool = False
    """The canary's pods were made when its configs held something else: others are to be made."""
    skipped: bool = False
    """This rollout is promoted without analysis."""
    began: datetime | None = None
    """When the rollout under way, or the last one, began; None when that is not known."""
    stepped_at: datetime | None = None
    """When its last step was taken."""
    exposure: Exposure | None = None
    """What the rollout that `began` last was seen of; None: nothing."""
    failed_since: datetime | None = None
    """Since when there is a failure that no success has made up for; None: there is none."""
    before: str = ""
    """The revision that was promoted before `promoted`; empty when that is not known."""
    promoted_at: datetime | None = None
    """When `promoted` took its place."""
    awaited: str = ""
    """The revision that was last found to wait for its approval."""
    nudge: str = ""
    """The last value of the annotation that asks for a look at once, as `admission` marks it."""
    suspended: bool = False
    waiting: Waiting | None = None
    """What the rollout waits for, as it was told; None while it waits for nothing but its time."""
    trouble: Waiting | None = None
    """What keeps the writers from finishing, as it was told."""
    acceptance: Acceptance | None = None
    failure: str = ""
    """What decided that this rollout failed: check, value and limit, and how often."""
    intended_at: datetime | None = None
    """When `route` or `workload` was decided last."""
    unsure_until: datetime | None = None
    """Until when a request from before the state was lost may still be carried out; None: none."""
    leapt: timedelta = timedelta(0)
    """By how much Redis' clock had leapt in all when this was stored: times are of that clock."""

    def moved(self, phase: Phase, now: datetime, **changes: Any) -> RolloutState:
        """This state in `phase`, with `changes`; waits, hooks, nudges and an old failure go.

        Raises IllegalTransition when the table of `phases` has no such move.
        """
        if phase is not self.phase and phase not in TRANSITIONS[self.phase]:
            raise IllegalTransition(self.phase, phase)
        since = self.since if phase is self.phase else now
        gone = {"round": None, "waiting": None, "nudged_from": None, "failure": ""}
        return replace(self, **{"phase": phase, "since": since, **gone, **changes})

    def routed(self, split: TrafficSplit) -> RouteIntent:
        """The route intent for `split`: the present one if it already says so, else the next."""
        same = RouteIntent(self.route.seq, RouteStage.EXPOSED, split.after(self.route.split))
        return self.route if same == self.route else replace(same, seq=same.seq + 1)

    def worked(self, canary: CanaryScale, promote: str = "") -> WorkloadIntent:
        """The workload intent for `canary` and `promote`, numbered like `routed`."""
        same = replace(self.workload, canary=canary, promote=promote, base=self.promoted)
        return self.workload if same == self.workload else replace(same, seq=same.seq + 1)

    def reworked(self) -> WorkloadIntent:
        """The present workload intent, to be brought about once more, with the `base` of now."""
        return replace(self.workload, seq=self.workload.seq + 1, base=self.promoted)


def unborn(uid: str, generation: int, now: datetime) -> RolloutState:
    """The state of a canary that was never accepted: it asks for nothing."""
    return RolloutState(
        uid=uid,
        phase=Phase.NEW,
        since=now,
        generation=generation,
        route=RouteIntent(0, RouteStage.SERVICES, ALL_TO_PRIMARY),
        workload=WorkloadIntent(0, CanaryScale.LEAVE),
    )


_ADAPTER: Final = TypeAdapter(RolloutState)


def to_json(state: RolloutState) -> dict[str, Any]:
    """`state` as a JSON-ready mapping; inverse of `from_json`."""
    document: dict[str, Any] = _ADAPTER.dump_python(state, mode="json")
    return document


def from_json(document: Mapping[str, Any]) -> RolloutState:
    """The state written by `to_json`. Raises pydantic.ValidationError for anything else."""
    return _ADAPTER.validate_python(document)


def stored(document: Mapping[str, Any], leapt: timedelta) -> RolloutState:
    """The state in `document`, with its times as of a clock that has `leapt` so much in all.

    Raises as `from_json`.
    """
    state = from_json(document)
    if leapt == state.leapt:
        return state
    since: RolloutState = _moved(state, leapt - state.leapt)
    return replace(since, leapt=leapt)


def _moved(value: Any, by: timedelta) -> Any:
    """`value` with all times in it so much later, but for the one that says that none is known."""
    if isinstance(value, datetime):
        return value if value == moments.EPOCH else value + by
    if not is_dataclass(value) or isinstance(value, type):
        return value
    each = {part.name: _moved(getattr(value, part.name), by) for part in fields(value)}
    return replace(value, **each)


def readable(document: Mapping[str, Any] | None) -> RolloutState | None:
    """The state in `document`; None for none, and for one that cannot be read and is rebuilt."""
    try:
        return None if document is None else from_json(document)
    except ValueError:
        return None
