"""What receivers of alerts are told, whatever their format, and what a format makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from config.api.hooks import AlertSeverity
from config.refs import CanaryRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An alert about `canary`, decided at `at`; `fields` by title, in their order.

    `id` is the same however often it is told; `link` is empty for none.
    """

    canary: CanaryRef
    severity: AlertSeverity
    text: str
    at: datetime
    id: str
    phase: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    link: str = ""

    @property
    def is_error(self) -> bool:
        """Whether it is shown in the colour of errors; warnings are not, as with Flagger."""
        return self.severity is AlertSeverity.ERROR

    @property
    def shown_fields(self) -> tuple[tuple[str, str], ...]:
        """The fields and the link, for formats without a better place for it."""
        return (*self.fields, ("Link", self.link)) if self.link else self.fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Where messages are posted, and as whom; address and token are secret."""

    address: str = field(repr=False)
    channel: str = "general"
    username: str = "flagger"
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Post:
    """What is sent: `body` as JSON, to a URL that is secret."""

    url: str = field(repr=False)
    body: Any
    token: str = field(default="", repr=False)


class Answer(NamedTuple):
    """What a receiver said, as far as it was read."""

    status: int
    body: str


def accepted(answer: Answer) -> bool:
    """Whether a message was taken: any 2xx, as with Flagger."""
    return 200 <= answer.status < 300


@dataclass(frozen=True, slots=True)
class Format:
    """How messages are posted to one kind of receiver, and how fast it takes them."""

    post: Callable[[Message, Sender], Post]
    """Pure."""
    pace: timedelta = timedelta(0)
    """Least time between two messages to one address."""
    accepted: Callable[[Answer], bool] = accepted
    """Whether an answer means that the message was taken."""
