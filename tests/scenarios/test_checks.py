"""Releases that do not pass their checks: counting, holding, telling (lifecycle 9, 22.3)."""

from datetime import timedelta
from typing import Any

import pytest

from analysis.findings import Absent, Measurement, Sample
from analysis.metrics.checks import Check
from analysis.verdicts import Reason, Verdict
from config.traffic import TrafficSplit
from tests.stage import measuring, rollouts
from tests.stage.rollouts import BEGINNING, COPYING, ENDING, FAILED, INTERVAL, LONG, READINESS
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest

LOW = "Halt cart.shop advancement success rate 50.00% < 99%"
SPENT = "Rolling back cart.shop failed checks threshold reached 3"
NO_VALUES = (
    "Halt advancement no values found for istio metric request-success-rate "
    "probably cart-app.shop is not receiving traffic: running query failed: no values found"
)
NO_DURATION = (
    "Halt advancement no values found for istio metric request-duration "
    "probably cart-app.shop is not receiving traffic"
)
DURATION = {"name": "request-duration", "interval": "1m", "thresholdRange": {"max": 500}}
INLINE = {
    "name": "queue depth",
    "interval": "1m",
    "thresholdRange": {"max": 10},
    "query": 'depth{app="{{ target }}"}',
}


def no_values(_: Check) -> Measurement:
    """Prometheus answers, and has nothing."""
    return Absent(Verdict.NO_DATA, Reason.NO_VALUES, "no values found")


def unreachable(_: Check) -> Measurement:
    """Prometheus does not answer."""
    return Absent(Verdict.ERROR, Reason.UNREACHABLE, "connection refused")


def sequence(*sources: measuring.Source) -> measuring.Source:
    """One source per round of checks, the last for all that follow."""
    left = list(sources)

    def measured(check: Check) -> Measurement:
        return (left.pop(0) if len(left) > 1 else left[0])(check)

    return measured


def played(source: measuring.Source, **analysis: Any) -> Stage:
    """A finished rollout of cart:2 with these measurements."""
    stage = rollouts.released(a_manifest(**analysis))
    stage.meters.source = source
    return rollouts.finish(stage)


def test_failed_checks_below_the_threshold_delay_and_do_not_end_a_rollout() -> None:
    """Two of three strikes: the weight waits, and the number stays visible after success (D-68)."""
    bad, good = measuring.failing, measuring.healthy
    stage = played(sequence(good, bad, good, bad, good))

    assert stage.weights == [0, 20, 40, 60, 0]
    assert rollouts.told(stage) == [
        *BEGINNING,
        *rollouts.advance(20, 40),
        LOW,
        *rollouts.advance(60),
        LOW,
        *ENDING,
    ]
    rollouts.succeeded(stage)
    assert stage.status["failedChecks"] == 2


def test_a_failed_check_costs_one_interval() -> None:
    """The weight that failed is measured again one interval later, not before."""
    stage = rollouts.released(a_manifest())
    stage.meters.source = sequence(measuring.failing, measuring.healthy)
    began = stage.clock.now()
    stage.run(rollouts.ended, within=LONG)

    took = stage.clock.now() - began
    assert 4 * INTERVAL <= took <= 4 * INTERVAL * 1.05 + 2 * READINESS


def test_failed_checks_add_up_over_the_whole_rollout() -> None:
    """A good round does not forgive in the default mode: lifecycle 9, D-68."""
    bad, good = measuring.failing, measuring.healthy
    stage = played(sequence(bad, good, bad, good, bad))

    assert stage.weights == [0, 20, 40, 60, 0]
    rollouts.rolled_back(stage)


def test_in_consecutive_mode_a_good_round_forgives() -> None:
    """With `thresholdMode: consecutive` only failed checks in a row count."""
    bad, good = measuring.failing, measuring.healthy
    mixed = sequence(bad, bad, good, bad, bad, good, bad, good)
    stage = played(mixed, thresholdMode="consecutive")
    rollouts.succeeded(stage)
    assert stage.status["failedChecks"] == 1

    stage = played(sequence(bad, bad, good, bad), thresholdMode="consecutive")
    rollouts.rolled_back(stage)


def test_the_events_of_a_rollback_are_flaggers() -> None:
    """Each failed check with its numbers, then the threshold, then the end: lifecycle 13, 22.2."""
    stage = played(measuring.failing)

    assert rollouts.told(stage) == [*BEGINNING, *rollouts.advance(20), LOW, LOW, LOW, SPENT, FAILED]
    assert stage.weights == [0, 20, 0]
    rollouts.rolled_back(stage)


def test_with_a_threshold_of_one_the_first_failed_check_ends_it() -> None:
    """No second chance where none is given, in the tick of the check (D-60)."""
    stage = rollouts.released(a_manifest(threshold=1))
    stage.meters.source = measuring.failing
    rollouts.at_weight(stage, 20)
    stage.run(lambda on: len(on.meters.asked) == 1, within=LONG)

    assert stage.split == TrafficSplit(100, 0)
    assert stage.phase() == "Failed"


def test_a_slow_release_is_told_with_its_duration() -> None:
    """request-duration over its bound, printed like Go: lifecycle 22.3."""
    stage = played(measuring.failing, metrics=[DURATION])

    assert "Halt cart.shop advancement request duration 9s > 500ms" in rollouts.told(stage)
    rollouts.rolled_back(stage)


