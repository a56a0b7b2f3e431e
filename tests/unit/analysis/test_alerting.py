"""Which events are alerts, and what is written down with them (webhooks 4)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from analysis import alerting, events
from analysis.decisions import Decision
from analysis.events import Event
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.state import Exposure
from analysis.waiting import GATES, WaitReason
from config.api.hooks import AlertSeverity, WebhookType
from tests.unit.analysis import tables, worlds
from tests.unit.analysis.worlds import NEW, NOW, OLD

INFO, WARN, ERROR = AlertSeverity
CANARY: Final = worlds.a_canary()

TABLE: Final[dict[str, tuple[Event, AlertSeverity, bool]]] = {
    "New Deployment detected, initialization completed.": (events.initialized(CANARY), INFO, True),
    "New revision detected, progressing canary analysis.": (
        events.new_revision(CANARY),
        INFO,
        True,
    ),
    "Canary analysis completed successfully, promotion finished.": (
        events.promoted(CANARY),
        INFO,
        False,
    ),
    "Canary analysis was skipped, promotion finished.": (
        events.promoted_unanalysed(CANARY),
        INFO,
        False,
    ),
    "Rolling back manual webhook invoked": (events.webhook_rollback(CANARY), WARN, False),
    "Failed checks threshold reached 5": (events.threshold_reached(CANARY, 5), ERROR, False),
    "Promotion failed, primary not ready: {no} pods": (
        events.promotion_failed(CANARY, "{no} pods"),
        ERROR,
        False,
    ),
    "Progress deadline exceeded no pods": (
        events.deadline_exceeded(CANARY, "no pods"),
        ERROR,
        False,
    ),
}


@pytest.mark.parametrize(("text", "row"), TABLE.items(), ids=TABLE)
def test_every_alert_of_the_table_has_its_text_and_severity(
    text: str, row: tuple[Event, AlertSeverity, bool]
) -> None:
    """Letter by letter; which of them have Flagger's further fields."""
    event, severity, detailed = row
    assert event.alert is not None
    assert (event.alert.text, event.alert.severity, event.alert.detailed) == (
        text,
        severity,
        detailed,
    )


def test_every_gate_has_a_text() -> None:
    """Warnings, each with its own."""
    assert {kind: alert.text for kind, alert in events.GATES.items()} == {
        WebhookType.CONFIRM_ROLLOUT: "Canary is waiting for approval.",
        WebhookType.CONFIRM_TRAFFIC_INCREASE: "Canary traffic increase is waiting for approval.",
        WebhookType.CONFIRM_PROMOTION: "Canary promotion is waiting for approval.",
    }
    assert {alert.severity for alert in events.GATES.values()} == {WARN}


def test_a_restart_is_no_alert() -> None:
    """In Flagger's table there is none for it."""
    assert events.restarting(CANARY).alert is None


@pytest.mark.parametrize(
    ("analysis", "said"),
    [
        ({"stepWeight": 20, "maxWeight": 60}, "Weight step: 20 max: 60"),
        ({"stepWeight": 20, "maxWeight": 0}, "Weight step: 20 max: 0"),
        ({"stepWeights": [1, 2, 10], "maxWeight": 0}, "Weight steps: 1,2,10 max: 0"),
        ({"number": 3}, "Blue/Green"),
        ({"number": 3, "match": [{"headers": {"x": {"exact": "1"}}}]}, "A/B Testing"),
    ],
)
def test_the_routing_is_told_as_it_is_written(analysis: dict[str, Any], said: str) -> None:
    """`maxWeight` as written, 0 if unset."""
    canary = (worlds.iterating if "number" in analysis else worlds.a_canary)(**analysis)
    told = alert(
        events.initialized(canary), worlds.seen(worlds.a_state(Phase.INITIALIZING), canary)
    )
    assert told["Traffic routing"] == said


def alert(event: Event, seen: Observation, *more: Event) -> dict[str, str]:
    """The details of the alert of `event`, told after others by one decision."""
    assert seen.state is not None
    decision = Decision("Test", "test", seen.state, (*more, event))
    told = alerting.alert(seen, decision, event)
    assert told is not None
    return dict(told.details)


DEAD: Final = worlds.a_workload(NEW, readiness=worlds.unready(retriable=False))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"target": None}, "Rolling back target cart-app not found"),
        (
            {"target": worlds.a_workload(OLD)},
            "Rolling back target reverted to the promoted revision",
        ),
        ({"target": DEAD}, "Progress deadline exceeded "),
        (
            {"primary": replace(DEAD, revision=OLD, available=2)},
            "Canary failed: cart-app-primary.shop not ready: ",
        ),
    ],
    ids=["target gone", "reverted", "deadline", "deadline of the primary"],
)
def test_no_rollback_is_without_an_alert(changes: dict[str, Any], text: str) -> None:
    """Flagger forgets all of these."""
    seen = replace(worlds.seen(worlds.progressing(20), worlds.a_canary()), **changes)
    decision = tables.decision(seen)
    assert decision.state.phase is Phase.FAILED
    (told,) = [each.alert.text for each in decision.events if each.alert]
    assert told.startswith(text)


def test_what_has_met_users_is_noted_with_the_greatest_share() -> None:
    """From the first request on, for the whole rollout; the next one begins anew."""
    began = worlds.progressing(0, began=NOW)
    first = alerting.noted(began, worlds.progressing(20, began=NOW), NOW)
    later = NOW + timedelta(minutes=1)
    more = alerting.noted(first, replace(first, route=worlds.progressing(60).route), later)
    back = alerting.noted(more, replace(more, route=worlds.progressing(0).route), later)
    assert (first.exposure, more.exposure) == (Exposure(NOW, 20), Exposure(NOW, 60))
    assert back.exposure == more.exposure
    assert alerting.noted(back, replace(back, began=later), later).exposure is None


def test_a_failure_lasts_until_the_next_success() -> None:
    """Also while the next release is under way."""
    failed = alerting.noted(None, worlds.a_state(Phase.FAILED), NOW)
    later = NOW + timedelta(hours=1)
    again = alerting.noted(failed, replace(failed, phase=Phase.PROGRESSING), later)
    twice = alerting.noted(again, replace(again, phase=Phase.FAILED), later)
    over = alerting.noted(twice, replace(twice, phase=Phase.SUCCEEDED), later)
    assert [each.failed_since for each in (failed, again, twice, over)] == [NOW, NOW, NOW, None]
    assert alerting.ends(worlds.seen(twice), Decision("Test", "", over))
    assert not alerting.ends(worlds.seen(failed), Decision("Test", "", again))


@pytest.mark.parametrize("reason", sorted(GATES))
def test_a_gate_that_opens_ends_its_wait(reason: WaitReason) -> None:
    """Whatever comes after it."""
    waiting = worlds.progressing(20, waiting=worlds.a_wait(reason=reason))
    over = Decision("Test", "", replace(waiting, waiting=None))
    assert alerting.ends(worlds.seen(waiting), over)
    assert not alerting.ends(worlds.seen(waiting), Decision("Test", "", waiting))
