"""The analyst around a decision: which messages count, what is kept of it, what it asks for.

Left out: the decisions (tests/unit/analysis), whole rollouts (tests/scenarios).
"""

import math
from datetime import timedelta
from typing import Final

import pytest

from analysis import state as states
from analysis.effects import Lane
from analysis.findings import Measurement, Sample
from analysis.metrics.checks import Check
from clients.documents.confirmed import Confirmation
from clients.redis.records import Basis, Commit
from config.traffic import TrafficSplit
from tests.stage import measuring, rollouts
from tests.stage.rollouts import INTERVAL, a_message
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

SECOND: Final = timedelta(seconds=1)


@pytest.fixture
def resting() -> Stage:
    """A canary at rest, for a while."""
    stage = initialized(a_manifest())
    stage.wait(10 * SECOND)
    return stage


def test_a_message_for_a_canary_that_is_not_due_looks_at_nothing(resting: Stage) -> None:
    """It came late or twice: the canary has been looked at since, and keeps its due time."""
    before, state = resting.store.agenda(), resting.state
    assert before[REF] > resting.clock.now()
    resting.deliver(a_message("tick"))
    assert (resting.store.agenda(), resting.state) == (before, state)
    assert resting.bag.messages == []


def test_a_look_at_rest_asks_for_nothing(resting: Stage) -> None:
    """What has drifted, the leader says, and says again (`scheduler.drifts`)."""
    version = resting.store.read(REF).version
    resting.store.poke(REF)
    resting.deliver(a_message("tick"))
    assert resting.bag.messages == []
    assert resting.store.read(REF).version == version


def test_the_timeline_keeps_what_explains_a_decision() -> None:
    """Rule, numbers and reason of a failed check, whole; the time is that of the store."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.meters.source = measuring.failing
    stage.run(lambda on: on.state.failed_checks == 1, within=2 * INTERVAL)
    [entry] = stage.store.timeline(REF, 1)
    message = "Halt cart.shop advancement success rate 50.00% < 99%"
    assert entry == {
        "at": stage.clock.now().isoformat(),
        "rule": "halt_on_check",
        "reason": "CheckFailed",
        "message": message,
        "phase": "Progressing",
        "split": "80/20",
        "failedChecks": 1,
        "revision": stage.state.applied,
        "checks": [
            {
                "metric": "request-success-rate",
                "verdict": "failed",
                "effect": "counts",
                "value": 50.0,
                "message": message,
                "reason": "BelowMinimum",
                "tookMilliseconds": 0.0,
                "unit": "%",
                "minimum": 99.0,
                "maximum": None,
            }
        ],
        "hooks": [],
    }


def test_a_measurement_that_json_cannot_express_is_kept_as_text() -> None:
    """Otherwise the decision could not be stored at all."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.meters.source = lambda _: Sample(math.inf)
    version = stage.store.read(REF).version
    stage.run(lambda on: on.store.read(REF).version > version, within=2 * INTERVAL)
    [entry] = stage.store.timeline(REF, 1)
    assert [check["value"] for check in entry["checks"]] == ["inf"]


def test_a_decision_from_an_overtaken_state_is_dropped_and_made_anew_at_once() -> None:
    """Somebody committed while the tick measured: nothing is asked for, the canary is due."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.settle()
    version, timeline = stage.store.read(REF).version, stage.store.timeline(REF)

    def overtaken(check: Check) -> Measurement:
        same = states.to_json(stage.state)
        stage.store.commit(REF, Commit(expected=version, state=same))
        return measuring.healthy(check)

    stage.meters.source = overtaken
    stage.clock.advance(stage.store.agenda()[REF] - stage.clock.now())
    stage.deliver(a_message("tick"))
    assert stage.store.read(REF).version == version + 1
    assert stage.store.timeline(REF) == timeline
    assert stage.bag.messages == []
    assert stage.store.agenda()[REF] == stage.clock.now()
    stage.meters.source = measuring.healthy
    stage.settle()
    assert stage.split == TrafficSplit.of(40)


def test_the_hooks_of_a_round_are_called_by_the_decision_that_asks_for_them() -> None:
    """One that only tells something meanwhile does not have them called once more."""
    smoke = {"name": "smoke", "type": "pre-rollout", "url": "http://probe.shop/"}
    stage = rollouts.released(a_manifest(webhooks=[smoke]))
    stage.losing.add("call")
    stage.run(lambda on: on.state.round is not None, within=INTERVAL)
    asked = stage.state.round
    trouble = Confirmation(lane=Lane.ROUTE, trouble="forbidden")
    assert stage.store.confirm(REF, trouble, Basis(uid=stage.state.uid), wake=True)
    stage.deliver(a_message("tick"))
    assert (stage.state.round, stage.state.trouble is not None) == (asked, True)
    assert [message for message in stage.bag.messages if message.kind == "call"] == []
