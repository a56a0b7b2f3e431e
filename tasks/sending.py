"""The door for alerts: posts them, through proxies where there are some, and judges the answers.

Addresses are secret. Of a failure no more is told than its kind, and of an answer no more than a
word or two, unless it quotes a part of the address.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from clients import errors
from clients.clock import Clock
from clients.http.client import Http, Response
from config.networks import NONE_DENIED, Denied
from notify.message import Post

TIMEOUT: Final = timedelta(seconds=5)
"""As Flagger's."""

MOST_PROXIES: Final = 32
"""Proxies whose connections are kept."""

LONGEST_WORDS: Final = 200
"""Characters of an answer that are shown."""

SHORTEST_SECRET: Final = 4
"""Characters of a part of an address that an answer must not quote."""

_MENDABLE: Final = frozenset({401, 403, 404, 410})
"""Refusals by which a receiver says that it does not know the address, or the token; Slack's API
says so with a status of success."""


class Send(Protocol):
    """Posts one alert."""

    def __call__(self, post: Post, proxy: str) -> Response:
        """The answer, whatever its status.

        Raises Transient, and NotFound for what its author may mend, in words without the address.
        """


class HttpSender:
    """Posts for real."""

    def __init__(self, clock: Clock, connections: int = 1, denied: Denied = NONE_DENIED) -> None:
        """`connections` to one server are kept open; nobody in `denied` networks is asked."""
        self._clock = clock
        self._connections = connections
        self._denied = denied
        self._by_proxy: dict[str, Http] = {}
        self._changing = threading.Lock()

    def __call__(self, post: Post, proxy: str) -> Response:
        """The answer."""
        try:
            http = self._http(proxy)
            return http.post_json(post.url, post.body, timeout=TIMEOUT, token=post.token)
        except errors.ClientError as failure:
            said = failure.message.rpartition("/")[2].partition(": ")[2]
            words = said.partition(" (")[0]  # in brackets is the host
            is_wrong = isinstance(failure, errors.Permanent)
            kind = errors.NotFound if is_wrong else errors.Transient
            raise kind(words or "cannot be asked") from None

    def _http(self, proxy: str) -> Http:
        with self._changing:
            if proxy not in self._by_proxy:
                if len(self._by_proxy) >= MOST_PROXIES:
                    self._by_proxy.clear()
                self._by_proxy[proxy] = Http(
                    self._clock,
                    connections=self._connections,
                    proxy=proxy,
                    denied=self._denied,
                )
            return self._by_proxy[proxy]


def refusal(post: Post, response: Response) -> errors.ClientError:
    """What an answer means that is no success: to be tried again, or never taken."""
    said = f"{response.status} {_words(post, response.body)}".strip()
    status = response.status
    if errors.BY_STATUS.get(status) is errors.Transient or status >= 500:
        return errors.Transient(said, status=status, retry_after=response.retry_after)
    if status in _MENDABLE or status < 300:
        return errors.NotFound(said, status=status)
    return errors.Permanent(said, status=status)


def _words(post: Post, body: str) -> str:
    """What the answer says, unless it quotes a secret."""
    words = " ".join(body.split())[:LONGEST_WORDS]
    known = unquote(body).lower()
    return "" if any(part.lower() in known for part in _secrets(post)) else words


def _secrets(post: Post) -> Iterator[str]:
    parts = urlsplit(post.url)
    texts = [*parts.path.split("/"), *parts.query.replace("=", "&").split("&"), parts.fragment]
    texts += [parts.username or "", parts.password or "", post.token]
    yield from (unquote(text) for text in texts if len(unquote(text)) >= SHORTEST_SECRET)
