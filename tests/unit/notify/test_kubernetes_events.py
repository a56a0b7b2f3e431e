"""Events as kubectl and scripts expect them, each delivered under one name."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from clients.clock import ManualClock
from clients.documents.notice import Notice
from clients.kube import resources
from config.api.hooks import AlertSeverity
from config.refs import CanaryRef
from notify import kubernetes_events
from tests.fakes.kube import FakeKube

REF: Final = CanaryRef("test", "podinfo")
NOTICE: Final = Notice(
    id="000000000007-0",
    uid="u1",
    at=datetime.fromisoformat("2026-03-01T14:30:05.999999+02:30"),
    severity=AlertSeverity.ERROR,
    message="Canary failed! Scaling down podinfo.test",
)
LATER: Final = datetime(2026, 3, 1, 12, 5, 5, tzinfo=UTC)
SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def event(ref: CanaryRef = REF, **changes: Any) -> Any:
    """The event of `NOTICE` with changes."""
    return kubernetes_events.event(ref, replace(NOTICE, **changes))


@pytest.mark.parametrize(
    ("severity", "kind"),
    [
        (AlertSeverity.INFO, "Normal"),
        (AlertSeverity.WARN, "Warning"),
        (AlertSeverity.ERROR, "Warning"),
    ],
)
def test_kubernetes_knows_two_types_of_events(severity: AlertSeverity, kind: str) -> None:
    """Whatever is not progress is a warning."""
    assert event(severity=severity)["type"] == kind


def test_an_event_has_the_fields_that_kubectl_describe_shows() -> None:
    """22: component flagger, reason Synced, about the Canary; times in UTC, whole seconds."""
    made = event()
    name = made["metadata"]["name"]
    assert made == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "test"},
        "involvedObject": {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "namespace": "test",
            "name": "podinfo",
            "uid": "u1",
        },
        "type": "Warning",
        "reason": "Synced",
        "message": "Canary failed! Scaling down podinfo.test",
        "source": {"component": "flagger"},
        "reportingComponent": "flagger",
        "firstTimestamp": "2026-03-01T12:00:05Z",
        "lastTimestamp": "2026-03-01T12:00:05Z",
        "count": 1,
    }
    assert re.fullmatch(r"podinfo\.[0-9a-f]{24}", name)


def test_a_notice_always_has_the_same_name() -> None:
    """Delivering twice makes one event."""
    assert event() == event()


def test_different_notices_have_different_names() -> None:
    """Also when Redis lost its data and ids are given anew."""
    others = (
        event(uid="u2"),
        event(id="000000000007-1"),
        event(message="another"),
        event(at=NOTICE.at + timedelta(seconds=1)),
    )
    names = {made["metadata"]["name"] for made in (event(), *others)}
    assert len(names) == 5


@pytest.mark.parametrize(
    "name", ["a" * 253, "a" * 235 + "-.b", "a" * 234 + "-.b", "a" * 236, "a" * 237, "a.b-c"]
)
def test_names_are_dns_subdomains_however_long_the_canary_s_is(name: str) -> None:
    """At most 253 characters, and no label ends in a hyphen or is empty."""
    made = event(CanaryRef("test", name))["metadata"]["name"]
    assert len(made) <= 253
    assert SUBDOMAIN.fullmatch(made)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("x" * 1024, "x" * 1024),
        ("x" * 1025, "x" * 1021 + "…"),
        ("ü" * 512, "ü" * 512),
        ("ü" * 513, "ü" * 510 + "…"),
    ],
)
def test_messages_are_cut_at_1024_bytes(message: str, expected: str) -> None:
    """Whole characters, and a mark where something is missing."""
    made = event(message=message)["message"]
    assert made == expected
    assert len(made.encode()) <= 1024


def test_names_sort_as_things_happened() -> None:
    """Order by name, as in kubectl within a second: time, then decision, then its events."""
    moments = [
        (datetime.fromisoformat("2026-03-01T12:00:00.001+00:00"), "000000000009-1"),
        (datetime.fromisoformat("2026-03-01T12:00:00.002+00:00"), "000000000010-0"),
        (datetime.fromisoformat("2026-03-01T12:00:00.002+00:00"), "000000000010-1"),
        (datetime.fromisoformat("2026-03-01T12:00:00.002+00:00"), "000000000011-0"),
    ]
    names = [event(id=identity, at=at)["metadata"]["name"] for at, identity in moments]
    assert names == sorted(names)


def test_what_is_told_again_is_the_same_event_counted_up() -> None:
    """`kubectl describe` shows it once, as told so many times over so long."""
    kube = FakeKube(ManualClock(LATER))
    channel = kubernetes_events.KubernetesEvents()
    first = replace(NOTICE, first=NOTICE.at)
    again = replace(NOTICE, id="000000000031-0", first=NOTICE.at, at=LATER, count=2)
    for notice in (first, first, again, again):
        channel.deliver(REF, notice, kube)

    (told,) = kube.list(resources.EVENTS, "test").items
    assert (told["firstTimestamp"], told["lastTimestamp"], told["count"]) == (
        "2026-03-01T12:00:05Z",
        "2026-03-01T12:05:05Z",
        2,
    )


def test_another_wait_is_another_event() -> None:
    """The same words told for the first time at another moment."""
    assert event(first=NOTICE.at) != event(first=LATER)
