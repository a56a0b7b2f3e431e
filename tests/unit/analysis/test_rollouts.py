"""Whole rollouts in simulated time: timelines, event order, wall time.

Expected rows: the lifecycle reference, 27; event order: 4, 22, 28. Differences on purpose: a
rollback comes in the tick of its last failed check, and Promoting, Finalising and Succeeded follow
each other as soon as the pods and the route allow. Left out: everything that writes to a cluster.
"""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from analysis import cadence, hooks
from analysis.decisions import Rest
from analysis.findings import CheckResult
from analysis.phases import Phase
from analysis.verdicts import Effect
from config.api.canary import Canary
from config.api.hooks import WebhookType
from tests.unit.analysis import simulation, worlds
from tests.unit.analysis.simulation import Simulation
from tests.unit.analysis.worlds import NEW, NEWER, OLD

INTERVAL = worlds.INTERVAL.total_seconds()
HOOKS = [
    {"name": "smoke", "type": "pre-rollout", "url": "http://tester.shop/smoke"},
    {"name": "load", "type": "rollout", "url": "http://tester.shop/load"},
    {"name": "tell", "type": "post-rollout", "url": "http://tester.shop/tell"},
]
HALT = "Halt cart.shop advancement success rate 95.00% < 99%"
"""The text of a check that failed."""


def failing_from(weight: int) -> Any:
    """A check that fails as soon as the canary has `weight`."""

    def check(world: Simulation) -> tuple[CheckResult, ...]:
        assert world.state is not None
        if world.state.route.split.canary >= weight:
            return (worlds.a_check(Effect.COUNTS, HALT),)
        return (worlds.a_check(),)

    return check


def rollout(canary: Canary, **settings: Any) -> Simulation:
    """A whole rollout of `NEW`."""
    world = simulation.initialized(canary, **settings)
    world.release(NEW)
    return world.run()


TIMELINES = {
    "step 10, max 30, promotion step 50 (the reference's first timeline)": (
        {"stepWeight": 10, "maxWeight": 30, "stepWeightPromotion": 50},
        [
            ("Progressing", "100/0"),
            ("Progressing", "90/10"),
            ("Progressing", "80/20"),
            ("Progressing", "70/30"),
            ("Promoting", "70/30"),
            ("Finalising", "100/0"),
            ("Succeeded", "100/0"),
        ],
    ),
    "step 100, promotion step 50 (the reference's second timeline)": (
        {"stepWeight": 100, "maxWeight": 100, "stepWeightPromotion": 50},
        [
            ("Progressing", "100/0"),
            ("Progressing", "0/100"),
            ("Promoting", "0/100"),
            ("Promoting", "50/50"),
            ("Finalising", "100/0"),
            ("Succeeded", "100/0"),
        ],
    ),
    "step 20, max 50: the last step overshoots the maximum": (
        {"stepWeight": 20, "maxWeight": 50},
        [
            ("Progressing", "100/0"),
            ("Progressing", "80/20"),
            ("Progressing", "60/40"),
            ("Progressing", "40/60"),
            ("Promoting", "40/60"),
            ("Finalising", "100/0"),
            ("Succeeded", "100/0"),
        ],
    ),
    "stepWeights 1, 2, 10, 80 as given": (
        {"stepWeights": [1, 2, 10, 80]},
        [
            ("Progressing", "100/0"),
            ("Progressing", "99/1"),
            ("Progressing", "98/2"),
            ("Progressing", "90/10"),
            ("Progressing", "20/80"),
            ("Promoting", "20/80"),
            ("Finalising", "100/0"),
            ("Succeeded", "100/0"),
        ],
    ),
    "stepWeights 1, 2, 10, 200 end at 100": (
        {"stepWeights": [1, 2, 10, 200]},
        [
            ("Progressing", "100/0"),
            ("Progressing", "99/1"),
            ("Progressing", "98/2"),
            ("Progressing", "90/10"),
            ("Progressing", "0/100"),
            ("Promoting", "0/100"),
            ("Finalising", "100/0"),
            ("Succeeded", "100/0"),
        ],
    ),
}


