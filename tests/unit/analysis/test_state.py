"""The state: a value that survives its JSON form, and intents that are numbered by change."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from analysis import state as states
from analysis.phases import Phase
from analysis.state import HookRound, RolloutState
from analysis.waiting import Waiting, WaitReason
from config.api.hooks import WebhookType
from config.scaling import CanaryScale
from config.traffic import (
    ALL_TO_PRIMARY,
    Affinity,
    Aspect,
    Comparison,
    Criterion,
    Feature,
    Mirror,
    TrafficSplit,
)
from tests.unit.analysis import arbitrary, worlds
from tests.unit.analysis.worlds import NOW


@given(state=arbitrary.states())
def test_a_state_survives_its_json_form(state: RolloutState) -> None:
    """Written, sent as text and read again, it is the same value."""
    text = json.dumps(states.to_json(state))
    assert states.from_json(json.loads(text)) == state


@given(state=arbitrary.states())
def test_a_state_reads_times_as_aware_moments(state: RolloutState) -> None:
    """A naive time would be compared with Redis' own and raise in the middle of a rollout."""
    read = states.from_json(json.loads(json.dumps(states.to_json(state))))
    assert read.since.tzinfo is not None
    assert read.check_at is None or read.check_at.tzinfo is not None


@pytest.mark.parametrize(
    "damage",
    [
        {"phase": "Resting"},
        {"since": "yesterday"},
        {"uid": None},
        {"route": {"seq": 1, "stage": "exposed", "split": {"primary": 50, "canary": 60}}},
        {"workload": {"seq": 1, "canary": "half"}},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_a_document_that_is_no_state_is_refused(damage: dict[str, Any]) -> None:
    """Never a silent default for what cannot be read."""
    document = states.to_json(worlds.a_state(Phase.PROGRESSING))
    with pytest.raises(ValidationError):
        states.from_json({**document, **damage})


def test_a_state_of_an_older_version_reads_with_defaults() -> None:
    """Fields added later are absent in what is stored now; the core of a state suffices."""
    document = states.to_json(worlds.a_state(Phase.PROGRESSING))
    core = {key: document[key] for key in ("uid", "phase", "since", "route", "workload")}
    read = states.from_json(core)
    assert (read.failed_checks, read.check_at, read.round) == (0, None, None)


INSIDERS = ((Criterion(Aspect.HEADER, "x-user", Comparison.EXACT, "insider"),),)
SAYS_ALL = TrafficSplit(
    70, 30, match=INSIDERS, pinned=INSIDERS, mirror=Mirror(10), affinity=Affinity("a=1", "b=2")
)


def test_a_split_survives_with_all_it_can_say() -> None:
    """Match rules, mirroring and cookies are part of the intent, and so of what is stored."""
    state = worlds.progressing(0)
    state = replace(state, route=state.routed(SAYS_ALL))
    assert states.from_json(json.loads(json.dumps(states.to_json(state)))) == state
    assert SAYS_ALL.features == frozenset(Feature)


def test_a_split_stored_before_there_were_match_rules_and_cookies_is_read() -> None:
    """A rollout goes on across the update of Coalmine itself."""
    document = states.to_json(worlds.progressing(20))
    document["route"]["split"] = {"primary": 80, "canary": 20, "mirrored": False}
    assert states.from_json(document) == worlds.progressing(20)


def test_cookies_given_out_are_taken_back_with_the_traffic() -> None:
    """Whoever sends everything to one side need not know of them; once taken back, it stays so."""
    state = worlds.progressing(0)
    sticky = replace(state, route=state.routed(SAYS_ALL))
    back = replace(sticky, route=sticky.routed(ALL_TO_PRIMARY))
    ended = TrafficSplit(100, 0, affinity=Affinity(expired="a=1"))
    assert back.route.split == ended
    assert back.routed(ALL_TO_PRIMARY) == back.route


def test_the_same_traffic_keeps_its_number_and_other_traffic_gets_the_next() -> None:
    """Writers compare numbers: a repeated wish must not cost a write."""
    state = worlds.progressing(20)
    assert state.routed(TrafficSplit.of(20)) == state.route
    assert state.routed(ALL_TO_PRIMARY).seq == state.route.seq + 1


def test_the_same_workload_wish_keeps_its_number_and_another_gets_the_next() -> None:
    """Likewise for replicas and promotions."""
    state = worlds.progressing(20)
    assert state.worked(CanaryScale.RUNNING) == state.workload
    assert state.worked(CanaryScale.ZERO).seq == state.workload.seq + 1
    assert state.worked(CanaryScale.RUNNING, promote=worlds.NEW).seq == state.workload.seq + 1


def test_a_repeated_workload_wish_allows_the_promoted_revision_as_the_primarys() -> None:
    """After a promotion a lost primary may be made from the revision it had, not the one before."""
    state = worlds.a_state(Phase.SUCCEEDED, promoted=worlds.NEW, applied=worlds.NEW)
    again = state.reworked()
    assert (again.seq, again.base) == (state.workload.seq + 1, worlds.NEW)


def test_an_unborn_state_asks_for_nothing() -> None:
    """A canary that was never accepted changes nothing in the cluster."""
    state = states.unborn("u1", 3, worlds.NOW)
    assert (state.route.seq, state.workload.seq) == (0, 0)
    assert state.workload.canary is CanaryScale.LEAVE
    assert (state.phase, state.generation, state.since) == (Phase.NEW, 3, worlds.NOW)


def test_times_keep_their_microseconds() -> None:
    """Due times are compared with each other; rounding would make a check early."""
    moment = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC) + timedelta(microseconds=1)
    state = worlds.progressing(20, check_at=moment)
    assert states.from_json(json.loads(json.dumps(states.to_json(state)))).check_at == moment


def test_a_state_is_carried_along_whole_and_once() -> None:
    """All its times, however deep; what says that a time is not known goes on saying so."""
    hour = timedelta(hours=1)
    before, after = (
        worlds.a_state(
            Phase.PROGRESSING,
            since=at,
            check_at=at,
            waiting=Waiting(WaitReason.PRIMARY_LOST, "lost", at, at, at),
            round=HookRound(1, WebhookType.ROLLOUT, beside=at),
            leapt=at - NOW,
        )
        for at in (NOW, NOW + hour)
    )
    stored = [states.to_json(state) for state in (before, after)]
    assert [states.stored(document, hour) for document in stored] == [after, after]
    assert [states.stored(document, timedelta(0)) for document in stored] == [before, before]
    assert states.from_json(stored[1]) == after
