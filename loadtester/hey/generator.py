"""Makes the load: workers that each send one request after another, at their rate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import yarl

from clients.clock import Clock
from loadtester.hey.arguments import Plan
from loadtester.hey.report import Results

_CHUNK: Final = 64 * 1024


async def run(plan: Plan, stop: asyncio.Event, clock: Clock) -> Results:
    """What came of `plan`, once it is carried out or `stop` is set.

    As with hey, requests that are under way then are waited for.
    """
    results = Results()
    if plan.duration is not None:
        asyncio.get_running_loop().call_later(plan.duration.total_seconds(), stop.set)
    async with _session(plan) as session:
        sender = _Sender(plan, session, results, clock)
        await asyncio.gather(*(_work(plan, sender, stop, clock) for _ in range(plan.workers)))
    return results


def _session(plan: Plan) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=plan.workers,
        ssl=False,  # hey trusts every certificate
        force_close=not plan.keepalive,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=plan.timeout or None),
        auto_decompress=False,
        headers=plan.all_headers(),
        skip_auto_headers=("Accept", "Accept-Encoding"),
    )


async def _work(plan: Plan, sender: _Sender, stop: asyncio.Event, clock: Clock) -> None:
    """One worker's share of the requests."""
    left = plan.requests // plan.workers if plan.duration is None else None
    async for _ in _beats(plan.rate, stop, clock):
        if left is not None:
            if not left:
                return
            left -= 1
        await sender.send()


async def _beats(rate: float, stop: asyncio.Event, clock: Clock) -> AsyncIterator[None]:
    """A beat for each request, the first after one period; those that were missed are left out."""
    began, beat = clock.monotonic(), 0
    while not stop.is_set():
        if rate:
            passed = clock.monotonic() - began
            beat = max(beat + 1, int(passed * rate))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(0.0, beat / rate - passed))
                return
        yield


class _Sender:
    """Sends the request of a plan, and counts what comes of it."""

    def __init__(
        self, plan: Plan, session: aiohttp.ClientSession, results: Results, clock: Clock
    ) -> None:
        self._plan = plan
        self._session = session
        self._results = results
        self._clock = clock
        self._url = yarl.URL(plan.url, encoded=True)

    async def send(self) -> None:
        """One request, with all of its answer."""
        began, size = self._clock.monotonic(), 0
        try:
            async with self._session.request(
                self._plan.method,
                self._url,
                data=self._plan.body or None,
                allow_redirects=self._plan.redirects,
                proxy=self._plan.proxy or None,
            ) as answer:
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    size += len(chunk)
        except TimeoutError:
            self._results.failed(f"no answer within {self._plan.timeout:g}s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._results.failed(f"{type(error).__name__}: {error}")
        else:
            self._results.answered(self._clock.monotonic() - began, answer.status, size)
