"""A Canary as the console knows it, read from the raw object, be it ours or Flagger's. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from analysis import figures, recorded, wording
from analysis.waiting import WaitReason
from cli.console import raw
from cli.console.raw import Raw
from config.api.metrics import REQUEST_DURATION, REQUEST_SUCCESS_RATE
from config.api.status import IN_ROLLOUT, StatusPhase
from config.refs import CanaryRef

GATES: Final[Mapping[str, str]] = {
    "confirm-rollout": "RolloutNotConfirmed",
    "confirm-traffic-increase": "TrafficIncreaseNotConfirmed",
    "confirm-promotion": "PromotionNotConfirmed",
}
"""The types of webhooks that are gates, and for what reason a canary waits for them.

As `analysis.rules.gates`, which brings all rules with it: too much for a command to read.
"""

_UNITS: Final = {REQUEST_SUCCESS_RATE: figures.PERCENT, REQUEST_DURATION: figures.MILLISECONDS}
"""Of the built-in checks."""

_FAILED: Final = "Canary analysis failed, {kind} scaled to zero. "
"""What Flagger says of every failed rollout, before what decided this one."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition of the status; empty texts for one that is not there."""

    status: str = ""
    reason: str = ""
    message: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A check of the manifest with its inclusive limits, in `unit`."""

    name: str
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one Canary object says; `phase` is empty before it has a status.

    `plan` says how traffic moves. `since` is when the phase was entered, for Flagger's canaries
    when the status was last written.
    """

    ref: CanaryRef
    phase: str = ""
    weight: int = 0
    failed_checks: int = 0
    threshold: int = 1
    iterations: int = 0
    since: datetime | None = None
    kind: str = "Deployment"
    api_version: str = ""
    """Of the target."""
    target: str = ""
    plan: str = ""
    interval: str = ""
    suspended: bool = False
    deleting: bool = False
    applied: str = ""
    promoted: str = ""
    is_ours: bool = False
    """Whether Coalmine wrote the status."""
    tracks_configs: bool = False
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    gates: tuple[tuple[str, str], ...] = ()
    """Type and name of the webhooks that confirm something, in the order of the manifest."""
    unreachable: str = ""
    """Why its metrics server could not be reached when it was initialized, as events tell it."""

    def condition(self, kind: str) -> Condition:
        """The condition of that type."""
        return self.conditions.get(kind, Condition())

    @property
    def waits(self) -> Condition | None:
        """What is waited for; None for nothing but time."""
        waiting = self.condition("Waiting")
        return waiting if waiting.status == "True" else None

    @property
    def refusals(self) -> tuple[str, ...]:
        """What is wrong with the manifest, so that it is not carried out."""
        accepted = self.condition("Accepted")
        return tuple(accepted.message.splitlines()) if accepted.status == "False" else ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is odd about a manifest that is carried out, such as an alert that is not sent."""
        accepted = self.condition("Accepted")
        has_some = accepted.status == "True" and accepted.reason not in {"", "Accepted"}
        return tuple(accepted.message.splitlines()) if has_some else ()

    @property
    def is_refused_only(self) -> bool:
        """Whether it waits for nothing but its manifest to be mended, which `refusals` tell."""
        waits = self.waits
        is_only = waits and waits.reason == WaitReason.NOT_ACCEPTED and "\n" not in waits.message
        return bool(is_only and self.refusals)

    @property
    def note(self) -> str:
        """What somebody should know beside the numbers, in one line, which may be a short one."""
        if self.refusals:
            return f"not accepted: {self.refusals[0].removeprefix('spec.analysis.')}"
        if self.suspended:
            return "suspended"
        if self.waits:
            return self.brief(self.waits.message.partition("\n")[0])
        if self.phase == StatusPhase.FAILED:
            return self.brief(self.condition("Promoted").message)
        return self.unreachable

    def brief(self, message: str) -> str:
        """`message` without what its reader knows: which canary it is about, and that it failed.

        Of what failed together the first is told: what follows from it is that it is rolled back.
        """
        known = (_FAILED.format(kind=self.kind), wording.halt(self.ref), f"{self.ref.dotted} ")
        for words in known:
            message = message.removeprefix(words)
        return message.partition("; Rolling back ")[0]

    @property
    def is_under_way(self) -> bool:
        """Whether a rollout is going on, or waits to begin."""
        return self.phase in {*IN_ROLLOUT, StatusPhase.WAITING}


def of(canary: Raw) -> Facts:
    """The facts of a raw Canary object, whatever of it is missing or odd."""
    spec, status = raw.at(canary, "spec"), raw.at(canary, "status")
    analysis = raw.at(spec, "analysis") or raw.at(spec, "canaryAnalysis")
    return Facts(
        ref=CanaryRef(
            raw.text(canary, "metadata", "namespace"), raw.text(canary, "metadata", "name")
        ),
        phase=raw.text(status, "phase"),
        weight=raw.number(status, "canaryWeight"),
        failed_checks=raw.number(status, "failedChecks"),
        threshold=max(raw.number(analysis, "threshold"), 1),
        iterations=raw.number(status, "iterations"),
        since=raw.moment(status, "lastTransitionTime"),
        kind=raw.text(spec, "targetRef", "kind") or "Deployment",
        api_version=raw.text(spec, "targetRef", "apiVersion"),
        target=raw.text(spec, "targetRef", "name"),
        plan=_plan(analysis, skipped=raw.at(spec, "skipAnalysis") is True),
        interval=raw.text(analysis, "interval"),
        suspended=raw.at(spec, "suspend") is True,
        deleting=bool(raw.text(canary, "metadata", "deletionTimestamp")),
        applied=raw.text(status, "lastAppliedSpec"),
        promoted=raw.text(status, "lastPromotedSpec"),
        is_ours=bool(recorded.version({"conditions": _conditions(status)})),
        tracks_configs=bool(raw.at(status, "trackedConfigs")),
        conditions={raw.text(each, "type"): _condition(each) for each in _conditions(status)},
        metrics=tuple(map(_metric, raw.mappings(analysis, "metrics"))),
        gates=tuple(_gates(analysis)),
    )


def _gates(analysis: Any) -> Iterator[tuple[str, str]]:
    for hook in raw.mappings(analysis, "webhooks"):
        kind = raw.text(hook, "type")
        if kind in GATES:
            yield kind, raw.text(hook, "name")


def _conditions(status: Any) -> tuple[Raw, ...]:
    return tuple(raw.mappings(status, "conditions"))


def _condition(item: Raw) -> Condition:
    return Condition(
        status=raw.text(item, "status"),
        reason=raw.text(item, "reason"),
        message=raw.text(item, "message"),
        since=raw.moment(item, "lastTransitionTime"),
    )


def _plan(analysis: Any, *, skipped: bool) -> str:
    """How traffic moves, in a few words."""
    if skipped:
        return "no analysis"
    if iterations := raw.number(analysis, "iterations"):
        return f"{iterations} iterations"
    weights = raw.at(analysis, "stepWeights")
    if isinstance(weights, list) and weights:
        return ",".join(map(str, weights))
    step, most = raw.number(analysis, "stepWeight"), raw.number(analysis, "maxWeight")
    return f"by {step} to {most or 100}" if step else ""


def _metric(check: Raw) -> Metric:
    """As Flagger reads it: a scalar threshold is the least success rate, or the most of others."""
    name = raw.text(check, "name")
    limits = raw.at(check, "thresholdRange")
    low, high = raw.decimal(limits, "min"), raw.decimal(limits, "max")
    scalar = raw.decimal(check, "threshold")
    if limits is None and scalar is not None:
        low, high = (scalar, None) if name == REQUEST_SUCCESS_RATE else (None, scalar)
    return Metric(name, low, high, _UNITS.get(name, ""))