@pytest.mark.parametrize(("analysis", "rows"), TIMELINES.values(), ids=TIMELINES)
def test_a_good_rollout_goes_through_these_phases_and_weights(
    analysis: dict[str, Any], rows: list[tuple[str, str]]
) -> None:
    """The reference's timelines, row by row."""
    assert rollout(worlds.a_canary(**analysis)).rows == rows


@pytest.mark.parametrize("analysis", [case[0] for case in TIMELINES.values()], ids=TIMELINES)
def test_a_rollout_takes_its_intervals_and_its_readiness(analysis: dict[str, Any]) -> None:
    """Wall time <= 1.05 x intervals x interval + readiness of canary and primary."""
    world = rollout(worlds.a_canary(**analysis))
    weights = {row[1] for row in world.rows if row[0] in ("Progressing", "Promoting")}
    intervals = len(weights - {"100/0"})
    assert world.when("Succeeded") <= 1.05 * intervals * INTERVAL + 2 * world.readiness


def test_a_good_rollout_measures_once_per_interval_and_no_more() -> None:
    """ceil(m/s) rounds of checks; the last one, at the highest weight, precedes promotion."""
    assert rollout(worlds.a_canary(stepWeight=10, maxWeight=30)).measured == 3


def test_the_events_of_a_good_rollout_with_hooks_come_in_this_order() -> None:
    """Post-rollout hooks are told before the promotion is said to be completed."""
    assert rollout(worlds.a_canary(webhooks=HOOKS)).events == [
        "New revision detected! Scaling up cart-app.shop",
        "Starting canary analysis for cart-app.shop",
        "Pre-rollout check smoke passed",
        "Advance cart.shop canary weight 20",
        "Advance cart.shop canary weight 40",
        "Advance cart.shop canary weight 60",
        "Copying cart-app.shop template spec to cart-app-primary.shop",
        "Routing all traffic to primary",
        "Post-rollout check tell passed",
        "Promotion completed! Scaling down cart-app.shop",
    ]


def test_a_good_rollout_ends_with_the_new_revision_on_a_primary_that_serves_alone() -> None:
    """What was analysed is what was promoted, and the canary is at zero."""
    world = rollout(worlds.a_canary())
    assert world.primary is not None
    assert world.target is not None
    assert world.state is not None
    promoted = (world.primary.revision, world.state.promoted, world.state.applied)
    assert promoted == (NEW, NEW, NEW)
    assert world.target.replicas == 0


def test_the_events_of_a_bad_rollout_come_in_this_order() -> None:
    """Three failed checks; the third rolls back in its own tick."""
    world = rollout(worlds.a_canary(webhooks=HOOKS), check=failing_from(40))
    assert world.events == [
        "New revision detected! Scaling up cart-app.shop",
        "Starting canary analysis for cart-app.shop",
        "Pre-rollout check smoke passed",
        "Advance cart.shop canary weight 20",
        "Advance cart.shop canary weight 40",
        HALT,
        HALT,
        HALT,
        "Rolling back cart.shop failed checks threshold reached 3",
        "Canary failed! Scaling down cart.shop",
        "Post-rollout check tell passed",
    ]


def test_a_bad_rollout_ends_with_an_untouched_primary_and_the_canary_at_zero() -> None:
    """All traffic is back, the promoted revision kept, the counters reset."""
    world = rollout(worlds.a_canary(), check=failing_from(40))
    assert world.primary is not None
    assert world.target is not None
    assert world.state is not None
    assert world.rows[-1] == ("Failed", "100/0")
    assert (world.primary.revision, world.state.promoted) == (OLD, OLD)
    assert (world.target.replicas, world.state.failed_checks) == (0, 0)


