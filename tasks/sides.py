"""Target and primary as decisions see them, out of what is stored about them. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from analysis.observation import PastStatus, Workload
from analysis.phases import Phase
from analysis.state import RolloutState
from clients.documents.world import PRIMARY, TARGET, WorkloadView, World
from config import derived, moments
from config.api.canary import Canary
from workloads import kinds
from workloads.tracker import Release


def of(
    world: World,
    canary: Canary | None,
    runs: Mapping[str, Release],
    now: datetime,
    *,
    state: RolloutState | None,
    past: PastStatus | None,
) -> tuple[Workload | None, Workload | None]:
    """Target and primary; `runs` has by role what they run, configs included."""
    before = _revisions(state, past)
    target = _side(canary, world.target, state, now, primary=False)
    primary = _side(canary, world.primary, state, now, primary=True)
    return (
        _with_release(target, runs.get(TARGET), before[0]),
        _with_release(primary, runs.get(PRIMARY), before[1]),
    )


def _revisions(state: RolloutState | None, past: PastStatus | None) -> tuple[str, str]:
    """What target and primary count as while it is not known what they run: as unchanged."""
    if state is not None and state.phase is not Phase.NEW:
        return state.applied, state.promoted
    return (past.applied, past.promoted) if past else ("", "")


def _with_release(
    workload: Workload | None, release: Release | None, before: str
) -> Workload | None:
    """`workload` with the revision of what it runs, configs included."""
    if workload is None or release is None:
        return workload
    return replace(workload, revision=release.revision or before, configs=release.digests)


def _side(
    canary: Canary | None,
    view: WorkloadView | None,
    state: RolloutState | None,
    now: datetime,
    *,
    primary: bool,
) -> Workload | None:
    if canary is None or view is None:
        return None
    analysis = canary.spec.analysis
    percent = analysis.primary_ready_threshold if primary else analysis.canary_ready_threshold
    deadline = derived.progress_deadline(canary)
    kind = kinds.of(canary)
    began = _began(state, primary=primary)
    judged = kind.judge(view, percent, deadline, began, now)
    is_awaited = not judged.ready and judged.retriable
    ends = kind.patience_ends(view, deadline, began) if is_awaited else None
    available = view.status.available_replicas
    return Workload(
        view.revision,
        view.generation,
        view.replicas,
        available,
        judged,
        ends,
        images=view.images,
    )


def _began(state: RolloutState | None, *, primary: bool) -> datetime:
    """When a workload was given its present revision, as far as that matters to its deadline.

    A primary gets one by a promotion only: no rollout gives a primary that is down more time.
    """
    if state is None or (primary and state.phase is not Phase.PROMOTING):
        return moments.EPOCH
    return state.since
