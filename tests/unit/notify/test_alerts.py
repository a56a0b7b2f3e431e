"""Which notices are alerts for whom, and what the message says (webhooks 4).

Which events of a rollout are alerts: tests/scenarios/test_alerts.py.
"""

from datetime import timedelta
from typing import Any, Final

import pytest

from clients.documents.notice import Alert, Notice
from config.api.hooks import AlertSeverity
from config.refs import CanaryRef
from notify import alerts
from notify.alerts import About
from notify.message import Message
from tests.unit.notify.notices import NOW, a_notice

REF: Final = CanaryRef("shop", "cart")
INFO, WARN, ERROR = AlertSeverity


def an_alert(
    version: int, text: str = "", severity: AlertSeverity = INFO, **changes: Any
) -> Notice:
    """The notice of a decision, with an alert."""
    fields = {"revision": changes.pop("revision", "r1"), "told": "Progressing"}
    said = Alert(severity, text or f"alert {version}", changes.pop("details", ()))
    at = NOW + timedelta(seconds=version)
    return a_notice(
        f"event {version}", id=f"{version:012}-0", at=at, alert=said, fields=fields, **changes
    )


def texts(waiting: list[Notice], least: AlertSeverity | None = None) -> list[str]:
    """What is told of them."""
    return [each.alert.message for each in alerts.selected(waiting, least) if each.alert]


@pytest.mark.parametrize(
    ("least", "sent"),
    [
        (INFO, {INFO, WARN, ERROR}),
        (WARN, {WARN, ERROR}),
        (ERROR, {ERROR}),
        (None, {INFO, WARN, ERROR}),
    ],
)
def test_severities_are_filtered(least: AlertSeverity | None, sent: set[AlertSeverity]) -> None:
    """The table; an omitted one means info, as documented (D-61)."""
    assert {each for each in AlertSeverity if alerts.reaches(each, least)} == sent
    waiting = [an_alert(index, severity=each) for index, each in enumerate(AlertSeverity, 1)]
    told = {each.alert.severity for each in alerts.selected(waiting, least) if each.alert}
    assert told == sent


def test_events_without_an_alert_are_not_told() -> None:
    """A step is none."""
    assert alerts.selected([a_notice()], None) == ()


def test_muted_and_repeated_ones_are_not_told() -> None:
    """`muteAlert`; and a wait that goes on is an event every five minutes, not an alert (D-66)."""
    waiting = [an_alert(1, muted=True), an_alert(2, count=2, first=NOW), an_alert(3)]
    assert texts(waiting) == ["alert 3"]


def test_a_decision_never_alerts_the_same_twice() -> None:
    """Two gates that are closed are one wait for approval."""
    gate = an_alert(1, "Canary is waiting for approval.", WARN)
    other = a_notice("event", id="000000000001-1", at=gate.at, alert=gate.alert)
    assert texts([gate, other]) == ["Canary is waiting for approval."]


def test_a_few_that_have_waited_are_told_one_by_one_and_in_order() -> None:
    """Whoever was away for a moment misses nothing."""
    assert texts([an_alert(1), an_alert(2), an_alert(3)]) == ["alert 1", "alert 2", "alert 3"]


def test_of_a_burst_about_one_rollout_one_message_is_made() -> None:
    """The newest, and how many more."""
    burst = [an_alert(version) for version in range(1, 7)]
    (told,) = alerts.selected(burst, None)
    assert told.alert is not None
    assert told.alert.message == "alert 6\n… and 5 more"
    assert told.id == burst[-1].id


def test_errors_of_a_burst_are_all_told() -> None:
    """And they give it their severity."""
    burst = [an_alert(version) for version in range(1, 5)]
    burst[1] = an_alert(2, "Promotion failed", ERROR)
    burst[2] = an_alert(3, "Failed checks threshold reached 5", ERROR)
    (told,) = alerts.selected(burst, None)
    assert told.alert is not None
    assert told.alert.severity is ERROR
    assert told.alert.message == "Promotion failed\nFailed checks threshold reached 5\n… and 2 more"


def test_what_is_about_different_rollouts_is_not_put_together() -> None:
    """Six alerts, three of each."""
    waiting = [an_alert(version, revision=f"r{version % 2}") for version in range(1, 7)]
    assert texts(waiting) == [f"alert {version}" for version in range(1, 7)]


def message(notice: Notice, about: About | None = None) -> Message:
    """What is told of it."""
    assert notice.alert is not None
    return alerts.message(REF, notice, notice.alert, about or About())


def test_the_cluster_comes_before_what_was_known_of_the_rollout() -> None:
    """Webhooks 4, "Fields": `Cluster` on every alert, when it is set."""
    notice = an_alert(1, details=(("Target", "Deployment/cart.shop"), ("Image", "cart:2")))
    told = message(notice, About("eu-1", "https://g.example/{namespace}/{name}?q={x}"))
    assert told.fields == (
        ("Cluster", "eu-1"),
        ("Target", "Deployment/cart.shop"),
        ("Image", "cart:2"),
    )
    assert told.link == "https://g.example/shop/cart?q={x}"
    assert (told.canary, told.phase, told.at) == (REF, "Progressing", notice.at)
    assert message(an_alert(1)).fields == ()


def test_texts_and_fields_have_a_bound() -> None:
    """What chat services refuse as too long is never sent."""
    told = message(an_alert(1, "x" * 50_000, details=(("Failed check", "y" * 50_000),)))
    assert len(told.text) == alerts.LONGEST_TEXT
    assert [len(value) for _, value in told.fields] == [alerts.LONGEST_FIELD]


def test_an_alert_has_the_same_id_however_often_it_is_told() -> None:
    """By which receivers of one's own drop what they know; another alert has another one."""
    assert message(an_alert(1)).id == message(an_alert(1)).id != message(an_alert(2)).id
