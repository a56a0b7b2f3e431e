"""Receivers of alerts in a test's hands."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from clients import errors
from clients.clock import Clock
from clients.http.client import Response
from notify.message import Post

Answering = Callable[[Post], Response]

TAKEN: Final = Response(200, "ok")


@dataclass(frozen=True)
class Posted:
    """What somebody was sent, and when."""

    at: datetime
    post: Post
    proxy: str

    @property
    def text(self) -> str:
        """The text of a message in Slack's format."""
        return str(self.post.body["attachments"][0]["text"])

    @property
    def fields(self) -> dict[str, str]:
        """Its fields by title."""
        fields: list[dict[str, Any]] = self.post.body["attachments"][0]["fields"]
        return {each["title"]: each["value"] for each in fields}


def away(_: Post) -> Response:
    """Nobody answers."""
    raise errors.Transient("connecting failed")


@dataclass
class Chats:
    """Take what is posted, or answer it as `answering` says by the beginning of the URL."""

    clock: Clock
    posted: list[Posted] = field(default_factory=list)
    answering: dict[str, Answering] = field(default_factory=dict)
    tried: list[tuple[datetime, str]] = field(default_factory=list)

    def __call__(self, post: Post, proxy: str) -> Response:
        """The answer to one post."""
        self.tried.append((self.clock.now(), post.url))
        answers = (each for url, each in self.answering.items() if post.url.startswith(url))
        answer = next(answers, lambda _: TAKEN)(post)
        if answer.status < 300:
            self.posted.append(Posted(self.clock.now(), post, proxy))
        return answer

    def to(self, url: str) -> list[Posted]:
        """What was taken at URLs that begin so."""
        return [each for each in self.posted if each.post.url.startswith(url)]

    def texts(self, url: str) -> list[str]:
        """The texts of it, in Slack's format."""
        return [each.text for each in self.to(url)]
