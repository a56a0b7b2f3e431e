"""Alertmanager itself (Debian's) is told of a canary: an alert fires, is refreshed and resolved.

The rollout is one of simulated time that begins a quarter of an hour ago, since an Alertmanager
compares what it is told with its own clock. What else is pushed when: tests/scenarios.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from clients.clock import SystemClock
from clients.http.client import Response
from config.settings.settings import Settings
from notify.message import Post
from tasks.alerting import AlertChannels
from tasks.audience import Audience
from tasks.receivers import Receivers
from tasks.sending import HttpSender
from tasks.teller import TELL_LEASE
from tests.services import alertmanager, presence
from tests.services.alertmanager import Alertmanager, Pager
from tests.stage import measuring
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

LABELS: Final = {
    "alertname": "CanaryFailed",
    "cluster": "eu-1",
    "name": "cart",
    "namespace": "shop",
    "severity": "critical",
}


@pytest.fixture
def pager() -> Iterator[Pager]:
    """Whoever is on call for the shop."""
    with alertmanager.pager() as pager:
        yield pager


@pytest.fixture
def others() -> Iterator[Pager]:
    """Whoever gets what no route takes."""
    with alertmanager.pager() as pager:
        yield pager


@pytest.fixture
def server(tmp_path: Path, pager: Pager, others: Pager) -> Iterator[Alertmanager]:
    """An Alertmanager that routes what is critical in the shop."""
    presence.require("alertmanager")
    route = {"receiver": "shop", "matchers": ['namespace = "shop"', 'severity = "critical"']}
    urls = {"others": others.url, "shop": pager.url}
    with alertmanager.running(tmp_path, urls, [route]) as server:
        yield server


def test_a_failed_canary_fires_is_refreshed_and_is_resolved_by_the_next_success(
    server: Alertmanager, pager: Pager, others: Pager
) -> None:
    """Routed by its labels; one notification when it fires, one when it is over."""
    settings = Settings.from_environ(
        {
            "COALMINE_ALERTMANAGER_URL": server.url,
            "COALMINE_CLUSTER_NAME": "eu-1",
            "COALMINE_ALERT_LINK": "https://grafana.example/{namespace}/{name}",
        }
    )
    begun = datetime.now(UTC) - timedelta(minutes=14)
    stage = Stage(settings=settings, start=begun, send=HttpSender(SystemClock()))
    initialized(a_manifest(), stage)
    assert server.active() == []

    stage.meters.source = measuring.failing
    stage.release("cart:2")
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    fired = pager.next()
    assert (fired["status"], [each["labels"] for each in fired["alerts"]]) == ("firing", [LABELS])
    (first,) = server.active()
    assert first["generatorURL"] == "https://grafana.example/shop/cart"
    assert first["annotations"]["description"].startswith("Halt cart.shop advancement success rate")

    stage.wait(timedelta(minutes=5, seconds=10))
    (second,) = server.active()
    assert _moment(second["endsAt"]) - _moment(first["endsAt"]) >= timedelta(minutes=4)
    assert second["startsAt"] == first["startsAt"]

    stage.meters.source = measuring.healthy
    stage.release("cart:3")
    stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
    over = pager.next()
    assert (over["status"], [each["labels"] for each in over["alerts"]]) == ("resolved", [LABELS])
    assert server.active() == []
    assert others.told.empty()


def test_a_push_that_comes_late_leaves_nothing_firing(server: Alertmanager) -> None:
    """The worker had stopped before it posted; meanwhile the next release succeeded."""
    settings = Settings.from_environ({"COALMINE_ALERTMANAGER_URL": server.url})
    begun = datetime.now(UTC) - timedelta(minutes=14)
    stage = Stage(settings=settings, start=begun, send=HttpSender(SystemClock()))
    initialized(a_manifest(), stage)
    stage.meters.source = measuring.failing
    stage.release("cart:2")
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    stage.wait(timedelta(minutes=3))
    (alert,) = server.active()
    assert alert["labels"]["alertname"] == "CanaryFailed"

    def succeed() -> None:
        stage.clock.advance(TELL_LEASE)
        stage.meters.source = measuring.healthy
        stage.release("cart:3")
        stage.run(lambda on: on.phase() == "Succeeded", within=LONG)
        assert server.active() == []

    late = Late(server, succeed)
    receivers = Receivers(stage.door, stage.clock, settings.alerts)
    channels = AlertChannels(Audience.of(settings), receivers, late, stage.store)
    replace(stage.services.alerter, channels=channels.of).tell(REF)
    assert late.active == [["CanaryFailed"], []]


@dataclass
class Late:
    """Posts for real, first of all late: after what has happened `meanwhile`."""

    server: Alertmanager
    meanwhile: Callable[[], None]
    active: list[list[str]] = field(default_factory=list)
    send: HttpSender = field(default_factory=lambda: HttpSender(SystemClock()))

    def __call__(self, post: Post, proxy: str) -> Response:
        """The answer; what fires after it is noted."""
        if not self.active:
            self.meanwhile()
        answer = self.send(post, proxy)
        self.active.append([each["labels"]["alertname"] for each in self.server.active()])
        return answer


def test_a_request_with_one_bad_alert_is_refused_and_the_others_are_taken(
    server: Alertmanager,
) -> None:
    """Which `tasks.bulk` need not rely on: it posts each by itself then."""
    good, bad = {"labels": {"alertname": "Good"}}, {"labels": {"": ""}}
    post = Post(f"{server.url}/api/v2/alerts", [bad, good])
    assert HttpSender(SystemClock())(post, "").status == 400
    assert [each["labels"] for each in server.active()] == [{"alertname": "Good"}]


def _moment(text: Any) -> datetime:
    return datetime.fromisoformat(str(text))
