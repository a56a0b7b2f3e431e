"""Services of others that run tests: asked over HTTP until a test has ended, with credentials.

Those and what is sent are in no text of ours: texts name the method, the path and the status.
Answers are bounded, and nobody is led elsewhere with the credentials.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import yarl

from loadtester import jobs
from loadtester.jobs import End, Outcome, Refused

ANSWERED_WITHIN: Final = timedelta(seconds=60)
LARGEST_ANSWER: Final = 1024 * 1024
"""Bytes; those of a status have some hundreds."""


class CallFailed(Exception):
    """A call without an answer that can be used; `may_pass` if the next one may have one."""

    def __init__(self, text: str, *, may_pass: bool = False) -> None:
        super().__init__(text)
        self.may_pass = may_pass


class Remote:
    """One service."""

    def __init__(self, session: aiohttp.ClientSession, server: yarl.URL) -> None:
        self._session = session
        self._server = server

    async def call(self, method: str, path: str, data: object = None) -> Mapping[str, Any]:
        """The object that `path` is answered with. Raises CallFailed."""
        what = f"{method} {path}"
        url = yarl.URL(f"{str(self._server).rstrip('/')}{path}")
        try:
            async with self._session.request(
                method, url, data=data, allow_redirects=False
            ) as answer:
                body = await _body(answer)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            name = type(error).__name__
            raise CallFailed(f"{what}: no answer ({name})", may_pass=True) from error
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            may_pass = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            raise CallFailed(f"{what} was answered {answer.status}", may_pass=may_pass)
        return _object(what, body)

    async def until(
        self, path: str, over: Callable[[Mapping[str, Any]], Outcome | None], interval: timedelta
    ) -> Outcome:
        """What `over` makes of an answer to `path`, asked once per `interval` until it is some.

        Raises CallFailed, but not for what may pass.
        """
        while True:
            try:
                outcome = over(await self.call("GET", path))
            except CallFailed as failure:
                if not failure.may_pass:
                    raise
            else:
                if outcome is not None:
                    return outcome
            await asyncio.sleep(interval.total_seconds())


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise ValueError("an answer without end")
    return bytes(body)


def _object(what: str, body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise CallFailed(f"{what} was answered something else than an object of JSON")
    return answer


async def outcome(
    server: yarl.URL,
    authorization: str,
    limit: timedelta,
    work: Callable[[Remote], Awaitable[Outcome]],
) -> Outcome:
    """What comes of `work` at a service, also if a call fails or `limit` is over before its end."""
    session = aiohttp.ClientSession(
        headers={"Authorization": authorization, "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=ANSWERED_WITHIN.total_seconds()),
        auto_decompress=False,
    )
    try:
        async with session, asyncio.timeout(limit.total_seconds()):
            return await work(Remote(session, server))
    except TimeoutError:
        return jobs.timed_out(limit)
    except CallFailed as failure:
        return Outcome(End.FAILED, error=str(failure))


def server(text: str) -> yarl.URL:
    """The address in metadata. Raises Refused."""
    with contextlib.suppress(ValueError):
        url = yarl.URL(text)
        plain = not (url.user or url.password or url.query_string or url.fragment)
        if url.scheme in {"http", "https"} and url.host and url.port and plain:
            return url
    allowed = "an http:// or https:// URL without user, query and fragment"
    raise Refused(f"metadata server: allowed: {allowed}")


def required(metadata: Mapping[str, str], *names: str) -> list[str]:
    """The values of `names`. Raises Refused that names those without one."""
    if missing := [name for name in names if not metadata.get(name)]:
        raise Refused(f"metadata without {', '.join(missing)}; required: {', '.join(names)}")
    return [metadata[name] for name in names]