def test_a_failed_revision_is_not_tried_again_but_its_reapplication_after_a_revert_is() -> None:
    """Revert to stable: stays Failed, primary untouched; the failed revision again: Progressing."""
    world = rollout(worlds.a_canary(), check=failing_from(40))
    seconds = [at for at, _ in world.decisions]
    world.run()
    assert [at for at, _ in world.decisions] == seconds
    world.release(OLD)
    world.run()
    assert (world.phase, world.primary and world.primary.revision) == (Phase.FAILED, OLD)
    world.release(NEW)
    world.run(seconds=20)
    assert world.phase is Phase.PROGRESSING


def test_another_change_after_a_failure_starts_a_new_rollout() -> None:
    """Any other template is a new revision, in Failed too."""
    world = rollout(worlds.a_canary(), check=failing_from(40))
    world.check = lambda _: (worlds.a_check(),)
    world.release(NEWER)
    assert world.run().phase is Phase.SUCCEEDED
    assert world.state is not None
    assert world.state.promoted == NEWER


def test_a_revision_that_never_becomes_ready_is_rolled_back_at_its_deadline() -> None:
    """No traffic ever reaches it; why it waits is told every five minutes, then the deadline."""
    world = rollout(worlds.a_canary(), dead=frozenset({NEW}))
    assert world.rows == [("Progressing", "100/0"), ("Failed", "100/0")]
    assert world.when("ProgressDeadlineExceeded") == pytest.approx(600)
    assert world.events == [
        "New revision detected! Scaling up cart-app.shop",
        *["canary deployment cart-app.shop not ready: not yet"] * 3,
        "Rolling back cart.shop progress deadline exceeded not yet",
        "Canary failed! Scaling down cart.shop",
    ]


def test_a_newer_revision_restarts_the_analysis_from_zero() -> None:
    """The rollout goes back to 100/0, waits for the new pods and then walks the whole ladder."""
    world = simulation.initialized(worlds.a_canary())
    world.release(NEW)
    world.later(50, lambda: world.release(NEWER))
    world.run()
    assert world.rows == [
        ("Progressing", "100/0"),
        ("Progressing", "80/20"),
        ("Progressing", "60/40"),
        ("Progressing", "100/0"),
        ("Progressing", "80/20"),
        ("Progressing", "60/40"),
        ("Progressing", "40/60"),
        ("Promoting", "40/60"),
        ("Finalising", "100/0"),
        ("Succeeded", "100/0"),
    ]
    assert world.primary is not None
    assert world.primary.revision == NEWER
    assert "New revision detected! Restarting analysis for cart-app.shop" in world.events


def test_a_target_set_back_to_the_promoted_revision_cancels_the_rollout() -> None:
    """It ends as Failed with all traffic on the primary, and rests there."""
    world = simulation.initialized(worlds.a_canary())
    world.release(NEW)
    world.later(50, lambda: world.release(OLD))
    world.run()
    assert world.rows[-1] == ("Failed", "100/0")
    assert world.events[-2:] == [
        "Rolling back cart.shop target reverted to the promoted revision",
        "Canary failed! Scaling down cart.shop",
    ]
    assert isinstance(world.log[-1][1], Rest)


def test_with_skip_analysis_a_ready_revision_is_promoted_without_checks() -> None:
    """No weight, no check, no pre-rollout or rollout hook; its own last event."""
    world = rollout(worlds.a_canary(spec={"skipAnalysis": True}, webhooks=HOOKS))
    assert world.rows == [
        ("Progressing", "100/0"),
        ("Promoting", "100/0"),
        ("Finalising", "100/0"),
        ("Succeeded", "100/0"),
    ]
    assert world.measured == 0
    assert world.events == [
        "New revision detected! Scaling up cart-app.shop",
        "Copying cart-app.shop template spec to cart-app-primary.shop",
        "Routing all traffic to primary",
        "Post-rollout check tell passed",
        "Promotion completed! Canary analysis was skipped for cart-app.shop",
    ]


