"""Verdicts, and what they do to a rollout. Not here: how a value is judged."""

import pytest

from analysis import verdicts
from analysis.findings import Absent, Findings
from analysis.verdicts import Effect, Policies, Reason, Verdict
from config.api.metrics import MissingValuePolicy


@pytest.mark.parametrize(
    ("verdict", "policy", "effect"),
    [
        (Verdict.PASSED, MissingValuePolicy.FAIL, Effect.PASSES),
        (Verdict.FAILED, MissingValuePolicy.PASS, Effect.COUNTS),
        (Verdict.INCONCLUSIVE, MissingValuePolicy.PASS, Effect.HOLDS),
        (Verdict.NO_DATA, MissingValuePolicy.FAIL, Effect.COUNTS),
        (Verdict.NO_DATA, MissingValuePolicy.HOLD, Effect.HOLDS),
        (Verdict.NO_DATA, MissingValuePolicy.PASS, Effect.PASSES),
        (Verdict.ERROR, MissingValuePolicy.FAIL, Effect.COUNTS),
        (Verdict.ERROR, MissingValuePolicy.HOLD, Effect.HOLDS),
        (Verdict.ERROR, MissingValuePolicy.PASS, Effect.PASSES),
    ],
)
def test_policies_speak_only_about_what_has_no_value(
    verdict: Verdict, policy: MissingValuePolicy, effect: Effect
) -> None:
    """`onNoData` and `onError` never soften a measured failure nor spoil a pass."""
    assert verdicts.effect(verdict, Policies(policy, policy)) is effect


def test_missing_data_and_errors_cost_a_failed_check_by_default() -> None:
    """The default is Flagger's behaviour."""
    assert verdicts.effect(Verdict.NO_DATA) is Effect.COUNTS
    assert verdicts.effect(Verdict.ERROR) is Effect.COUNTS


def test_one_policy_does_not_stand_in_for_the_other() -> None:
    """`onNoData: pass` says nothing about errors."""
    lenient = Policies(on_no_data=MissingValuePolicy.PASS)
    assert verdicts.effect(Verdict.ERROR, lenient) is Effect.COUNTS


def test_what_is_absent_has_no_verdict_on_a_value() -> None:
    """Only NO_DATA and ERROR can be said without a number."""
    with pytest.raises(ValueError, match="passed"):
        Absent(Verdict.PASSED, Reason.WITHIN_BOUNDS, "")


def test_nothing_asked_differs_from_nothing_found() -> None:
    """A tick without checks is not a tick whose checks are still to be made."""
    assert Findings().checks is None
    assert Findings() != Findings(hooks={}, checks=())
