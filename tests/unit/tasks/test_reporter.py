"""The report: one status patch where there is news, each event once and in order."""

from datetime import timedelta
from typing import Any, Final

import pytest

from analysis.phases import Phase
from analysis.state import Acceptance
from clients import errors
from clients.documents.notice import Notice
from clients.documents.world import ShownStatus, shown_status
from clients.kube import resources
from config.api.canary import Canary
from config.api.hooks import AlertSeverity
from config.traffic import ALL_TO_CANARY, RouteIntent, RouteStage, TrafficSplit
from tasks.reconcile.status import StatusReconciler
from tests.fakes.crews import a_crew
from tests.fakes.faults import Fault
from tests.unit.analysis import worlds as rollouts
from tests.unit.tasks.worlds import NOW, REF, Room, a_state

PATCH: Final = ("patch", "canaries", "status", "cart")


@pytest.fixture
def room() -> Room:
    """A Canary in the cluster, known to the store, whose rollout has the weight it is to have."""
    room = Room()
    created = room.kube.create(resources.CANARIES, "shop", rollouts.a_manifest())
    room.reviewed(uid=created["metadata"]["uid"])
    room.put(canary=created, status=shown_status(created))
    room.commit(a_state(uid=uid(room)))
    room.brought_about(uid(room), a_state().route.seq)
    room.kube.calls.clear()
    return room


def uid(room: Room) -> str:
    """The uid of the Canary object."""
    admission = room.store.read(REF).world.admission
    assert admission is not None
    return admission.uid


def a_notice(room: Room, text: str) -> Notice:
    """A notice as decisions leave it."""
    return Notice(uid=uid(room), at=NOW, severity=AlertSeverity.INFO, message=text)


def report(room: Room) -> list[tuple[str | None, ...]]:
    """The calls that a report takes."""
    room.kube.calls.clear()
    StatusReconciler(a_crew(room.store), room.kube, room.clock).reconcile(REF)
    return [tuple(call) for call in room.kube.calls]


def status(room: Room) -> Any:
    """The status in the cluster."""
    return room.kube.get(resources.CANARIES, "shop", "cart").get("status")


def messages(room: Room) -> list[str]:
    """The texts of the events in the cluster, in the order of their creation."""
    items = room.kube.list(resources.EVENTS, "shop").items
    by_version = sorted(items, key=lambda item: int(item["metadata"]["resourceVersion"]))
    return [str(item["message"]) for item in by_version]


def test_a_report_is_one_patch_and_an_event_per_notice(room: Room) -> None:
    """In the order they were decided; all confirmed with the version shown."""
    texts = [f"text {number}" for number in range(12)]
    notices = [a_notice(room, text) for text in texts]
    version = room.commit(a_state(uid=uid(room)), *notices)
    calls = report(room)
    assert calls[0] == PATCH
    assert [call[:2] for call in calls[1:]] == [("create", "events")] * 12
    assert messages(room) == texts
    assert room.store.undelivered(REF)[0] == ()
    assert room.confirmed().status_version == version


@pytest.mark.parametrize("view", [None, ShownStatus("", {})])
def test_a_status_that_was_not_seen_is_looked_at_before_it_is_written(
    room: Room, view: ShownStatus | None
) -> None:
    """Each write carries the resourceVersion that it was computed from."""
    room.put(status=view)
    version = room.commit(a_state(uid=uid(room)))
    assert report(room) == [("get", "canaries", None, "cart"), PATCH]
    assert room.confirmed().status_version == version


def test_the_status_is_what_the_reference_says(room: Room) -> None:
    """7, 7.1, D-95: times are those of the phase, not of the write."""
    started = NOW - timedelta(minutes=5)
    version = room.commit(
        a_state(
            uid=uid(room), since=started, failed_checks=2, iterations=0, applied="n", promoted="o"
        )
    )
    report(room)
    assert status(room) == {
        "phase": "Progressing",
        "canaryWeight": 20,
        "failedChecks": 2,
        "iterations": 0,
        "lastAppliedSpec": "n",
        "lastPromotedSpec": "o",
        "lastTransitionTime": "2026-03-01T11:55:00Z",
        "conditions": [
            {
                "type": "Promoted",
                "status": "Unknown",
                "reason": "Progressing",
                "message": "New revision detected, progressing canary analysis.",
                "lastUpdateTime": "2026-03-01T11:55:00Z",
                "lastTransitionTime": "2026-03-01T11:55:00Z",
            },
            {
                "type": "Accepted",
                "status": "True",
                "reason": "Accepted",
                "message": "The manifest is accepted.",
                "lastUpdateTime": "2026-03-01T11:55:00Z",
                "lastTransitionTime": "2026-03-01T11:55:00Z",
            },
            {
                "type": "Recorded",
                "status": "True",
                "reason": f"Version{version}",
                "message": "This status shows this version of the state of the rollout.",
                "lastUpdateTime": "2026-03-01T11:55:00Z",
                "lastTransitionTime": "2026-03-01T11:55:00Z",
            },
        ],
    }
    Canary.model_validate(room.kube.get(resources.CANARIES, "shop", "cart"))


