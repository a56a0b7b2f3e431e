"""The status as clients know it: the CRD reference, 7 and 7.1; defects D-95, D-97."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from analysis import conditions, decide, recorded
from analysis.decisions import Decision
from analysis.phases import Phase
from analysis.state import Acceptance, RolloutState
from analysis.waiting import WaitReason
from config import moments
from config.scaling import CanaryScale
from config.traffic import ALL_TO_CANARY, Aspect, Comparison, Criterion, Mirror, TrafficSplit
from tests.unit.analysis import worlds
from tests.unit.analysis.worlds import NEW, NOW, OLD

SINCE = "2026-03-01T11:55:00Z"
"""When the states of `worlds` entered their phase."""

PROMOTED: dict[Phase, tuple[str, str, str]] = {
    Phase.INITIALIZING: (
        "Initializing",
        "Unknown",
        "New Deployment detected, starting initialization.",
    ),
    Phase.INITIALIZED: ("Initialized", "True", "Deployment initialization completed."),
    Phase.PROGRESSING: (
        "Progressing",
        "Unknown",
        "New revision detected, progressing canary analysis.",
    ),
    Phase.PROMOTING: (
        "Promoting",
        "Unknown",
        "Canary analysis completed, starting primary rolling update.",
    ),
    Phase.FINALISING: (
        "Finalising",
        "Unknown",
        "Canary analysis completed, routing all traffic to primary.",
    ),
    Phase.SUCCEEDED: (
        "Succeeded",
        "True",
        "Canary analysis completed successfully, promotion finished.",
    ),
    Phase.FAILED: ("Failed", "False", "Canary analysis failed, Deployment scaled to zero."),
}


def shown(state: RolloutState, present: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The status of `state` in version 12, without the condition that says so."""
    status = written(state, 12, present)
    (*others, recorded) = status["conditions"]
    assert recorded["type"] == "Recorded"
    return {**status, "conditions": others}