def test_a_fast_release_passes_its_duration_check() -> None:
    """12 ms under 500 ms."""
    rollouts.succeeded(played(measuring.healthy, metrics=[DURATION]))


def test_an_inline_query_is_rendered_asked_and_judged() -> None:
    """The user's own query, with the name of the target in it: lifecycle 22.3."""
    stage = played(lambda _: Sample(12.345), metrics=[INLINE])

    assert {check.query for checks in stage.meters.asked for check in checks} == {
        'depth{app="cart-app"}'
    }
    assert "Halt cart.shop advancement queue depth 12.35 > 10" in rollouts.told(stage)
    rollouts.rolled_back(stage)


def test_all_failing_checks_are_told_and_cost_one_unit() -> None:
    """The first failure does not hide the others (D-60); a round costs one failed check."""
    both = [{"name": "request-success-rate", "thresholdRange": {"min": 99}}, DURATION]
    stage = rollouts.at_weight(rollouts.released(a_manifest(metrics=both)), 20)
    stage.meters.source = measuring.failing
    stage.run(lambda on: on.status["failedChecks"] == 1, within=LONG)

    assert rollouts.told(stage)[-2:] == [
        LOW,
        "Halt cart.shop advancement request duration 9s > 500ms",
    ]


@pytest.mark.parametrize(
    ("source", "metric", "text"),
    [
        (no_values, {"name": "request-success-rate"}, NO_VALUES),
        (
            no_values,
            DURATION,
            NO_DURATION,
        ),
        (no_values, INLINE, "Halt advancement no values found for metric: queue depth"),
        (
            unreachable,
            {"name": "request-success-rate"},
            "Prometheus query failed: running query failed: connection refused",
        ),
        (unreachable, INLINE, "Prometheus query failed for queue depth: connection refused"),
    ],
)
def test_a_missing_value_is_a_failed_check_in_flaggers_words(
    source: measuring.Source, metric: dict[str, Any], text: str
) -> None:
    """NO_DATA and ERROR cost failed checks by default, and roll back like bad values."""
    stage = played(source, metrics=[metric])

    assert rollouts.told(stage) == [
        *BEGINNING,
        *rollouts.advance(20),
        *[text] * 3,
        SPENT,
        FAILED,
    ]
    rollouts.rolled_back(stage)


@pytest.mark.parametrize(("source", "policy"), [(no_values, "onNoData"), (unreachable, "onError")])
def test_a_missing_value_may_hold_the_rollout(source: measuring.Source, policy: str) -> None:
    """`hold`: no step and no failed check, said once, for as long as it lasts."""
    metric = {"name": "request-success-rate", "thresholdRange": {"min": 99}, policy: "hold"}
    stage = rollouts.released(a_manifest(metrics=[metric]))
    stage.meters.source = source
    stage.wait(timedelta(minutes=20))

    assert stage.weights == [0, 20]
    assert (stage.phase(), stage.status["failedChecks"]) == ("Progressing", 0)
    assert len(rollouts.told(stage)) == len([*BEGINNING, "advance", "held"])

    stage.meters.source = measuring.healthy
    rollouts.succeeded(rollouts.finish(stage))


@pytest.mark.parametrize(("source", "policy"), [(no_values, "onNoData"), (unreachable, "onError")])
def test_a_missing_value_may_pass(source: measuring.Source, policy: str) -> None:
    """`pass`: what nobody measured keeps nobody from advancing."""
    metric = {"name": "request-success-rate", policy: "pass"}
    rollouts.succeeded(played(source, metrics=[metric]))


def test_a_policy_for_missing_values_forgives_no_bad_value() -> None:
    """`pass` for no data and errors does not touch what was measured."""
    metric = {
        "name": "request-success-rate",
        "thresholdRange": {"min": 99},
        "onNoData": "pass",
        "onError": "pass",
    }
    rollouts.rolled_back(played(measuring.failing, metrics=[metric]))


def test_the_older_threshold_is_a_bound_too() -> None:
    """`threshold: 99` is the smallest success rate."""
    metric = {"name": "request-success-rate", "threshold": 99}
    stage = played(measuring.failing, metrics=[metric])

    assert LOW in rollouts.told(stage)
    rollouts.rolled_back(stage)


def test_an_unreachable_metrics_server_is_told_at_initialization_and_ends_nothing() -> None:
    """Probing fails: a warning, no more (lifecycle 3, step 7)."""
    stage = Stage()
    stage.meters.probes = ("connection refused",)
    initialized(a_manifest(), stage)

    assert [stage.texts()[0], stage.texts()[-1]] == [
        "Error checking metric providers: connection refused",
        "Initialization done! cart.shop",
    ]


def test_a_release_after_a_rollback_starts_from_zero_failed_checks() -> None:
    """The strikes of a failed revision are not held against the next one."""
    stage = played(measuring.failing)
    stage.meters.source = sequence(measuring.failing, measuring.failing, measuring.healthy)
    stage.release("cart:3")
    rollouts.finish(stage)

    assert COPYING in rollouts.told(stage)
    rollouts.succeeded(stage, "cart:3")
