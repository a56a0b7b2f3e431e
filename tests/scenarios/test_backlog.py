"""While workers or the broker are away, nothing grows without bound and nobody waits for ever."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from pydantic import SecretStr

from analysis.effects import Lane
from clients import errors
from clients.clock import ManualClock
from config.refs import CanaryRef
from config.settings.groups import RedisSettings
from config.settings.settings import Settings
from tasks import app as apps
from tasks import publishing
from tests.services import valkey as valkeys
from tests.services.valkey import Valkey
from tests.stage.stage import START

REF = CanaryRef("shop", "cart")


@pytest.fixture
def app(valkey: Valkey) -> Iterator[Celery]:
    """The application over an empty server, with no worker."""
    app = connected(valkey.url)
    yield app
    app.close()


def connected(url: str) -> Celery:
    """The application over the server at `url`."""
    return apps.make_app(replace(Settings(), redis=RedisSettings(url=SecretStr(url))))


def lengths(valkey: Valkey) -> dict[str, int]:
    """How many messages wait, by queue."""
    with contextlib.closing(valkey.client()) as client:
        keys = [key.decode() for key in client.scan_iter("cq:*", _type="LIST")]
        return {key.removeprefix("cq:"): client.llen(key) for key in keys}


def headers(valkey: Valkey, queue: str) -> dict[str, Any]:
    """The headers of the newest message in a queue."""
    with contextlib.closing(valkey.client()) as client:
        message: dict[str, Any] = json.loads(client.lindex(f"cq:{queue}", 0) or b"{}")
    found: dict[str, Any] = message["headers"]
    return found


def test_ticks_expire_before_the_agenda_has_asked_again_twice(app: Celery, valkey: Valkey) -> None:
    """Workers that come back find one tick or two of a canary, not all of the time they missed."""
    schedule = Settings().scheduler
    again = max(schedule.tick_lease, schedule.repair_interval).total_seconds()
    assert again <= publishing.TICK_EXPIRY_SECONDS <= 2 * again

    publishing.CeleryDispatcher(app).tick(REF)
    assert headers(valkey, "analysis")["expires"] is not None


def test_queues_that_nobody_serves_stay_bounded(app: Celery, valkey: Valkey) -> None:
    """Redis must not be filled with nudges: what is wanted is asked for again anyway."""
    clock = ManualClock(START)
    publisher = publishing.CeleryDispatcher(app, clock, longest=5)
    for _ in range(20):
        publisher.tick(REF)
        publisher.reconcile(REF, Lane.STATUS)
        publisher.hooks(REF, 7, 2)
        clock.sleep(publishing.GAUGE_SECONDS)

    assert max(lengths(valkey).values()) <= 6
    assert lengths(valkey).keys() == {"analysis", "report", "hooks"}


def test_a_full_queue_takes_messages_again_once_it_is_served(app: Celery, valkey: Valkey) -> None:
    """And one full queue is no reason to starve another."""
    clock = ManualClock(START)
    publisher = publishing.CeleryDispatcher(app, clock, longest=1)
    for _ in range(3):
        publisher.reconcile(REF, Lane.STATUS)
        clock.sleep(publishing.GAUGE_SECONDS)
    publisher.reconcile(REF, Lane.ROUTE)
    assert lengths(valkey) == {"report": 1, "routing": 1}

    valkey.flush()
    clock.sleep(publishing.GAUGE_SECONDS)
    publisher.reconcile(REF, Lane.STATUS)
    assert lengths(valkey) == {"report": 1}


def test_a_broker_that_falls_silent_does_not_hold_a_publisher(tmp_path: Path) -> None:
    """A host that vanishes closes no connection; a beat that waits for it for ever is no beat."""
    with valkeys.running(tmp_path) as server:
        app = connected(server.url)
        publisher = publishing.CeleryDispatcher(app)
        publisher.tick(REF)
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            with pytest.raises(errors.Transient):
                publisher.tick(REF)
            assert time.monotonic() - started < 20
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
            app.close()