def written(
    state: RolloutState, version: int, present: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The status of `state` in this version."""
    return conditions.status(state, version, worlds.a_canary(), present or [], NOW)


@pytest.mark.parametrize(("phase", "expected"), PROMOTED.items(), ids=[*PROMOTED])
def test_the_condition_promoted_has_these_words(
    phase: Phase, expected: tuple[str, str, str]
) -> None:
    """Reason, status and message are letter by letter those that scripts wait for."""
    condition, _ = shown(worlds.a_state(phase))["conditions"]
    assert condition["type"] == "Promoted"
    assert (condition["reason"], condition["status"], condition["message"]) == expected


@pytest.mark.parametrize("weight", [100, 40, 0])
def test_a_failed_promotion_is_shown_as_failed_with_the_traffic_as_it_is(weight: int) -> None:
    """Lifecycle 13; the message does not claim that the canary was scaled to zero (D-97)."""
    status = shown(worlds.a_state(Phase.PROMOTION_FAILED, weight, CanaryScale.RUNNING))
    condition, _ = status["conditions"]
    assert (status["phase"], status["canaryWeight"]) == ("Failed", weight)
    assert (condition["reason"], condition["status"]) == ("Failed", "False")
    assert condition["message"] == (
        f"Promotion failed, primary not ready: {weight}% of traffic is on Deployment, still "
        "running."
    )


def test_every_field_that_clients_read_is_there() -> None:
    """The four that are always written, the two revisions and the time."""
    state = worlds.progressing(40, failed_checks=2, iterations=1)
    status = shown(state)
    del status["conditions"]
    assert status == {
        "phase": "Progressing",
        "canaryWeight": 40,
        "failedChecks": 2,
        "iterations": 1,
        "lastAppliedSpec": NEW,
        "lastPromotedSpec": OLD,
        "lastTransitionTime": SINCE,
    }


def test_whoever_meets_the_canary_shows_as_its_weight() -> None:
    """Chosen requests as well as all; copies are nobody's."""
    chosen = ((Criterion(Aspect.HEADER, "x", Comparison.EXACT, "1"),),)
    for split, weight in (
        (replace(ALL_TO_CANARY, match=chosen), 100),
        (ALL_TO_CANARY, 100),
        (TrafficSplit.of(0, mirror=Mirror()), 0),
    ):
        state = worlds.progressing(0)
        state = replace(state, route=state.routed(split), iterations=1)
        assert shown(state)["canaryWeight"] == weight


def test_the_transition_time_of_a_condition_stays_while_its_status_does() -> None:
    """`lastUpdateTime` moves with each change, `lastTransitionTime` with the value only."""
    before = {"type": "Promoted", "status": "Unknown", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    same, _ = shown(worlds.a_state(Phase.PROMOTING), [before])["conditions"]
    assert same["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert same["lastUpdateTime"] == SINCE
    other, _ = shown(worlds.a_state(Phase.SUCCEEDED), [before])["conditions"]
    assert other["lastTransitionTime"] == SINCE


def test_a_canary_that_was_never_accepted_has_no_condition_promoted() -> None:
    """`kubectl wait` must not see a promotion that never began."""
    assert shown(worlds.a_state(Phase.NEW))["conditions"] == []


@pytest.mark.parametrize(("accepted", "value"), [(True, "True"), (False, "False")])
def test_what_is_wrong_with_a_manifest_is_a_condition_of_its_own(
    accepted: bool, value: str
) -> None:
    """Field, value and what is allowed are in its message."""
    verdict = Acceptance(accepted=accepted, reason="InvalidSpec", message="spec.x: 1", since=NOW)
    state = replace(worlds.a_state(Phase.SUCCEEDED), acceptance=verdict)
    promoted, condition = shown(state)["conditions"]
    assert promoted["type"] == "Promoted"
    assert condition == {
        "type": "Accepted",
        "status": value,
        "reason": "InvalidSpec",
        "message": "spec.x: 1",
        "lastUpdateTime": "2026-03-01T12:00:00Z",
        "lastTransitionTime": "2026-03-01T12:00:00Z",
    }


def test_a_manifest_without_remark_is_accepted_from_the_first_phase_on() -> None:
    """For `kubectl wait`; its times stay while it does, whatever the rollout goes through."""
    condition = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "The manifest is accepted.",
        "lastUpdateTime": SINCE,
        "lastTransitionTime": SINCE,
    }
    first = shown(worlds.a_state(Phase.INITIALIZING))["conditions"]
    assert first[1] == condition
    later = replace(worlds.a_state(Phase.SUCCEEDED), since=NOW)
    assert shown(later, first)["conditions"][1] == condition


def test_what_is_waited_for_is_a_condition_for_as_long_as_it_lasts() -> None:
    """Cause, since when and the way out; then False, since it is over; then nothing is written."""
    wait = worlds.a_wait("cart-app-primary.shop not ready: x")
    waiting = replace(worlds.progressing(20), waiting=wait)
    assert shown(waiting)["conditions"][2] == {
        "type": "Waiting",
        "status": "True",
        "reason": "PrimaryNotReady",
        "message": "cart-app-primary.shop not ready: x "
        "(see why the pods of the primary are not ready)",
        "lastUpdateTime": "2026-03-01T11:59:00Z",
        "lastTransitionTime": "2026-03-01T11:59:00Z",
    }
    over = shown(worlds.progressing(20), shown(waiting)["conditions"])["conditions"]
    assert over[2] == {
        "type": "Waiting",
        "status": "False",
        "reason": "NotWaiting",
        "message": "The canary waits for nothing but its time.",
        "lastUpdateTime": "2026-03-01T12:00:00Z",
        "lastTransitionTime": "2026-03-01T12:00:00Z",
    }
    assert shown(worlds.progressing(40), over)["conditions"][2] == over[2]


def test_a_refused_write_is_waited_for_too() -> None:
    """The words of the API server stand beside those of the rollout."""
    refused = worlds.a_wait("forbidden", WaitReason.WRITE_REFUSED, seconds_ago=90)
    state = replace(worlds.progressing(20), trouble=refused)
    *_, alone = shown(state)["conditions"]
    assert (alone["reason"], alone["lastTransitionTime"]) == (
        "WriteRefused",
        "2026-03-01T11:58:30Z",
    )
    *_, both = shown(replace(state, waiting=worlds.a_wait("not ready")))["conditions"]
    assert both["reason"] == "PrimaryNotReady"
    assert [line.split(" (")[0] for line in both["message"].split("\n")] == [
        "not ready",
        "forbidden",
    ]


def test_a_status_that_differs_in_its_version_alone_is_not_written() -> None:
    """A commit that nobody sees must not cost a write."""
    wanted = written(worlds.progressing(40), 12)
    before = written(worlds.progressing(40), 3)
    assert before != wanted
    assert not conditions.says_more(wanted, {**before, "foreign": 1})
    assert conditions.says_more(wanted, {**before, "canaryWeight": 20})
    assert conditions.says_more(wanted, {})


def test_a_status_that_names_no_version_is_written_again() -> None:
    """Or a state older than it would pass for the present one."""
    wanted = written(worlds.progressing(40), 12)
    assert conditions.says_more(wanted, shown(worlds.progressing(40)))


@pytest.mark.parametrize("version", [1, 12, 999_999_999_999_999])
def test_the_version_is_read_from_where_it_is_written(version: int) -> None:
    """A condition is kept by every definition of a Canary, a field of ours only by our own."""
    status = written(worlds.a_state(Phase.SUCCEEDED), version)
    assert recorded.version(status) == version
    (shown,) = [item for item in status["conditions"] if item["type"] == "Recorded"]
    assert shown == {
        "type": "Recorded",
        "status": "True",
        "reason": f"Version{version}",
        "message": "This status shows this version of the state of the rollout.",
        "lastUpdateTime": SINCE,
        "lastTransitionTime": SINCE,
    }


@pytest.mark.parametrize("reason", ["", "Version", "Versionx", "Version-1", "Version" + 16 * "9"])
def test_a_version_that_is_none_of_ours_counts_as_none(reason: str) -> None:
    """Anybody may edit a status; a number that Lua cannot count must not become a version."""
    forged = {"type": "Recorded", "status": "True", "reason": reason}
    assert recorded.version({"conditions": [forged]}) == 0
    assert recorded.version({"conditions": None}) == 0
    assert recorded.version({}) == 0


def test_a_written_status_says_the_same_the_next_time() -> None:
    """Conditions as written are conditions as wanted: no write loop."""
    first = written(worlds.a_state(Phase.SUCCEEDED), 12)
    again = written(worlds.a_state(Phase.SUCCEEDED), 12, first["conditions"])
    assert again == first
    assert not conditions.says_more(again, first)


def test_times_are_written_as_kubernetes_writes_them() -> None:
    """UTC, whole seconds, Z."""
    moment = datetime(2026, 3, 1, 13, 0, 0, 999999, tzinfo=timezone(timedelta(hours=1)))
    assert moments.rfc3339(moment) == "2026-03-01T12:00:00Z"
    assert moments.rfc3339(moment.astimezone(UTC)) == "2026-03-01T12:00:00Z"


def test_a_canary_that_was_never_accepted_keeps_the_status_it_has() -> None:
    """What Flagger, or a state that was lost, left there is still needed."""
    assert set(shown(worlds.a_state(Phase.NEW))) == {"conditions"}


def test_a_failed_rollout_keeps_what_decided_it() -> None:
    """Check, value and limit, and how often, after Flagger's words; a lost state keeps them."""
    flagger = "Canary analysis failed, Deployment scaled to zero."
    seen = worlds.seen(worlds.progressing(20, failed_checks=2))
    failed = decide.decide(seen, worlds.FAILED)
    assert isinstance(failed, Decision)
    (condition, *_) = shown(failed.state)["conditions"]
    assert condition["message"] == (
        f"{flagger} Halt cart.shop advancement bad; "
        "Rolling back cart.shop failed checks threshold reached 3"
    )
    rebuilt = worlds.a_state(Phase.FAILED)
    assert shown(rebuilt, [condition])["conditions"][0]["message"] == condition["message"]
    again = replace(failed.state, epilogue=False).moved(Phase.PROGRESSING, NOW)
    assert again.failure == ""


def test_what_is_shown_of_a_manifest_can_be_read_back() -> None:
    """By it a rebuilt state knows what was said already; anything odd counts as nothing said."""
    verdict = Acceptance(accepted=False, reason="InvalidSpec", message="spec.x: 1", since=NOW)
    status = shown(replace(worlds.a_state(Phase.SUCCEEDED), acceptance=verdict))
    assert conditions.shown_acceptance(status) == verdict
    (_, item) = status["conditions"]
    for odd in ({"status": "Unknown"}, {"lastUpdateTime": "soon"}, {"type": "Other"}):
        assert conditions.shown_acceptance({"conditions": [{**item, **odd}]}) is None
    assert conditions.shown_acceptance({}) is None


@pytest.mark.parametrize("text", [None, "", "now", "0001-01-01T00:00:00Z", "2026-13-01T00:00:00Z"])
def test_a_time_that_nobody_wrote_is_none(text: str | None) -> None:
    """Anybody may edit a status; ours are read as they were written."""
    assert conditions.moment(text) is None
    assert conditions.moment(moments.rfc3339(NOW)) == NOW
