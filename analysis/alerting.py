"""What is known of a rollout when people are alerted of it: kept with the notice. Pure.

Titles and values of the first fields are Flagger's, those after them our own. Source:
docs/compatibility/alerts.md, "Fields".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from analysis import wording
from analysis.decisions import Decision
from analysis.events import AlertText, Event
from analysis.observation import Observation
from analysis.phases import ANALYSING, BROKEN, ENDING, Phase
from analysis.state import Exposure, RolloutState
from analysis.waiting import GATES
from clients.documents.notice import Alert
from config import derived, durations
from config.api.canary import Canary
from config.api.hooks import AlertSeverity
from config.derived import StrategyKind

MOST_IMAGES: Final = 3
"""Of a pod with many containers."""

_UNDER_WAY: Final = ANALYSING | {Phase.PROMOTING, Phase.FINALISING}
"""Phases of a rollout that has begun and not ended."""

_HEALED: Final = frozenset({Phase.INITIALIZED, Phase.SUCCEEDED, *ENDING})
"""Phases in which no failure is left to be made up for."""

_Field = tuple[str, str]


def alert(seen: Observation, decision: Decision, event: Event) -> Alert | None:
    """What people are alerted of `event`, one of those of `decision`; None: nothing."""
    text, canary = event.alert, seen.canary
    if text is None or canary is None:
        return None
    of_manifest = _of_manifest(seen, canary) if text.detailed else ()
    details = (*of_manifest, *_of_rollout(seen, decision, event, text))
    return Alert(text.severity, text.text, details)


def noted(before: RolloutState | None, after: RolloutState, now: datetime) -> RolloutState:
    """`after`, with what alerts tell of it: since when it fails, and what was seen of it."""
    exposure = after.exposure if before and before.began == after.began else None
    weight = after.route.split.canary if after.phase in ANALYSING else 0
    if weight and (exposure is None or weight > exposure.most):
        exposure = Exposure(exposure.since if exposure else now, weight)
    failed = None if after.phase in _HEALED else after.failed_since
    if after.phase in BROKEN:
        failed = failed or now
    if (exposure, failed) == (after.exposure, after.failed_since):
        return after
    return replace(after, exposure=exposure, failed_since=failed)


def ends(seen: Observation, decision: Decision) -> bool:
    """Whether `decision` makes up for a failure, or ends the wait for a gate."""
    before, after = seen.state, decision.state
    if before is None:
        return False
    was_waiting = before.waiting is not None and before.waiting.reason in GATES
    is_waiting = after.waiting is not None and after.waiting.reason in GATES
    has_healed = before.failed_since is not None and after.failed_since is None
    return has_healed or (was_waiting and not is_waiting)


def _of_manifest(seen: Observation, canary: Canary) -> Iterator[_Field]:
    target = canary.spec.target_ref
    yield "Target", f"{target.kind}/{target.name}.{canary.namespace}"
    yield "Failed checks threshold", str(seen.threshold)
    deadline = derived.progress_deadline(canary)
    yield "Progress deadline", f"{int(deadline.total_seconds())}s"
    yield "Traffic routing", _routing(canary)


def _routing(canary: Canary) -> str:
    analysis = canary.spec.analysis
    match derived.strategy_kind(canary):
        case StrategyKind.AB_TESTING:
            return "A/B Testing"
        case StrategyKind.BLUE_GREEN:
            return "Blue/Green"
        case StrategyKind.CANARY:
            most = analysis.max_weight
            if analysis.step_weights:
                weights = ",".join(map(str, analysis.step_weights))
                return f"Weight steps: {weights} max: {most}"
            return f"Weight step: {analysis.step_weight} max: {most}"
        case kind:
            assert_never(kind)


def _of_rollout(
    seen: Observation, decision: Decision, event: Event, text: AlertText
) -> Iterator[_Field]:
    """What Flagger does not tell: what was released, why it failed, who has met it."""
    state, target = decision.state, seen.target
    if target and target.images and target.revision in {state.applied, state.awaited}:
        yield "Image", ", ".join(target.images[:MOST_IMAGES])
    if text.severity is not AlertSeverity.INFO:
        yield from _causes(seen, decision, event)
    if state.began and seen.state and seen.state.phase in _UNDER_WAY:
        yield "Duration", durations.format_go(_whole(seen.now - state.began))
        if text.severity is not AlertSeverity.INFO:
            yield "Traffic seen", _exposure(seen)


def _causes(seen: Observation, decision: Decision, event: Event) -> Iterator[_Field]:
    """The failing checks with value and limit, and the gate that is closed."""
    halt, told = wording.halt(seen.ref), decision.events
    failed = [each.message for each in told if each.message.startswith(halt)]
    words = "; ".join(message.removeprefix(halt) for message in failed if message)
    if event.message.startswith(halt):
        yield "Gate", event.message.removeprefix(halt)
    elif words:
        yield "Failed check", words


def _exposure(seen: Observation) -> str:
    """The greatest share of requests that met the canary, and since when some do."""
    exposure = seen.state.exposure if seen.state else None
    if exposure is None:
        return "none"
    span = durations.format_go(_whole(seen.now - exposure.since))
    return f"up to {exposure.most}% of requests, {span}"


def _whole(span: timedelta) -> timedelta:
    """Seconds: what is finer nobody reads."""
    return timedelta(seconds=round(span.total_seconds()))
