"""Rules of `NEW` and `INITIALIZING`: from a bare workload to a primary that serves everything."""

from __future__ import annotations

from dataclasses import replace

from analysis import effects, events
from analysis.decisions import AskBackends, Case, Decision, Ruling
from analysis.phases import Phase
from analysis.rules import pods, waits
from analysis.waiting import WaitReason
from config.scaling import Autoscaler, CanaryScale, WorkloadIntent
from config.traffic import ALL_TO_PRIMARY, RouteStage


def initialize(case: Case) -> Ruling | None:
    """The primary and its Services are created; users do not notice yet."""
    if case.target is None:
        event = events.awaiting_target(case.canary)
        return waits.wait(case, WaitReason.TARGET_NOT_FOUND, event)
    skip = case.canary.spec.skip_analysis
    if not skip and case.findings.backends is None:
        return AskBackends()
    state = case.state.moved(
        Phase.INITIALIZING,
        case.now,
        target=case.canary.spec.target_ref.label,
        autoscaler=Autoscaler.of(case.canary),
        route=replace(case.state.route, seq=case.state.route.seq + 1),
        workload=WorkloadIntent(case.state.workload.seq + 1, CanaryScale.LEAVE),
    )
    message = f"New {case.canary.spec.target_ref.kind} detected, starting initialization."
    unavailable = tuple(map(events.providers_unavailable, case.findings.backends or ()))
    probed = unavailable[:1] or (events.PROVIDERS_AVAILABLE,)
    return Decision("Initializing", message, state, () if skip else probed)


def await_primary(case: Case) -> Ruling | None:
    """Nothing is served from a primary that is not ready, not even with skipAnalysis."""
    primary = pods.primary(case)
    if primary.readiness.ready:
        return None
    waiting = waits.await_effects(case, effects.Lane.WORKLOAD)
    return waiting if primary.is_gone and waiting else waits.await_pods(case, primary)


def mend_primary(case: Case) -> Ruling | None:
    """A first template that cannot start is replaced by the target's newer one.

    Only before anything is served from the primary; from then on a change is to be analysed.
    """
    target, primary = case.target, case.primary
    if target is None or primary is None or case.state.route.stage is RouteStage.EXPOSED:
        return None
    if target.revision in (primary.revision, case.state.workload.promote):
        return None
    ready = pods.primary(case).readiness
    if ready.ready or ready.retriable:
        return None
    workload = case.state.worked(CanaryScale.LEAVE, promote=target.revision)
    state = replace(case.state, workload=workload, waiting=None)
    event = events.copying(case.canary)
    return Decision("MendingPrimary", event.message, state, (event,))


def expose(case: Case) -> Ruling | None:
    """The apex Service selects the primary and the mesh objects are made."""
    route = case.state.routed(ALL_TO_PRIMARY)
    if route == case.state.route:
        return None
    state = replace(case.state, route=route, waiting=None)
    return Decision("PrimaryReady", "the primary is ready, routing to it", state)


def await_route(case: Case) -> Ruling | None:
    """The target keeps its pods until nobody is sent to them any more."""
    return waits.await_effects(case, effects.Lane.ROUTE)


def park_target(case: Case) -> Ruling | None:
    """The target is scaled to zero: the primary serves."""
    if case.state.workload.canary is CanaryScale.ZERO:
        return None
    target = case.canary.spec.target_ref
    state = replace(case.state, workload=case.state.worked(CanaryScale.ZERO))
    return Decision("Parking", f"Scaling down {target.kind} {target.name}", state)


def initialized(case: Case) -> Ruling | None:
    """Done. What counts as promoted is what the primary runs, not what the target holds by now."""
    waiting = waits.await_effects(case, effects.Lane.WORKLOAD)
    primary = case.primary
    if waiting or primary is None:
        return waiting
    revision = primary.revision
    state = case.state.moved(Phase.INITIALIZED, case.now, applied=revision, promoted=revision)
    event = events.initialized(case.canary)
    return Decision("Initialized", event.message, state, (event,), case.now)
