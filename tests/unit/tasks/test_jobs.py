"""What a failing task leaves behind: one log line of what went wrong, and no retry."""

import contextlib
import logging
from typing import Any

import pytest
from celery import Celery

from clients import errors, instruments
from tasks import wiring
from tasks.jobs import NudgeTask
from tasks.messages import NudgeMessage, UnreadableMessage
from tests.fakes.notes import Notes

MESSAGE = {"v": 1, "canary": "shop/cart"}


def run(error: Exception | None) -> Any:
    """What a task gives back that fails with `error`, as a worker calls it."""
    app = Celery("test", broker="memory://", set_as_current=False)

    def body(message: dict[str, Any]) -> str:
        if error:
            raise error
        return str(NudgeMessage.parse(message).refs[0])

    task = app.task(name="test.nudge", base=NudgeTask, shared=False)(body)
    try:
        return task(MESSAGE)
    finally:
        app.close()


def test_a_task_that_succeeds_gives_its_result(caplog: pytest.LogCaptureFixture) -> None:
    """And says nothing."""
    assert run(None) == "shop/cart"
    assert caplog.records == []


@pytest.mark.parametrize(
    "error",
    [
        errors.Transient("away"),
        errors.Conflict("changed"),
        errors.NotFound("gone"),
        errors.Permanent("refused"),
    ],
)
def test_what_the_next_nudge_will_mend_is_a_warning(
    caplog: pytest.LogCaptureFixture, error: errors.ClientError
) -> None:
    """One line with the task, the kind of failure and its words; no traceback."""
    assert run(error) == f"failed: {error.message}"
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.WARNING, "nudge came to nothing")
    told = vars(record)
    assert (told["task"], told["kind"]) == ("test.nudge", type(error).__name__)
    assert told["error"] == error.message
    assert record.exc_info is None


def test_a_message_nobody_can_read_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """It is dropped: no worker of this release will ever read it."""
    shown = run(UnreadableMessage("message version 2; allowed: 1"))
    assert shown == "dropped: message version 2; allowed: 1"
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "message dropped")
    assert vars(record)["error"] == "message version 2; allowed: 1"


def test_a_defect_is_not_swallowed() -> None:
    """Celery logs it with its traceback and counts the task as failed."""
    with pytest.raises(ZeroDivisionError):
        run(ZeroDivisionError("a defect"))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "done"),
        (errors.Transient("away"), "put-off"),
        (UnreadableMessage("not a message"), "unreadable"),
        (ZeroDivisionError(), "defect"),
    ],
)
def test_jobs_are_told_with_what_came_of_them(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, outcome: str
) -> None:
    """By the name of the task."""
    notes = Notes()
    monkeypatch.setattr(wiring, "instruments", lambda: notes)
    with contextlib.suppress(ZeroDivisionError):
        run(error)
    assert notes.counts == {instruments.JOBS: {("test.nudge", outcome): 1}}
