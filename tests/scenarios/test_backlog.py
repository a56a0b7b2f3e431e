"""While workers or the broker are away, nothing grows without bound and nobody waits for ever."""

import contextlib
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from celery import Celery
from pydantic import SecretStr

from analysis.effects import Lane
from clients import errors
from clients.clock import ManualClock
from clients.redis.records import Asked
from config.ranks import Rank
from config.settings.groups import RedisSettings
from config.settings.settings import Settings
from tasks import app as apps
from tasks import publishing
from tests.services import valkey as valkeys
from tests.services.valkey import Valkey
from tests.stage import rollouts
from tests.stage.stage import REF, START
from tests.unit.analysis.worlds import a_manifest


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
        found: Counter[str] = Counter()
        for key in client.scan_iter("cq:*", _type="LIST"):
            found[re.split("[:\x06]", key.decode())[1]] += client.llen(key)
        return found


def test_a_tick_that_is_old_news_costs_one_refused_begin() -> None:
    """8: workers that come back find all the ticks they missed, and act on one of them."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    for _ in range(5):  # nobody takes a message for as many leases
        stage.advance()
        stage.clock.advance(Settings().scheduler.tick_lease)
        stage.claim()
    missed = [message for message in stage.bag.messages if message.kind == "tick"]
    assert len(missed) == 5
    asked = len(stage.meters.asked)
    stage.settle()
    assert len(stage.meters.asked) == asked + 1

    before = stage.store.read(REF), stage.store.agenda()
    for message in missed:
        stage.deliver(message)
    assert (stage.store.read(REF), stage.store.agenda()) == before
    assert len(stage.meters.asked) == asked + 1


def test_messages_do_not_expire(app: Celery, valkey: Valkey) -> None:
    """8: a worker would compare their time with its own clock, which may be wrong."""
    publisher = publishing.CeleryDispatcher(app)
    publisher.tick([REF], Rank.CHECK)
    publisher.call([Asked(REF, 7, "a")], Rank.STEP)
    for lane in Lane:
        publisher.reconcile([REF], lane, Rank.REVISION)
    with contextlib.closing(valkey.client()) as client:
        messages = [
            json.loads(each)
            for key in client.scan_iter("cq:*", _type="LIST")
            for each in client.lrange(key, 0, -1)
        ]
    assert len(messages) == 5
    assert {(message["headers"]["expires"], message["headers"]["eta"]) for message in messages} == {
        (None, None)
    }


def test_queues_that_nobody_serves_stay_bounded(app: Celery, valkey: Valkey) -> None:
    """Redis must not be filled with nudges: what is wanted is asked for again anyway."""
    clock = ManualClock(START)
    publisher = publishing.CeleryDispatcher(app, clock, longest=5)
    for _ in range(20):
        publisher.tick([REF], Rank.CHECK)
        publisher.reconcile([REF], Lane.STATUS, Rank.REVISION)
        publisher.call([Asked(REF, 7, "a")], Rank.STEP)
        clock.sleep(publishing.GAUGE_SECONDS)

    assert max(lengths(valkey).values()) <= 6
    assert lengths(valkey).keys() == {"analysis", "report", "hooks"}


def test_a_full_queue_takes_messages_again_once_it_is_served(app: Celery, valkey: Valkey) -> None:
    """And one full queue is no reason to starve another."""
    clock = ManualClock(START)
    publisher = publishing.CeleryDispatcher(app, clock, longest=1)
    for _ in range(3):
        publisher.reconcile([REF], Lane.STATUS, Rank.REVISION)
        clock.sleep(publishing.GAUGE_SECONDS)
    publisher.reconcile([REF], Lane.ROUTE, Rank.REVISION)
    assert lengths(valkey) == {"report": 1, "routing": 1}

    valkey.flush()
    clock.sleep(publishing.GAUGE_SECONDS)
    publisher.reconcile([REF], Lane.STATUS, Rank.REVISION)
    assert lengths(valkey) == {"report": 1}


def test_a_broker_that_falls_silent_does_not_hold_a_publisher(tmp_path: Path) -> None:
    """A host that vanishes closes no connection; a beat that waits for it for ever is no beat."""
    with valkeys.running(tmp_path) as server:
        app = connected(server.url)
        publisher = publishing.CeleryDispatcher(app)
        publisher.tick([REF], Rank.CHECK)
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            with pytest.raises(errors.Transient):
                publisher.tick([REF], Rank.CHECK)
            assert time.monotonic() - started < 20
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
            app.close()
