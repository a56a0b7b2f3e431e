"""Trying a webhook again: what is worth another attempt, and how long to wait before it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from clients import backoff, errors, urls
from clients.clock import Clock
from clients.http.client import Response

FIRST_DELAY: Final = timedelta(seconds=1)
LONGEST_DELAY: Final = timedelta(seconds=30)
"""Flagger's webhook back-off: 1 s, 2 s, 4 s … capped at 30 s."""

LONGEST_RETRY_AFTER: Final = timedelta(minutes=5)
"""No receiver may hold a worker longer than this, whatever it asks for."""

NOT_IMPLEMENTED: Final = 501
"""The one 5xx that no second attempt can change."""


def post(call: Callable[[], Response], url: str, clock: Clock, retries: int = 0) -> Response:
    """The first answer of `call` that is not worth another attempt, whatever its status.

    Up to `retries` more attempts follow after broken or late connections, 429 and 5xx except 501;
    a Retry-After of a 429 or 503 takes the place of the back-off. `url` is for the message, which
    shows it redacted. Raises Permanent at once where no attempt can succeed, and Transient `POST
    <url> giving up after <n> attempt(s)`, followed by a colon and the last error or body, when
    every attempt failed.

    Source: Flagger's webhook client, which drops the body of the last answer.
    """
    failures = 0
    while True:
        outcome = _attempt(call)
        if isinstance(outcome, Response):
            return outcome
        failures += 1
        if failures > retries:
            raise _given_up(outcome, f"POST {urls.redacted(url)}", failures) from outcome
        wait = outcome.retry_after or backoff.doubling(failures, FIRST_DELAY, LONGEST_DELAY)
        clock.sleep(min(wait, LONGEST_RETRY_AFTER).total_seconds())


def _attempt(call: Callable[[], Response]) -> Response | errors.Transient:
    """The answer, or the failure that is worth another attempt."""
    try:
        response = call()
    except errors.Transient as error:
        return error
    if response.status != 429 and (response.status < 500 or response.status == NOT_IMPLEMENTED):
        return response
    delay = response.retry_after if response.status in {429, 503} else None
    return errors.Transient(errors.capped(response.body), status=response.status, retry_after=delay)


def _given_up(last: errors.Transient, doing: str, attempts: int) -> errors.Transient:
    detail = last.message.removeprefix(f"{doing}: ")
    told = f"{doing} giving up after {attempts} attempt(s)" + (f": {detail}" if detail else "")
    return errors.Transient(told, status=last.status, retry_after=last.retry_after)
