"""Steps of weights under load, on istiod and Envoy, counted where the requests come from.

Not tested: what is decided and written (system); other meshes.
"""

from typing import Final

from tests.dataplane import approval
from tests.dataplane import traffic as rollouts
from tests.dataplane.traffic import Traffic

STEPS: Final = {"interval": "3s", "stepWeights": [20, 60]}


def test_a_good_release_loses_no_request_and_each_weight_is_the_share_of_the_canary(
    traffic: Traffic,
) -> None:
    """0, 20, 60, promoted: at each weight the canary answers as many, and nobody gets an error."""
    with traffic.application("weights", STEPS) as rollout:
        rollout.release(rollouts.GOOD)
        rollout.assert_nothing_failed()
        rollout.assert_weights_are_shares([0, 20, 60, 0])
        assert {each.revision for each in rollout.load.samples[-100:]} == {"2"}
        assert approval.complaints(rollout.app) == []


def test_a_bad_release_loses_no_request_and_its_answers_end_with_the_check(
    traffic: Traffic,
) -> None:
    """At 20 % all its answers are errors: the first check takes it back, within two seconds."""
    with traffic.application("bad-weights", STEPS) as rollout:
        rollout.release(rollouts.BAD)
        rollout.assert_nothing_failed()
        rollout.assert_weights_are_shares([0, 20, 0])
        rollout.assert_bad_answers_end()
        assert approval.complaints(rollout.app) == []