def test_with_skip_analysis_a_broken_revision_fails_and_the_primary_is_untouched() -> None:
    """The deadline holds without analysis too."""
    world = rollout(worlds.a_canary(spec={"skipAnalysis": True}), dead=frozenset({NEW}))
    assert world.phase is Phase.FAILED
    assert world.primary is not None
    assert world.primary.revision == OLD


def test_a_suspended_rollout_freezes_and_goes_on_where_it_was() -> None:
    """Weights stay while suspended; resuming continues from the stored phase."""
    world = simulation.initialized(worlds.a_canary())
    suspended = worlds.a_canary(spec={"suspend": True})
    running = world.canary
    world.release(NEW)
    world.later(50, lambda: setattr(world, "canary", suspended))
    world.later(500, lambda: setattr(world, "canary", running))
    world.run()
    assert world.rows[1:4] == [
        ("Progressing", "80/20"),
        ("Progressing", "60/40"),
        ("Progressing", "40/60"),
    ]
    steps = [at for at, done in world.decisions if done.reason == "Advanced"]
    assert steps[1] < 50
    assert steps[2] >= 500
    assert world.events.count("skipping canary run as object is suspended") == 1
    assert world.phase is Phase.SUCCEEDED


def test_a_suspended_canary_notices_a_change_when_it_is_resumed() -> None:
    """Nothing is lost by suspending: changes made meanwhile are seen then."""
    world = simulation.initialized(worlds.a_canary())
    running, world.canary = world.canary, worlds.a_canary(spec={"suspend": True})
    world.release(NEW)
    world.run(seconds=100)
    assert world.phase is Phase.INITIALIZED
    world.canary = running
    assert world.run().phase is Phase.SUCCEEDED


def test_a_primary_that_dies_with_the_new_revision_fails_the_promotion() -> None:
    """The canary, whose revision is good, serves everything and keeps running."""
    world = dead_promotion()
    assert world.rows[-2:] == [("Promoting", "40/60"), ("PromotionFailed", "0/100")]
    assert world.target is not None
    assert world.target.replicas == 2
    assert "Promotion of cart-app.shop failed, primary not ready: not yet" in world.events


def test_a_failed_promotion_completes_by_itself_when_the_primary_recovers() -> None:
    """Traffic goes back, the canary to zero, the revision counts as promoted."""
    world = dead_promotion()
    assert world.primary is not None
    world.primary.dead = False
    world.run()
    assert world.rows[-3:] == [
        ("PromotionFailed", "0/100"),
        ("Finalising", "100/0"),
        ("Succeeded", "100/0"),
    ]
    assert world.state is not None
    assert world.state.promoted == NEW
    assert world.events[-1] == "Promotion completed! Scaling down cart-app.shop"


def test_a_fix_after_a_failed_promotion_repairs_the_primary_and_never_routes_to_a_dead_one() -> (
    None
):
    """D-1, D-2: the new revision is copied to the primary; traffic follows once it is ready."""
    world = dead_promotion()
    before = len(world.rows)
    world.release(NEWER)
    world.run()
    assert world.rows[before:] == [("Finalising", "100/0"), ("Succeeded", "100/0")]
    assert world.primary is not None
    assert world.primary.revision == NEWER
    assert world.when("PrimaryRecovered") > world.when("RepairingPrimary")


def dead_promotion() -> Simulation:
    """A rollout whose canary is fine and whose primary never comes up with the same revision."""
    world = simulation.initialized(worlds.a_canary())
    world.release(NEW)
    world.run(seconds=60)
    world.dead = frozenset({NEW})
    world.run()
    assert world.phase is Phase.PROMOTION_FAILED
    return world


def test_a_change_during_initialization_is_rolled_out_afterwards() -> None:
    """D-6: what counts as promoted is what the primary runs, not what the target holds by now."""
    world = Simulation(worlds.a_canary())
    world.release(OLD)
    world.later(2, lambda: world.release(NEW))
    world.run()
    assert world.rows[:4] == [
        ("", "100/0"),
        ("Initializing", "100/0"),
        ("Initialized", "100/0"),
        ("Progressing", "100/0"),
    ]
    assert world.phase is Phase.SUCCEEDED
    assert world.primary is not None
    assert world.primary.revision == NEW


