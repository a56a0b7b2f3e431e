"""Whether what `coalmine wait` waits for has come; the exit codes are the waiting's own tests."""

from typing import Any

import pytest

from cli.console import judging
from cli.console.goals import Asked, Goal
from cli.console.judging import Outcome
from cli.console.sides import Side
from tests.consoles import a_side, facts_of

OLD, NEW = a_side("primary", tag="6.0.0"), a_side("canary", tag="6.0.1")
DONE = a_side("primary", tag="6.0.1")
P, R, M = Outcome.PENDING, Outcome.REACHED, Outcome.MISSED
ABOUT_NEW: dict[str, Any] = {"lastAppliedSpec": NEW.revision}
ABOUT_OLD: dict[str, Any] = {"lastAppliedSpec": OLD.revision}


def judged(
    goal: str, primary: Side, revision: str = "", *, settled: bool = True, **status: Any
) -> Outcome:
    """What has become of a goal, with the target at 6.0.1."""
    asked = Asked(goal=Goal(goal), revision=revision)
    canary = facts_of(**status)
    return judging.judge(asked, canary, primary, NEW, is_settled=settled)


@pytest.mark.parametrize(
    ("phase", "initialized", "promoted", "succeeded", "failed"),
    [
        ("", P, P, P, P),
        ("Initializing", P, P, P, P),
        ("Initialized", R, R, P, M),
        ("Waiting", R, P, P, P),
        ("Progressing", R, P, P, P),
        ("WaitingPromotion", R, P, P, P),
        ("Promoting", R, P, P, P),
        ("Finalising", R, P, P, P),
        ("Succeeded", R, R, R, M),
    ],
)
def test_each_goal_is_reached_in_its_phases(
    phase: str, initialized: Outcome, promoted: Outcome, succeeded: Outcome, failed: Outcome
) -> None:
    """Of a canary whose primary runs what the target holds."""
    wanted = {
        "initialized": initialized,
        "promoted": promoted,
        "succeeded": succeeded,
        "failed": failed,
    }
    assert {goal: judged(goal, DONE, phase=phase, **ABOUT_NEW) for goal in wanted} == wanted


@pytest.mark.parametrize(("goal", "outcome"), [("promoted", M), ("succeeded", M), ("failed", R)])
def test_a_failed_release_is_what_one_waits_for_or_the_end_of_waiting(
    goal: str, outcome: Outcome
) -> None:
    """The status is about what the target holds."""
    assert judged(goal, OLD, phase="Failed", **ABOUT_NEW) is outcome


@pytest.mark.parametrize("goal", ["promoted", "succeeded", "failed"])
@pytest.mark.parametrize("phase", ["Succeeded", "Initialized", "Failed"])
def test_the_end_of_the_release_before_says_nothing_of_this_one(goal: str, phase: str) -> None:
    """Right after `kubectl set image` the status is still about what was there before."""
    assert judged(goal, OLD, phase=phase, **ABOUT_OLD) is P


def test_a_failure_that_cannot_be_told_from_the_one_before_counts_after_a_while() -> None:
    """Flagger's marks are not ours, and ConfigMaps are not read: a controller must have looked."""
    status: dict[str, Any] = {"phase": "Failed", "trackedConfigs": {"configmap/a": "b"}}
    assert judged("failed", OLD, settled=False, **status) is P
    assert judged("failed", OLD, settled=True, **status) is R


@pytest.mark.parametrize(
    ("revision", "outcome"),
    [
        ("6.0.1", R),
        ("ghcr.io/stefanprodan/podinfo:6.0.1", R),
        ("6.0.0", P),
        ("0.1", P),
        ("podinfo", P),
    ],
)
def test_a_revision_may_be_an_image_or_its_tag(revision: str, outcome: Outcome) -> None:
    """Whole tags alone: 0.1 is not 6.0.1."""
    assert judged("promoted", DONE, revision, phase="Succeeded", **ABOUT_NEW) is outcome


def test_a_revision_may_be_the_mark_of_a_status() -> None:
    """Or its beginning, as `coalmine get -o wide` shows it."""
    status: dict[str, Any] = {"phase": "Succeeded", "lastPromotedSpec": "91c04d7be8f3a6520b4f"}
    assert judged("promoted", OLD, "91c04d7be8", **status) is R
    assert judged("promoted", OLD, "91c0", **status) is P
    failed: dict[str, Any] = {"phase": "Failed", "lastAppliedSpec": "2b7e4f61d2a09c35aa11"}
    assert judged("promoted", OLD, "2b7e4f61d2", **failed) is M


def test_a_release_that_the_target_does_not_hold_yet_is_waited_for() -> None:
    """Flux or Argo CD apply it a while after CI has committed it."""
    for phase in ("Succeeded", "Failed", "Progressing"):
        assert judged("promoted", OLD, "6.0.2", phase=phase, **ABOUT_NEW) is P


def test_an_image_is_known_by_its_digest() -> None:
    """Without the registry's name."""
    digest = "sha256:" + "ab" * 32
    assert judging.names(digest, images=(f"ghcr.io/x/y@{digest}",))
    assert not judging.names("sha256:abab", images=(f"ghcr.io/x/y@{digest}",))


def test_a_target_that_was_given_back_what_the_primary_runs_is_promoted_already() -> None:
    """No rollout follows, and the status goes on saying Failed; unless the promotion failed."""
    assert judged("promoted", DONE, phase="Failed", lastAppliedSpec="f" * 20) is R
    assert judged("promoted", OLD, phase="Failed", lastAppliedSpec="a", lastPromotedSpec="a") is R
    assert judged("promoted", DONE, phase="Failed", weight=100, **ABOUT_NEW) is M
    tracked: dict[str, Any] = {"trackedConfigs": {"configmap/a": "b"}}
    assert judged("promoted", DONE, phase="Failed", **tracked) is M
    assert judged("succeeded", DONE, settled=False, phase="Failed", **tracked) is P
