"""Tasks that are tests of nGrinder: a copy of one is started there, followed, and stopped in time.

User and password come in metadata, so that whoever may read the Canary may read them; here they
go to the server alone.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

import yarl

from config import durations
from loadtester import remote
from loadtester.jobs import End, Job, Mode, Outcome, Refused
from loadtester.payload import Payload
from loadtester.remote import CallFailed, Remote

LEAST_INTERVAL: Final = timedelta(milliseconds=100)
_DEFAULT_INTERVAL: Final = "1s"
_API: Final = "/perftest/api"
_BAD: Final = frozenset({"STOP_BY_ERROR", "CANCELED", "UNKNOWN"})
_STOPPED_WITHIN: Final = 5.0
"""Seconds for the last call, also at the end of the load tester."""


@dataclass(frozen=True, slots=True)
class _Test:
    """The test to copy, where it is, and how often to look at the copy."""

    server: yarl.URL
    clone: int
    authorization: str = field(repr=False)
    interval: timedelta


def job(limit: timedelta, payload: Payload) -> Job:
    """Type `ngrinder`: a copy of a test, in the background. Raises Refused."""
    test = _test(payload.metadata)
    return Job(
        kind="ngrinder",
        mode=Mode.BACKGROUND,
        canary=payload.ref.dotted,
        identity=f"{payload.ref.dotted} ngrinder {test.clone}",
        label="nGrinder",
        work=partial(
            remote.outcome, test.server, test.authorization, limit, partial(_copied, test)
        ),
    )


def _test(metadata: Mapping[str, str]) -> _Test:
    server, clone, user, password = remote.required(
        metadata, "server", "clone", "username", "passwd"
    )
    if not re.fullmatch("[0-9]{1,18}", clone, re.ASCII):
        raise Refused("metadata clone: allowed: the number of a test")
    try:
        credentials = user.encode() + b":" + base64.b64decode(password, validate=True)
    except binascii.Error:
        raise Refused("metadata passwd: allowed: a password in base64") from None
    basic = f"Basic {base64.b64encode(credentials).decode()}"
    interval = _interval(metadata.get("pollInterval") or _DEFAULT_INTERVAL)
    return _Test(remote.server(server), int(clone), basic, interval)


def _interval(text: str) -> timedelta:
    with contextlib.suppress(durations.DurationError):
        if (span := durations.parse(text)) >= LEAST_INTERVAL:
            return span
    least = durations.format_go(LEAST_INTERVAL)
    raise Refused(f"metadata pollInterval: allowed: {durations.FORM}, at least {least}")


async def _copied(test: _Test, service: Remote) -> Outcome:
    """What came of a copy, which is stopped when whoever waits here is ended before it."""
    started = await service.call("POST", f"{_API}/{test.clone}/clone_and_start")
    match started:
        case {"id": int(number)}:
            copy = f"{_API}/{number}"
        case _:
            raise CallFailed("the test was started without an id")
    try:
        return await service.until(f"{copy}/status", _over, test.interval)
    except (asyncio.CancelledError, CallFailed):
        with contextlib.suppress(TimeoutError, CallFailed):
            async with asyncio.timeout(_STOPPED_WITHIN):
                await service.call("PUT", f"{copy}?action=stop")
        raise


def _over(answer: Mapping[str, Any]) -> Outcome | None:
    match answer:
        case {"status": [{"status_id": "FINISHED"}, *_]}:
            return Outcome(End.SUCCEEDED)
        case {"status": [{"status_id": str(status)}, *_]} if status in _BAD:
            return Outcome(End.FAILED, error=f"the test ended as {status}")
        case {"status": [{"status_id": str()}, *_]}:
            return None
        case _:
            raise CallFailed("the test has no status")