def test_the_events_of_an_initialization_come_in_this_order() -> None:
    """28: the pinned order; each is told once, where the peer repeats them at every tick."""
    world = Simulation(worlds.a_canary(), readiness=25)
    world.release(OLD)
    assert world.run().events == [
        "all the metrics providers are available!",
        "cart-app-primary.shop not ready: not yet",
        "Initialization done! cart.shop",
    ]


def test_pods_that_come_up_at_once_are_not_spoken_of() -> None:
    """Flagger looks after an interval, and finds them ready; no decision is made for them."""
    world = Simulation(worlds.a_canary(), readiness=5)
    world.release(OLD)
    world.run()
    world.release(NEW)
    world.run()
    assert [text for text in world.events if "not ready" in text] == []
    assert {"Waiting", "WaitOver"}.isdisjoint(done.reason for _, done in world.decisions)


def test_pods_that_take_longer_are_told_once_after_ten_seconds() -> None:
    """The new revision's, and the primary's after the copy: one word each, ten seconds on."""
    world = rollout(worlds.a_canary(), readiness=25)
    waits = [at for at, done in world.decisions if done.reason == "Waiting"]
    assert waits == pytest.approx([10, world.when("Promoting") + 10])
    assert [text for text in world.events if "not ready" in text] == [
        "canary deployment cart-app.shop not ready: not yet",
        "cart-app-primary.shop not ready: not yet",
    ]


@pytest.mark.parametrize("seconds", [3, 7, 20, 40, 70, 98, 101, 104])
def test_a_rollout_survives_the_loss_of_its_state_at_any_point(seconds: float) -> None:
    """Rebuilt from status, route and workloads, it ends as it would have; no weight is skipped."""
    world = simulation.initialized(worlds.a_canary())
    world.release(NEW)
    world.later(seconds, world.forget)
    world.run()
    assert world.phase is Phase.SUCCEEDED
    assert world.primary is not None
    assert world.primary.revision == NEW
    weights = [done.state.route.split.canary for _, done in world.decisions]
    rises = {(a, b) for a, b in itertools.pairwise(weights) if b > a}
    assert rises <= {(0, 20), (20, 40), (40, 60)}


def test_a_failed_revision_does_not_resume_when_the_state_is_lost() -> None:
    """Failed stays Failed."""
    world = rollout(worlds.a_canary(), check=failing_from(40))
    world.forget()
    world.run()
    assert world.phase is Phase.FAILED
    assert world.target is not None
    assert world.target.replicas == 0


def test_a_failed_promotion_survives_the_loss_of_its_state() -> None:
    """The canary goes on serving everything, and the promotion can still be completed."""
    world = dead_promotion()
    world.forget()
    world.run(seconds=60)
    assert world.rows[-1] == ("PromotionFailed", "0/100")
    assert world.primary is not None
    world.primary.dead = False
    assert world.run().phase is Phase.SUCCEEDED


@pytest.mark.parametrize("revision", [OLD, NEW])
def test_a_lost_primary_is_made_anew_from_the_revision_it_had(revision: str) -> None:
    """After the first initialization and after a promotion alike."""
    world = simulation.initialized(worlds.a_canary())
    world.release(revision)
    world.run()
    world.later(1, lambda: setattr(world, "primary", None))
    world.run()
    assert world.primary is not None
    assert world.primary.revision == revision


def test_a_primary_lost_during_initialization_is_made_anew() -> None:
    """Initialization does not wait for ever for a primary that somebody deleted."""
    world = Simulation(worlds.a_canary())
    world.release(OLD)
    world.later(2, lambda: setattr(world, "primary", None))
    assert world.run().phase is Phase.INITIALIZED


