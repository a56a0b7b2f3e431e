"""What a decision adds to the figures of its canary: Flagger's metrics, in words of ours. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from analysis.findings import CheckResult
from analysis.phases import Phase, shown
from analysis.state import RolloutState
from clients.documents.tally import Counted, Ended
from config import derived
from config.api.canary import Canary

_FAILED = shown(Phase.FAILED)


def counted(
    before: RolloutState | None,
    after: RolloutState,
    canary: Canary | None,
    checks: Iterable[CheckResult] | None,
    took: timedelta,
) -> Counted:
    """What is added when the state becomes `after`, by a decision that `took` so long.

    As in Flagger a decision counts as an analysis when checks were made or a step was taken, and a
    rollout has failed whether it was rolled back or could not be promoted.
    """
    measured = None if checks is None else _values(checks)
    is_step = before is not None and after.stepped_at not in {None, before.stepped_at}
    is_analysis = measured is not None or is_step
    return Counted(
        _ended(before, after, canary),
        took.total_seconds() if is_analysis else None,
        measured or None,
    )


def _ended(before: RolloutState | None, after: RolloutState, canary: Canary | None) -> Ended | None:
    """The rollout that `after` is the end of; a state that is rebuilt ends none."""
    if before is None or canary is None or shown(before.phase) == shown(after.phase):
        return None
    strategy = derived.strategy_kind(canary).value
    if after.phase is Phase.SUCCEEDED:
        return Ended(well=True, strategy=strategy, is_skipped=after.skipped)
    return Ended(well=False, strategy=strategy) if shown(after.phase) == _FAILED else None


def _values(checks: Iterable[CheckResult]) -> dict[str, float]:
    """The numbers that were measured, by metric; durations in seconds, as Flagger exports them."""
    return {
        each.metric: each.value / 1000 if each.unit == "ms" else each.value
        for each in checks
        if each.value is not None
    }
