"""Requests through the gateway, at a steady rate, each noted with what came back to its sender."""

import asyncio
import contextlib
import functools
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Final

import aiohttp

from tests.dataplane import backends
from tests.dataplane.background import Background

RATE: Final = 300.0
"""Requests per second of all users together."""
TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True)
class Sample:
    """A request of `user` and its answer; `at` is when that was there, seconds since the epoch.

    `workload` is the Deployment that answered, and `revision` which one it ran; both are empty
    when no backend has, and `problem` says what came back instead. `cookies` were sent with it.
    """

    at: float
    user: int
    number: str
    cookies: Mapping[str, str]
    status: int = 0
    workload: str = ""
    revision: str = ""
    problem: str = ""


@dataclass
class User:
    """One who sends requests, one after the other, and keeps cookies as browsers do."""

    number: int
    host: str
    headers: Mapping[str, str]
    _cookies: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def cookies(self) -> dict[str, str]:
        """Those that are to be sent now: of no other host, and not too old."""
        kept = self._cookies.items()
        return {name: value for name, (value, expires) in kept if time.monotonic() < expires}

    async def ask(self, session: aiohttp.ClientSession, url: str, number: str) -> Sample:
        """One request and its answer."""
        sent = self.cookies
        headers = {"Host": self.host, backends.REQUEST: number, **self.headers}
        if sent:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in sent.items())
        asked = functools.partial(Sample, user=self.number, number=number, cookies=sent)
        try:
            # aiohttp sends a GET again, unasked, when a connection breaks off under it.
            async with session.post(url, headers=headers) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            return asked(at=time.time(), problem=repr(error))
        for each in answer.headers.getall("Set-Cookie", []):
            self._keep(each)
        return asked(
            at=time.time(),
            status=answer.status,
            workload=answer.headers.get(backends.WORKLOAD, ""),
            revision=answer.headers.get(backends.REVISION, ""),
            problem="" if backends.REVISION in answer.headers else text,
        )

    def _keep(self, text: str) -> None:
        for name, cookie in SimpleCookie(text).items():
            self._cookies[name] = cookie.value, time.monotonic() + float(cookie["max-age"])


class Load:
    """Users at work on one host; `samples` grows while they are."""

    def __init__(self, url: str, users: Sequence[User], rate: float) -> None:
        self.samples: list[Sample] = []
        self._url = url
        self._users = users
        self._pause = len(users) / rate
        self._numbers = itertools.count()

    def since(self, start: float, end: float = float("inf")) -> list[Sample]:
        """The samples of this time, seconds since the epoch."""
        return [each for each in self.samples if start <= each.at < end]

    def answered(self, count: int = 20) -> bool:
        """Whether each of the last `count` requests was answered by a backend."""
        last = self.samples[-count:]
        return len(last) == count and all(each.revision for each in last)

    async def run(self) -> None:
        """Sends until cancelled. A user waits for an answer, then for the rest of its pause."""
        connector = aiohttp.TCPConnector(limit=0)
        jar = aiohttp.DummyCookieJar()  # each user keeps its own
        async with aiohttp.ClientSession(
            connector=connector, timeout=TIMEOUT, cookie_jar=jar
        ) as session:
            turns = (self._take_turns(session, user) for user in self._users)
            await asyncio.gather(*turns)

    async def _take_turns(self, session: aiohttp.ClientSession, user: User) -> None:
        await asyncio.sleep(self._pause * user.number / len(self._users))
        while True:
            began = time.monotonic()
            number = f"{user.host}/{next(self._numbers)}"
            self.samples.append(await user.ask(session, self._url, number))
            await asyncio.sleep(max(0.0, began + self._pause - time.monotonic()))


@contextlib.contextmanager
def sent(
    background: Background,
    url: str,
    host: str,
    *,
    users: int = 20,
    rate: float = RATE,
    headers: Mapping[int, Mapping[str, str]] | None = None,
) -> Iterator[Load]:
    """Requests to `host` for the length of the block; `headers` are those of some users."""
    crowd = [User(number, host, (headers or {}).get(number, {})) for number in range(users)]
    load = Load(url, crowd, rate)
    with background.during(load.run()):
        yield load