@pytest.mark.parametrize(
    ("shown", "wanted", "expected"),
    [(None, 40, 0), (20, 40, 20), (60, 40, 40), (40, 0, 0)],
    ids=["the first step", "the next", "less", "none"],
)
def test_a_weight_does_not_rise_in_the_status_before_the_route_has_it(
    room: Room, shown: int | None, wanted: int, expected: int
) -> None:
    """It is shown later: until then the report is not done."""
    room.kube.patch(
        resources.CANARIES,
        "shop",
        "cart",
        {"status": {"canaryWeight": shown}},
        subresource="status",
    )
    room.put(status=shown_status(room.kube.get(resources.CANARIES, "shop", "cart")))
    route = RouteIntent(a_state().route.seq + 1, RouteStage.EXPOSED, TrafficSplit.of(wanted))
    version = room.commit(a_state(uid=uid(room), route=route), a_notice(room, "one"))
    report(room)
    assert (status(room)["canaryWeight"], messages(room)) == (expected, ["one"])
    assert room.confirmed().status_version == (version if expected == wanted else 0)
    assert room.confirmed().troubles == {}

    room.brought_about(uid(room), route.seq)
    report(room)
    assert status(room)["canaryWeight"] == wanted
    assert room.confirmed().status_version == version


def test_a_failed_promotion_is_shown_with_its_weight_from_the_start(room: Room) -> None:
    """`Failed` with another weight says that the primary has the traffic, should Redis be lost."""
    route = RouteIntent(a_state().route.seq + 1, RouteStage.EXPOSED, ALL_TO_CANARY)
    failed = a_state(uid=uid(room), route=route, phase=Phase.PROMOTION_FAILED, check_at=None)
    version = room.commit(failed)
    report(room)
    assert (status(room)["phase"], status(room)["canaryWeight"]) == ("Failed", 100)
    assert room.confirmed().status_version == version


