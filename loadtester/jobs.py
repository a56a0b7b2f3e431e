"""Jobs: what a task of any type comes to before it is run, and after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from operator import attrgetter

from config import durations


class Refused(Exception):
    """A request that is not carried out; status and text are the answer."""

    def __init__(self, text: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class Mode(StrEnum):
    """Whether the answer waits for the end of the job."""

    BACKGROUND = "background"
    BLOCKING = "blocking"


class End(StrEnum):
    """How a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    FLOODED = "flooded"
    """Ended by us, for more output than anybody reads."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job: its output, and what went wrong, empty where nothing did."""

    end: End
    output: str = ""
    error: str = ""


def timed_out(limit: timedelta) -> Outcome:
    """What came of a job that did not end within `limit`."""
    return Outcome(End.TIMED_OUT, error=f"not ended within {durations.format_go(limit)}")


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work.

    `identity` is the same for what would be the same work again; `label` is short and shows nothing
    of what the command was given, which may be a secret. `failure` is what whoever waits is told of
    an outcome that is none.
    """

    kind: str
    mode: Mode
    canary: str
    identity: str
    label: str
    work: Callable[[], Awaitable[Outcome]]
    failure: Callable[[Outcome], str] = attrgetter("error")
    logs_output: bool = True
    returns_output: bool = False
