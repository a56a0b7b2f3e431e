"""A chat server in the test's process, which takes what the services document and nothing else."""

import contextlib
import http.server
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.services import web

LONGEST: Final = 40_000
"""Characters that Slack takes."""


@dataclass
class Chat:
    """A chat server; `refused` is why it took a message not, `asked` what it was asked for.

    `accepted` are the messages that it took.
    """

    url: str
    asked: list[tuple[str, Mapping[str, str], Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    accepted: list[Any] = field(default_factory=list)
    answer: tuple[int, str] = (200, "ok")
    retry_after: int = 7
    """Seconds."""

    @property
    def taken(self) -> list[str]:
        """The texts of the messages in Slack's format that it took, oldest first."""
        return [body["attachments"][0]["text"] for body in self.accepted]


def why_not(path: str, body: Any) -> str:
    """What a service says of a message that it does not take; empty for one that it takes."""
    if path.endswith("/teams"):
        return why_no_card(body)
    if path.endswith("/gchat"):
        texts = [
            widget["textParagraph"]["text"]
            for section in body["cards"][0]["sections"]
            for widget in section["widgets"]
        ]
        is_taken = all(texts) and len(json.dumps(body)) <= 32_000
        return "" if is_taken else "Invalid JSON payload"
    if path.endswith("/webhook"):
        return "" if body["message"] else "empty"
    return why_no_attachments(path, body)


def why_no_attachments(path: str, body: Any) -> str:
    """Slack's format, with the limits of Discord for what comes by its path."""
    attachments = body.get("attachments")
    if not attachments:
        return "no_text"
    if len(attachments) > 100:
        return "too_many_attachments"
    (attachment,) = attachments
    if not attachment["text"] or not isinstance(attachment["fields"], list):
        return "invalid_attachments"
    if not (body["channel"] and body["username"]):
        return "channel_not_found"
    whole = sum(len(each["title"]) + len(each["value"]) for each in attachment["fields"])
    longest = max((len(each["value"]) for each in attachment["fields"]), default=0)
    if path.startswith("/discord") and (len(attachment["text"]) + whole > 6_000 or longest > 1024):
        return "embed exceeds 6000"
    is_whole = all(each["title"] and each["value"] for each in attachment["fields"])
    return "" if len(json.dumps(body)) <= LONGEST and is_whole else "msg_too_long"


def why_no_card(body: Any) -> str:
    """Teams refuses cards without a summary or a text, and above 28 KB."""
    (section,) = body["sections"]
    known = body["@type"] == "MessageCard" and body["summary"] and section["activityTitle"]
    return "" if known and len(json.dumps(body)) < 28_000 else "Bad payload received"


@contextlib.contextmanager
def chat() -> Iterator[Chat]:
    """A server on a free port, which serves proxied requests as well."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known.asked.append((self.path, dict(self.headers), body))
            refusal = why_not(self.path, body)
            known.refused += [refusal] if refusal else []
            status, text = (400, refusal) if refusal else known.answer
            known.accepted += [body] if status == 200 else []
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Retry-After", str(known.retry_after))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with web.served(Handler) as port:
        known = Chat(f"http://127.0.0.1:{port}")
        yield known