def test_a_transition_time_moves_with_the_condition_s_status_only(room: Room) -> None:
    """7.1: Unknown stays Unknown from Progressing to Promoting; True is a transition."""
    seen = []
    for minutes, phase in ((0, Phase.PROGRESSING), (1, Phase.PROMOTING), (2, Phase.SUCCEEDED)):
        since = NOW + timedelta(minutes=minutes)
        room.commit(a_state(uid=uid(room), phase=phase, since=since))
        report(room)
        condition, accepted, recorded = status(room)["conditions"]
        kinds = [each["type"] for each in (condition, accepted, recorded)]
        assert kinds == ["Promoted", "Accepted", "Recorded"]
        seen.append(
            (condition["status"], condition["lastUpdateTime"], condition["lastTransitionTime"])
        )
    assert seen == [
        ("Unknown", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("Unknown", "2026-03-01T12:01:00Z", "2026-03-01T12:00:00Z"),
        ("True", "2026-03-01T12:02:00Z", "2026-03-01T12:02:00Z"),
    ]


def test_what_is_wrong_with_a_manifest_is_a_condition_of_its_own(room: Room) -> None:
    """Beside Promoted, whose clients must not notice."""
    verdict = Acceptance(accepted=False, reason="InvalidSpec", message="no", since=NOW)
    room.commit(a_state(uid=uid(room), acceptance=verdict))
    report(room)
    kinds = {item["type"]: item["status"] for item in status(room)["conditions"]}
    assert kinds == {"Promoted": "Unknown", "Accepted": "False", "Recorded": "True"}


def test_no_patch_is_made_when_nothing_is_new(room: Room) -> None:
    """D-51: a version that shows nothing else is no news; events are told all the same."""
    room.commit(a_state(uid=uid(room)))
    report(room)
    room.commit(a_state(uid=uid(room)))
    assert report(room) == []
    version = room.commit(a_state(uid=uid(room)), a_notice(room, "still waiting"))
    assert [call[:2] for call in report(room)] == [("create", "events")]
    assert room.confirmed().status_version == version


def test_fields_of_the_status_that_are_not_ours_survive(room: Room) -> None:
    """Tracked configs and cookies that Flagger left."""
    left = {"trackedConfigs": {"configmap/a": "b"}, "previousSessionAffinityCookie": "c=d"}
    room.kube.patch(resources.CANARIES, "shop", "cart", {"status": left}, subresource="status")
    room.put(status=ShownStatus("1", left))
    room.commit(a_state(uid=uid(room)))
    report(room)
    assert status(room).items() >= left.items()
    assert status(room)["phase"] == "Progressing"


def test_an_event_that_was_delivered_is_not_delivered_again(room: Room) -> None:
    """The answer got lost; the notice was still waiting."""
    room.commit(a_state(uid=uid(room)), a_notice(room, "one"), a_notice(room, "two"))
    fault = Fault(errors.Transient("timed out"), verb="create", resource="events", after=True)
    room.kube.faults.add(fault)
    with pytest.raises(errors.Transient):
        report(room)
    assert len(room.store.undelivered(REF)[0]) == 2
    report(room)
    assert messages(room) == ["one", "two"]
    assert room.store.undelivered(REF)[0] == ()


@pytest.mark.parametrize("resource", ["canaries", "events"])
def test_what_cannot_be_told_now_is_told_later(room: Room, resource: str) -> None:
    """Transient: nothing is confirmed, nothing dropped."""
    room.commit(a_state(uid=uid(room)), a_notice(room, "one"))
    room.kube.faults.add(Fault(errors.Transient("away"), resource=resource))
    with pytest.raises(errors.Transient):
        report(room)
    assert [notice.message for notice in room.store.undelivered(REF)[0]] == ["one"]
    assert room.confirmed().status_version == 0
    report(room)
    assert messages(room) == ["one"]
    assert room.confirmed().status_version > 0


def test_a_refused_status_keeps_no_event_from_being_told(room: Room) -> None:
    """And is tried again: it is not confirmed."""
    room.commit(a_state(uid=uid(room)), a_notice(room, "one"))
    refusal = errors.Permanent("invalid", status=422)
    room.kube.faults.add(Fault(refusal, resource="canaries"))
    report(room)
    assert messages(room) == ["one"]
    assert room.confirmed().status_version == 0


def test_a_refused_status_is_known_for_refused_until_it_is_written(room: Room) -> None:
    """So that it is asked for at the pace of what is hopeless, not at that of what was lost."""
    room.commit(a_state(uid=uid(room)))
    denied = errors.Permanent("denied", status=403)
    room.kube.faults.add(Fault(denied, subresource="status"))
    report(room)
    assert room.confirmed().refused == {"status"}

    report(room)
    assert room.confirmed().refused == frozenset()


def test_a_refused_event_does_not_hold_up_the_others(room: Room) -> None:
    """It would be refused for ever."""
    room.commit(a_state(uid=uid(room)), a_notice(room, "bad"), a_notice(room, "good"))
    room.kube.faults.add(Fault(errors.Permanent("invalid", status=422), resource="events"))
    report(room)
    assert messages(room) == ["good"]
    assert room.store.undelivered(REF)[0] == ()


def test_another_object_of_that_name_gets_neither_status_nor_confirmation(room: Room) -> None:
    """Deleted and made anew, before the watch has shown it; the events stay with the old one."""
    old = uid(room)
    room.commit(a_state(uid=old), a_notice(room, "about the old one"))
    room.kube.delete(resources.CANARIES, "shop", "cart")
    room.kube.create(resources.CANARIES, "shop", rollouts.a_manifest())
    report(room)
    assert not status(room)
    assert room.confirmed().status_version == 0
    (event,) = room.kube.list(resources.EVENTS, "shop").items
    assert event["involvedObject"]["uid"] == old


def test_a_state_about_an_earlier_object_is_not_shown(room: Room) -> None:
    """Until the new one has a state of its own."""
    room.commit(a_state(uid="earlier"))
    assert report(room) == []


def test_a_report_asked_for_meanwhile_is_made(room: Room) -> None:
    """A commit that comes while a report is running is shown by the same run."""
    room.commit(a_state(uid=uid(room)))
    reconciler = StatusReconciler(a_crew(room.store), room.kube, room.clock)

    def meanwhile() -> None:
        room.commit(a_state(uid=uid(room), failed_checks=1))
        reconciler.reconcile(REF)

    room.kube.faults.add(Fault(meanwhile, resource="canaries"))
    reconciler.reconcile(REF)
    assert status(room)["failedChecks"] == 1
