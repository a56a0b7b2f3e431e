"""When a wait is told, since when it lasts, and how often it was told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from analysis import waiting
from analysis.waiting import NEWS, REPEAT, Waiting, WaitReason
from tests.unit.analysis.worlds import NOW

EARLIER = NOW - timedelta(minutes=20)
TOLD = Waiting(WaitReason.CANARY_NOT_READY, "0 of 2", EARLIER, EARLIER, NOW - REPEAT, times=4)


def test_a_wait_is_told_at_once_and_then_every_five_minutes() -> None:
    """Another reason is told without delay, other words soon, the same when their time has come."""
    assert timedelta(minutes=5) == REPEAT
    canary, primary = WaitReason.CANARY_NOT_READY, WaitReason.PRIMARY_NOT_READY
    moment = timedelta(milliseconds=1)
    assert waiting.is_due(None, canary, "0 of 2", NOW)
    assert waiting.is_due(TOLD, primary, "0 of 2", NOW - REPEAT)
    assert waiting.is_due(TOLD, canary, "1 of 2", NOW - REPEAT + NEWS)
    assert not waiting.is_due(TOLD, canary, "1 of 2", NOW - REPEAT + NEWS - moment)
    assert waiting.is_due(TOLD, canary, "0 of 2", NOW)
    assert not waiting.is_due(TOLD, canary, "0 of 2", NOW - moment)


def test_other_ports_times_and_identifiers_are_no_other_words() -> None:
    """An API server names them in each refusal anew."""
    before = replace(TOLD, message="tcp 10.0.0.1:53422 id 3fa85f64-5717")
    later = NOW - timedelta(minutes=1)
    same = "tcp 10.0.0.1:40001 id 9bc01a2f-6b2e"
    assert not waiting.is_due(before, TOLD.reason, same, later)
    assert waiting.is_due(before, TOLD.reason, "tcp 10.0.0.1:53422: refused", later)


def test_a_wait_told_again_counts_up_and_keeps_its_beginning() -> None:
    """Events of one wait are one event."""
    again = waiting.told(TOLD, WaitReason.CANARY_NOT_READY, "0 of 2", NOW)
    assert again == Waiting(WaitReason.CANARY_NOT_READY, "0 of 2", EARLIER, EARLIER, NOW, times=5)


def test_a_new_message_is_another_event_of_the_same_wait() -> None:
    """What is waited for is still the same, and so is since when."""
    news = waiting.told(TOLD, WaitReason.CANARY_NOT_READY, "1 of 2", NOW)
    assert news == Waiting(WaitReason.CANARY_NOT_READY, "1 of 2", EARLIER, NOW, NOW)


def test_another_reason_is_another_wait() -> None:
    """It begins when it is told."""
    other = waiting.told(TOLD, WaitReason.PRIMARY_NOT_READY, "0 of 2", NOW)
    assert other == Waiting(WaitReason.PRIMARY_NOT_READY, "0 of 2", NOW, NOW, NOW)


@pytest.mark.parametrize("reason", WaitReason)
def test_every_reason_has_a_way_out(reason: WaitReason) -> None:
    """Whoever reads what is waited for reads what to do."""
    assert waiting.WAYS_OUT[reason]
