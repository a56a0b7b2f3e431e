"""What an Alertmanager is told: its v2 API. On a real one: tests/system/test_alertmanager.py."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from config.refs import CanaryRef
from notify.channels import alertmanager
from notify.channels.alertmanager import LASTS, REFRESH, Alarm, Firing, Levels
from notify.message import Sender

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
REF: Final = CanaryRef("shop", "cart")
SENDER: Final = Sender(address="http://am.example:9093")


def test_an_alert_fires_until_it_would_have_been_told_of_three_times() -> None:
    """Labels that route: by namespace, name and severity."""
    since = NOW - timedelta(minutes=7)
    firing = Firing(Alarm.FAILED, since, "success rate 50.00% < 99%")
    link = "https://grafana.example/cart"
    post = alertmanager.post(REF, Levels(NOW, [firing]), SENDER, cluster="eu-1", link=link)
    assert post.url == "http://am.example:9093/api/v2/alerts"
    assert post.body == [
        {
            "labels": {
                "alertname": "CanaryFailed",
                "namespace": "shop",
                "name": "cart",
                "severity": "critical",
                "cluster": "eu-1",
            },
            "annotations": {
                "summary": "Canary cart.shop failed",
                "description": "success rate 50.00% < 99%",
            },
            "generatorURL": link,
            "startsAt": "2026-03-01T11:53:00Z",
            "endsAt": "2026-03-01T12:15:00Z",
        }
    ]
    assert LASTS == 3 * REFRESH


def test_no_alert_ends_before_it_starts() -> None:
    """Redis' clock was ahead when it failed: an Alertmanager refuses such an alert for good."""
    firing = Firing(Alarm.FAILED, NOW + timedelta(hours=5), "x")
    (alert,) = alertmanager.post(REF, Levels(NOW, [firing]), SENDER).body
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-03-01T12:00:00Z", "2026-03-01T12:15:00Z")


def test_a_resolved_alert_has_the_labels_of_the_one_that_fired() -> None:
    """By them an Alertmanager knows it."""
    fired = alertmanager.post(REF, Levels(NOW, [Firing(Alarm.GATE, NOW, "closed")]), SENDER).body
    over = alertmanager.post(REF, Levels(NOW, resolved=[Alarm.GATE]), SENDER).body
    assert over[0]["labels"] == fired[0]["labels"]
    assert over == [{"labels": fired[0]["labels"], "endsAt": "2026-03-01T12:00:00Z"}]
    assert fired[0]["labels"]["severity"] == "warning"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://am:9093", "http://am:9093/api/v2/alerts"),
        ("http://am:9093/prefix/", "http://am:9093/prefix/api/v2/alerts"),
        ("http://am:9093/api/v2/alerts", "http://am:9093/api/v2/alerts"),
    ],
)
def test_the_address_is_given_with_or_without_the_path(given: str, asked: str) -> None:
    """As in the configuration of Prometheus, where a prefix may stand."""
    assert alertmanager.address(given) == asked