def test_a_dead_primary_that_is_deleted_is_made_anew_and_completes_the_promotion() -> None:
    """Deleting the broken Deployment is what an operator tries first."""
    world = dead_promotion()
    world.dead, world.primary = frozenset(), None
    assert world.run().phase is Phase.SUCCEEDED


def test_a_canary_scaled_to_zero_in_mid_rollout_does_not_keep_its_traffic() -> None:
    """Traffic to no pods at all would last for ever: nothing would wake the rollout."""
    world = simulation.initialized(worlds.a_canary())
    world.release(NEW)

    def scale_to_zero() -> None:
        assert world.target is not None
        world.target.replicas = 0

    world.later(50, scale_to_zero)
    world.run()
    assert world.phase in (Phase.FAILED, Phase.SUCCEEDED)


def test_hooks_that_nobody_answers_are_called_again() -> None:
    """A lost answer costs a deadline, not the rollout."""
    world = simulation.initialized(worlds.a_canary(webhooks=HOOKS), hook_seconds=1e6)
    world.release(NEW)
    world.later(300, lambda: setattr(world, "hook_seconds", 1.0))
    assert world.run().phase is Phase.SUCCEEDED
    lost = "Halt cart.shop advancement no answer to the pre-rollout webhooks"
    assert lost in world.events


@pytest.mark.parametrize("kind", sorted(hooks.ASKED))
def test_every_hook_that_is_admitted_is_asked(kind: WebhookType) -> None:
    """One that decides, is let in, and that no rule asks would be an open gate."""
    asked = {"name": "load", "type": kind.value, "url": "http://tester.shop/load"}
    world = rollout(worlds.a_canary(webhooks=[asked]))
    rounds = (done.state.round for _, done in world.decisions)
    assert kind.value in {each.type for each in rounds if each}


def test_a_refusing_pre_rollout_hook_costs_failed_checks_and_no_traffic_is_moved() -> None:
    """Three refusals end the rollout; the canary never had any traffic."""
    world = rollout(worlds.a_canary(webhooks=HOOKS), hook=lambda _, name: name != "smoke")
    assert world.rows == [("Progressing", "100/0"), ("Failed", "100/0")]
    refusal = "Halt cart.shop advancement pre-rollout check smoke failed no"
    assert world.events.count(refusal) == 3
    assert world.measured == 0


def test_a_refusing_rollout_hook_is_a_failed_check_without_metrics() -> None:
    """Metrics are not even asked."""
    world = rollout(worlds.a_canary(webhooks=HOOKS), hook=lambda _, name: name != "load")
    assert world.rows[-1] == ("Failed", "100/0")
    refusal = "Halt cart.shop advancement external check load failed no"
    assert world.events.count(refusal) == 3
    assert world.measured == 0


def test_a_rollback_happens_in_the_tick_of_the_last_failed_check() -> None:
    """No interval passes between the last failed check and the traffic being back."""
    world = rollout(worlds.a_canary(threshold=1), check=failing_from(20))
    first_step = next(at for at, done in world.decisions if done.reason == "Advanced")
    back = world.when("FailedChecksThresholdReached")
    assert timedelta(seconds=back - first_step) <= worlds.INTERVAL * (1 + cadence.SLOT)


def test_a_first_template_that_never_starts_is_mended_by_the_next_one() -> None:
    """Initialization does not wait for ever for a primary that cannot come up."""
    world = Simulation(worlds.a_canary(), dead=frozenset({OLD}))
    world.release(OLD)
    world.run(seconds=700)
    assert world.phase is Phase.INITIALIZING
    world.release(NEW)
    world.run()
    assert (world.phase, world.state and world.state.promoted) == (Phase.INITIALIZED, NEW)


def test_a_canary_that_serves_everything_is_scaled_up_again() -> None:
    """Somebody scaled it to zero after a failed promotion: that would be an outage."""
    world = dead_promotion()
    assert world.target is not None
    world.target.replicas = 0
    world.run(seconds=30)
    assert world.target.replicas == 2
    assert world.phase is Phase.PROMOTION_FAILED
