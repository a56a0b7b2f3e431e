"""When a wait is told, since when it lasts, and how often it was told."""

from datetime import timedelta

import pytest

from analysis import waiting
from analysis.waiting import REPEAT, Reason, Waiting
from tests.unit.analysis.worlds import NOW

EARLIER = NOW - timedelta(minutes=20)
TOLD = Waiting(Reason.CANARY_NOT_READY, "0 of 2", EARLIER, EARLIER, NOW - REPEAT, times=4)


def test_a_wait_is_told_at_once_and_then_every_five_minutes() -> None:
    """A new message is told without delay, an old one when its time has come."""
    assert timedelta(minutes=5) == REPEAT
    assert waiting.is_due(None, "0 of 2", NOW)
    assert waiting.is_due(TOLD, "1 of 2", NOW - REPEAT)
    assert waiting.is_due(TOLD, "0 of 2", NOW)
    assert not waiting.is_due(TOLD, "0 of 2", NOW - timedelta(milliseconds=1))


def test_a_wait_told_again_counts_up_and_keeps_its_beginning() -> None:
    """Events of one wait are one event."""
    again = waiting.told(TOLD, Reason.CANARY_NOT_READY, "0 of 2", NOW)
    assert again == Waiting(Reason.CANARY_NOT_READY, "0 of 2", EARLIER, EARLIER, NOW, times=5)


def test_a_new_message_is_another_event_of_the_same_wait() -> None:
    """What is waited for is still the same, and so is since when."""
    news = waiting.told(TOLD, Reason.CANARY_NOT_READY, "1 of 2", NOW)
    assert news == Waiting(Reason.CANARY_NOT_READY, "1 of 2", EARLIER, NOW, NOW)


def test_another_reason_is_another_wait() -> None:
    """It begins when it is told."""
    other = waiting.told(TOLD, Reason.PRIMARY_NOT_READY, "0 of 2", NOW)
    assert other == Waiting(Reason.PRIMARY_NOT_READY, "0 of 2", NOW, NOW, NOW)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_way_out(reason: Reason) -> None:
    """Whoever reads what is waited for reads what to do."""
    assert waiting.WAYS_OUT[reason]
