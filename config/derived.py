"""What values mean once floors and what depends on other values are applied.

All functions are pure and total on a canary that came through `validation.load_canary`; on any
other they may raise DurationError. Rules: docs/compatibility/values.md, "Derived values"; where
this differs from Flagger on purpose, the docstring says so.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

from config import durations, meshes
from config.api.canary import Canary
from config.api.hooks import Webhook
from config.api.metrics import MetricCheck
from config.refs import ObjectRef
from config.traffic import TOTAL_WEIGHT

DEFAULT_INTERVAL: Final = timedelta(seconds=60)
MIN_INTERVAL: Final = timedelta(seconds=10)
DEFAULT_ITERATIONS: Final = 10
"""Of analyses with weights, where there is no mesh to weigh requests."""
DEFAULT_METRIC_WINDOW: Final = "1m"
DEFAULT_WEBHOOK_TIMEOUT: Final = timedelta(seconds=10)


class StrategyKind(StrEnum):
    """How traffic moves; the texts stand in messages."""

    CANARY = "canary"
    AB_TESTING = "ab-testing"
    BLUE_GREEN = "blue-green"


def provider(canary: Canary, default_provider: str) -> str:
    """The traffic provider in force, aliases resolved.

    Raises UnknownMesh when neither the canary nor the default names a known one.
    """
    return meshes.canonical(canary.spec.provider or default_provider)


def carried_out(canary: Canary, default_provider: str) -> Canary:
    """The canary as it is carried out: without a mesh every analysis is one of iterations.

    No users are chosen for it then, and the provider is written in it: Flagger's rule. Any other
    canary is as it was. Raises UnknownMesh like `provider`.
    """
    spec, analysis = canary.spec, canary.spec.analysis
    if meshes.has_routes(mesh := provider(canary, default_provider)):
        return canary
    iterations = analysis.iterations if analysis.iterations > 0 else DEFAULT_ITERATIONS
    analysis = analysis.model_copy(update={"iterations": iterations, "match": ()})
    spec = spec.model_copy(update={"provider": mesh, "analysis": analysis})
    return canary.model_copy(update={"spec": spec})


def interval(canary: Canary, floor: timedelta = MIN_INTERVAL) -> timedelta:
    """Time between two checks: 60 s when empty, never below `floor`.

    Raises DurationError for a text that is no duration, where Flagger silently takes 60 s.
    """
    text = canary.spec.analysis.interval
    return max(durations.parse(text), floor) if text else DEFAULT_INTERVAL


def threshold(canary: Canary) -> int:
    """Failed checks at which the rollout is rolled back; at least 1."""
    return max(canary.spec.analysis.threshold, 1)


def strategy_kind(canary: Canary) -> StrategyKind:
    """How traffic moves: by iterations (A/B with match, else blue/green) or by weight."""
    analysis = canary.spec.analysis
    if analysis.iterations <= 0:
        return StrategyKind.CANARY
    return StrategyKind.AB_TESTING if analysis.match else StrategyKind.BLUE_GREEN


def is_tcp(canary: Canary) -> bool:
    """Whether connections are divided instead of requests, of which nothing is known then."""
    return (canary.spec.service.app_protocol or "").lower() == "tcp"


def step_weights(canary: Canary) -> tuple[int, ...]:
    """The explicit canary weights in percent, strictly increasing; empty with `stepWeight`.

    Entries above 100 count as 100, so a list may end in 200 and still ends at 100 once.
    """
    capped = (min(weight, TOTAL_WEIGHT) for weight in canary.spec.analysis.step_weights)
    return tuple(dict.fromkeys(capped))


def max_weight(canary: Canary) -> int:
    """Canary weight in percent at which the rollout is promoted; 1 to 100.

    With `stepWeights` it is the last entry, whatever `maxWeight` says.
    """
    weights = step_weights(canary)
    if weights:
        return weights[-1]
    most = canary.spec.analysis.max_weight
    return min(most, TOTAL_WEIGHT) if most > 0 else TOTAL_WEIGHT


def gate_deadline(canary: Canary) -> timedelta | None:
    """How long a gate may be closed; None: for ever."""
    return _span(canary.spec.analysis.gate_deadline)


def max_duration(canary: Canary) -> timedelta | None:
    """How long a rollout may take, to its promotion; None: for ever."""
    return _span(canary.spec.analysis.max_duration)


def initial_delay(canary: Canary) -> timedelta | None:
    """How long a ready canary runs before its first step; None: not at all."""
    return _span(canary.spec.analysis.initial_delay)


def rollback_window(canary: Canary) -> timedelta | None:
    """How long after a promotion the revision before it is promoted unseen; None: never."""
    return _span(canary.spec.analysis.rollback_window)


def step_durations(canary: Canary) -> tuple[timedelta, ...]:
    """How long each step lasts at least, in order."""
    return tuple(map(durations.parse, canary.spec.analysis.step_durations))


def _span(text: str | None) -> timedelta | None:
    return durations.parse(text) if text else None


def progress_deadline(canary: Canary) -> timedelta:
    """How long a rollout may stay unready before it fails."""
    return timedelta(seconds=canary.spec.progress_deadline_seconds)


def metric_window(check: MetricCheck) -> str:
    """The query window as users write it, for `{{ interval }}`; `1m` when empty.

    Templates get the default too; Flagger renders an empty window there.
    """
    return check.interval or DEFAULT_METRIC_WINDOW


def template(canary: Canary, check: MetricCheck) -> ObjectRef | None:
    """The MetricTemplate of the check; None for a check without one."""
    ref = check.template_ref
    return ObjectRef(ref.namespace or canary.namespace, ref.name) if ref else None


def webhook_timeout(webhook: Webhook) -> timedelta:
    """Time limit of one attempt."""
    return durations.parse(webhook.timeout) if webhook.timeout else DEFAULT_WEBHOOK_TIMEOUT
