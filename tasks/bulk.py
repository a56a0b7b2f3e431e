"""Posts alerts; of lists, what several canaries have for one address goes there in one request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

from clients.http.client import Response
from notify.message import Post
from tasks.sending import Send

MOST: Final = 100
"""Items of one request, unless those of one canary are more: some 50 kB of alerts."""

_OF_ONE: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Refusals of a request that may be due to one item of it."""


@dataclass(eq=False, slots=True)
class _Batch:
    items: list[Any] = field(default_factory=list)
    canaries: int = 0
    answer: Future[Response] = field(default_factory=Future)

    def carry_out(self, send: Callable[[list[Any]], Response]) -> None:
        """Whoever waits for the answer has it then, or what it came to."""
        try:
            self.answer.set_result(send(self.items))
        except BaseException as failure:
            self.answer.set_exception(failure)
            raise


@dataclass(eq=False, slots=True)
class _Line:
    """Who posts to one address: one request is under way at a time, and one is being gathered."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    gathered: _Batch | None = None
    users: int = 0


class Bulk:
    """A `Send` that joins posts whose bodies are lists; safe to share by threads."""

    def __init__(self, send: Send) -> None:
        """Posts by `send`."""
        self._send = send
        self._lines: dict[tuple[str, ...], _Line] = {}
        self._changing = threading.Lock()

    def __call__(self, post: Post, proxy: str) -> Response:
        """The answer to a request that had what is posted, of a list perhaps among others.

        Of a list that was refused with others it is the answer to that alone.
        """
        if not isinstance(post.body, list):
            return self._send(post, proxy)
        with self._line(post, proxy) as line:
            batch, is_first = self._joined(line, post.body)
            if is_first:
                with line.turn:
                    self._close(line, batch)
                    batch.carry_out(lambda items: self._send(replace(post, body=items), proxy))
            answer = batch.answer.result()
        if batch.canaries > 1 and answer.status in _OF_ONE:
            return self._send(post, proxy)
        return answer

    @contextmanager
    def _line(self, post: Post, proxy: str) -> Iterator[_Line]:
        name = post.url, post.token, proxy
        with self._changing:
            line = self._lines.setdefault(name, _Line())
            line.users += 1
        try:
            yield line
        finally:
            with self._changing:
                line.users -= 1
                if not line.users:
                    del self._lines[name]

    def _joined(self, line: _Line, items: list[Any]) -> tuple[_Batch, bool]:
        """The batch that `items` are in, and whether they are the first."""
        with self._changing:
            batch = line.gathered
            if batch is None or len(batch.items) + len(items) > MOST:
                batch = line.gathered = _Batch()
            batch.items.extend(items)
            batch.canaries += 1
            return batch, batch.canaries == 1

    def _close(self, line: _Line, batch: _Batch) -> None:
        """Nobody joins it any more."""
        with self._changing:
            if line.gathered is batch:
                line.gathered = None
