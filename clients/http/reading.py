"""One bounded GET, for whoever has no connection to keep."""

from __future__ import annotations

from datetime import timedelta

import urllib3

from clients import translation, urls
from clients.clock import Clock, SystemClock
from clients.http import answers


def get(
    url: str, *, timeout: timedelta, most: int, clock: Clock | None = None
) -> tuple[int, bytes]:
    """Status and body, of at most `most` bytes, of a GET of `url`; redirects are not followed.

    Raises Transient when the server cannot be reached or is late, Permanent for a URL that cannot
    be asked.
    """
    clock = clock or SystemClock()
    doing = f"GET {urls.redacted(url)}"
    deadline = clock.monotonic() + timeout.total_seconds()
    urls.check_scheme(url, doing)
    with urllib3.PoolManager(retries=False) as pool, translation.translated(doing):
        answers.begin_in_time(pool)
        response = pool.urlopen(
            "GET",
            url,
            redirect=False,
            timeout=urllib3.Timeout(total=timeout.total_seconds()),
            preload_content=False,
        )
        body = answers.whole(response, limit=most, deadline=deadline, clock=clock, doing=doing)
        return int(response.status), body
