"""The rules of a rollout: per phase an ordered chain, the first that speaks decides.

This table is the rollout. Each rule is a small pure function named for what it finds; its name is
kept with the decision, so status, events, logs and timeline tell the same story.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from analysis.decisions import Rule, Ruling
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.rules import (
    admission,
    calling_off,
    failover,
    gates,
    initialization,
    limits,
    progressing,
    promotion,
    rebuilding,
    resting,
    stopping,
    terminating,
)

ADMISSION: Final[tuple[Callable[[Observation], Ruling | None], ...]] = (
    rebuilding.rebuild,
    admission.born,
    terminating.deleting,
    admission.acceptance,
    admission.trouble,
    terminating.finalizer,
    admission.refused,
    admission.suspended,
    admission.autoscaler_replaced,
    admission.target_replaced,
    admission.nudged,
)
"""Asked first, whatever the phase."""

ANNOUNCEMENTS: Final = frozenset(
    {admission.acceptance, admission.trouble, admission.autoscaler_replaced}
)
"""Those of them that decide nothing of a rollout. They wait for the next look when hooks have
answered: answers are given once, and a decision that does not use them loses them."""

AWAITING_CHANGE: Final[tuple[Rule, ...]] = (
    resting.settle,
    admission.hold,
    gates.withdrawn,
    resting.await_configs,
    resting.new_revision,
    resting.park_canary,
    resting.restore_configs,
    failover.primary_down,
    resting.target_runs,
    resting.at_rest,
)
"""How the chains of phases end in which a changed target starts a rollout."""

ANALYSIS: Final[tuple[Rule, ...]] = (
    resting.copied_after_all,
    stopping.target_gone,
    failover.primary_lost,
    stopping.called_off,
    stopping.reverted,
    stopping.revision_changed,
    limits.overdue,
    calling_off.rollback_requested,
    stopping.renew_pods,
    stopping.crashed,
    stopping.primary_unready,
    stopping.scaled_to_zero,
    stopping.canary_unready,
    admission.hold_traffic,
    progressing.skip_analysis,
    progressing.route_not_in_force,
    progressing.warm_up,
    gates.awaited,
    calling_off.rollback_asked,
    progressing.not_due,
    progressing.first_step,
    progressing.halt_on_hook,
    progressing.halt_on_check,
    progressing.hold_for_pods,
    progressing.hold_for_route,
    admission.hold_step,
    calling_off.hold_for_answer,
    progressing.look_longer,
    progressing.confirm_increase,
    progressing.advance,
    progressing.hold_for_configs,
    progressing.confirm_promotion,
    progressing.promote,
)
"""The chain of phases in which a canary is measured."""

RULES: Final[Mapping[Phase, tuple[Rule, ...]]] = {
    Phase.NEW: (admission.hold, resting.await_configs, initialization.initialize),
    Phase.INITIALIZING: (
        failover.primary_lost,
        resting.restore_primary,
        admission.hold_exposure,
        initialization.mend_primary,
        initialization.await_primary,
        terminating.await_finalizer,
        initialization.expose,
        initialization.await_route,
        initialization.park_target,
        resting.await_configs,
        initialization.initialized,
    ),
    Phase.INITIALIZED: (failover.primary_lost, resting.restore_primary, *AWAITING_CHANGE),
    Phase.WAITING: (
        resting.copied_after_all,
        failover.primary_lost,
        resting.restore_primary,
        resting.settle,
        gates.withdrawn,
        limits.overdue,
        admission.hold,
        resting.park_canary,
        calling_off.rollback_requested,
        gates.not_asked_yet,
        calling_off.rollback_asked,
        resting.await_configs,
        resting.new_revision,
        failover.primary_down,
        resting.at_rest,
    ),
    Phase.PROGRESSING: ANALYSIS,
    Phase.WAITING_PROMOTION: ANALYSIS,
    Phase.PROMOTING: (
        failover.primary_lost,
        promotion.changed_before_copy,
        failover.canary_lost,
        promotion.rollback_requested,
        admission.hold_promotion,
        promotion.await_copy,
        resting.restore_primary,
        promotion.keep_canary,
        promotion.primary_unready,
        promotion.shift,
    ),
    Phase.FINALISING: (
        failover.primary_lost,
        resting.restore_primary,
        promotion.primary_unready,
        promotion.await_route,
        promotion.succeeded,
    ),
    Phase.SUCCEEDED: (
        failover.primary_lost,
        resting.restore_primary,
        resting.epilogue,
        *AWAITING_CHANGE,
    ),
    Phase.FAILED: (
        resting.copied_after_all,
        failover.primary_lost,
        resting.park_canary,
        resting.restore_primary,
        resting.epilogue,
        *AWAITING_CHANGE,
    ),
    Phase.PROMOTION_FAILED: (
        failover.follow_pods,
        resting.restore_primary,
        promotion.keep_canary,
        resting.epilogue,
        resting.primary_recovered,
        failover.primary_returned,
        admission.hold,
        resting.repair_primary,
        failover.primary_down,
        resting.at_rest,
    ),
    Phase.TERMINATING: (
        terminating.await_target,
        terminating.revert,
        terminating.terminated,
    ),
    Phase.TERMINATED: (resting.at_rest,),
}
