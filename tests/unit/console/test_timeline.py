"""The timeline as the console reads it, and the rollouts it is about."""

from typing import Any

from cli.console import timeline
from tests.consoles import NOW, PASSED, SLOW, an_account, an_entry

FIRST, SECOND = "1" * 20, "2" * 20


def told(*steps: tuple[Any, ...]) -> tuple[timeline.Rollout, ...]:
    """The rollouts of entries, each given as phase, weight, revision and reason."""
    entries = (
        an_entry(phase, weight, 100 - index, revision=revision, reason=reason, failedChecks=failed)
        for index, (phase, weight, revision, reason, failed) in enumerate(steps)
    )
    return timeline.rollouts(an_account(*entries).entries)


def test_a_rollout_ends_where_the_canary_rests_and_the_next_begins_with_its_revision() -> None:
    """What is decided after an end belongs to it; failed checks are those of the rollout."""
    initial, bad, good = told(
        ("", 0, "", "Discovered", 0),
        ("Initializing", 0, "", "Initializing", 0),
        ("Initialized", 0, FIRST, "Initialized", 0),
        ("Progressing", 0, SECOND, "NewRevision", 0),
        ("Progressing", 10, SECOND, "Advanced", 0),
        ("Progressing", 10, SECOND, "CheckFailed", 1),
        ("Failed", 0, SECOND, "FailedChecksThresholdReached", 0),
        ("Failed", 0, SECOND, "ScalingDown", 0),
        ("Progressing", 0, FIRST, "NewRevision", 0),
        ("Promoting", 50, FIRST, "Promoting", 0),
        ("Succeeded", 0, FIRST, "Succeeded", 0),
    )

    assert (initial.result, initial.is_cut, initial.weights) == ("Initialized", False, (0,))
    assert (bad.revision, bad.result, bad.weights) == (SECOND, "Failed", (0, 10, 0))
    assert (bad.failed_checks, len(bad.entries)) == (2, 5)
    assert (good.revision, good.result, good.why) == (FIRST, "Succeeded", "")


def test_a_rollout_in_whose_place_another_one_began_has_no_end() -> None:
    """A new revision in mid-analysis starts from zero."""
    before, after = told(
        ("Progressing", 20, FIRST, "NewRevision", 0),
        ("Progressing", 0, SECOND, "RevisionChanged", 0),
    )
    assert (before.result, before.end, after.result) == ("Replaced", None, "Progressing")


def test_waiting_for_approval_is_a_part_of_the_rollout_that_is_approved() -> None:
    """The state names the old revision until then."""
    (only,) = told(
        ("Waiting", 0, FIRST, "GateClosed", 0), ("Progressing", 0, SECOND, "NewRevision", 0)
    )
    assert (only.revision, only.result) == (SECOND, "Progressing")


def test_a_rollout_whose_beginning_is_gone_says_so() -> None:
    """The stream is capped: what is the oldest may be the middle of something."""
    (only,) = told(("Progressing", 30, FIRST, "Advanced", 0))
    assert only.is_cut


def test_what_was_measured_last_is_of_the_newest_rollout() -> None:
    """The checks of the release before say nothing of this one."""
    old = an_entry("Failed", 0, 90, revision=FIRST, checks=[SLOW])
    begun = an_entry("Progressing", 0, 50, revision=SECOND)
    assert an_account(old, begun).measured is None

    measured = an_entry("Progressing", 10, 20, revision=SECOND, checks=[PASSED])
    asked = an_entry("Progressing", 10, 4, revision=SECOND)
    account = an_account(old, begun, measured, asked)
    assert account.measured == account.entries[2]


def test_an_answer_of_another_version_is_read_as_far_as_it_goes() -> None:
    """Fields may be missing, odd, or of a kind that is not known yet."""
    check = {**PASSED, "value": "Infinity", "minimum": "99", "maximum": None, "shape": 1}
    entry = {"at": "yesterday", "phase": 3, "checks": [check, 7], "hooks": None}
    account = timeline.account({"entries": [entry, None, "x"], "nextLook": 5}, NOW)

    (only,) = account.entries
    assert (only.at, only.phase, only.weight, only.hooks) == (None, "", 0, ())
    assert [each.value for each in only.checks] == ["Infinity"]
    assert (account.now, account.next_look) == (NOW, None)
