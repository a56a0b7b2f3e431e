"""Reconcilers of route and workload: one lease, the latest intent, news told to the rollout."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import pytest

from analysis.effects import WRITE_LEASE
from analysis.phases import Phase
from clients import errors
from clients.documents.confirmed import Confirmed, Lane
from clients.documents.world import ShownStatus, WorkloadView, World
from clients.kube import resources
from clients.redis.records import Work
from config.refs import CanaryRef
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import RouteIntent, RouteStage, TrafficSplit
from routing import metadata
from tasks.reconcile.leased import RESERVE
from tasks.reconcile.route import RouteReconciler
from tasks.reconcile.workload import WorkloadReconciler
from tests.fakes.crews import a_crew
from tests.fakes.faults import Fault
from tests.stage.bag import Bag
from tests.unit.analysis import worlds
from tests.unit.tasks.worlds import NOW, REF, Room, a_state
from workloads import deployment
from workloads.primary import Copying

KEYS: Final = ("app",)
TARGET: Final = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "cart-app", "namespace": "shop"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "cart"}},
        "template": {
            "metadata": {"labels": {"app": "cart"}},
            "spec": {"containers": [{"name": "app", "image": "cart:1"}]},
        },
    },
}
FORBIDDEN: Final = errors.Permanent("forbidden", status=403)


@pytest.fixture
def room() -> Room:
    """A canary and its target, seen by the watch, and nothing made for it yet."""
    room = Room()
    room.kube.restore(resources.CANARIES, worlds.a_manifest())
    created = room.kube.create(resources.DEPLOYMENTS, "shop", TARGET)
    room.put(target=deployment.project(created, KEYS))
    return room


def wanted(seq: int = 5, weight: int = 20, scale: CanaryScale = CanaryScale.RUNNING) -> Any:
    """A state that wants traffic and workloads; nothing was promoted yet."""
    return a_state(
        promoted="",
        route=RouteIntent(seq, RouteStage.EXPOSED, TrafficSplit.of(weight)),
        workload=WorkloadIntent(seq, scale),
    )


def apply(room: Room) -> None:
    """The traffic writer's run."""
    RouteReconciler(a_crew(room.store), room.kube, room.clock).reconcile(REF)


def converge(room: Room) -> None:
    """The workload writer's run."""
    doors = a_crew(room.store), room.kube, room.clock
    WorkloadReconciler(*doors, Copying(KEYS), lambda: b"key").reconcile(REF)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, ["status"]), ({"check_at": None}, []), ({"phase": Phase.FAILED}, [])],
    ids=["a step", "traffic taken back", "a rollback"],
)
def test_a_step_is_shown_when_it_is_in_force_and_only_once(
    room: Room, changes: dict[str, Any], expected: list[str]
) -> None:
    """By the status lane's own worker; everything else was shown when it was decided."""
    crew, bag = a_crew(room.store), Bag()
    room.commit(replace(wanted(), **changes))
    traffic = RouteReconciler(replace(crew, dispatcher=bag), room.kube, room.clock)
    room.kube.faults.add(Fault(FORBIDDEN, resource="virtualservices"))
    traffic.reconcile(REF)
    assert bag.messages == []

    for _ in range(2):
        traffic.reconcile(REF)
        assert [message.kind for message in bag.messages] == expected


BOTH: Final = pytest.mark.parametrize(
    ("run", "kind"), [(apply, "route"), (converge, "workload")], ids=["traffic", "workforce"]
)
Run = Callable[[Room], None]


def in_force(room: Room, kind: str) -> int:
    """The intent of a lane that was confirmed."""
    known = room.confirmed()
    return known.route_seq if kind == "route" else known.workload_seq


def writes(room: Room) -> list[str]:
    """The writing calls so far."""
    return [f"{call.verb} {call.name}" for call in room.kube.calls if call.verb != "get"]


@BOTH
def test_what_is_brought_about_is_confirmed_and_wakes_the_rollout(
    room: Room, run: Run, kind: str
) -> None:
    """With the number of the intent; the trouble is over."""
    room.commit(wanted())
    run(room)
    assert (room.confirmed().uid, in_force(room, kind), room.confirmed().troubles) == ("u1", 5, {})
    assert room.is_due() is (kind == "route")  # a primary that was just made has no pods yet


def test_pods_that_a_write_asks_for_are_seen_and_not_looked_for(room: Room) -> None:
    """What asks for none lets the rollout go on at once."""
    room.commit(wanted())
    converge(room)
    assert not room.is_due()
    room.commit(wanted(6, scale=CanaryScale.ZERO))
    converge(room)
    assert room.is_due()


@BOTH
def test_a_repeated_message_writes_nothing_and_wakes_nobody(
    room: Room, run: Run, kind: str
) -> None:
    """Messages come twice."""
    room.commit(wanted())
    run(room)
    room.is_due()
    room.kube.calls.clear()
    before = room.confirmed()
    run(room)
    assert writes(room) == []
    assert not room.is_due()
    assert room.confirmed() == before


@BOTH
@pytest.mark.parametrize(
    "why", ["deleting", "uid", "gone", "never accepted", "no state", "no intent", "outdated"]
)
def test_a_canary_that_is_not_ours_to_act_on_is_left_alone(
    room: Room, run: Run, kind: str, why: str
) -> None:
    """D-3: being deleted, another object by now, gone, not yet wanting anything, outdated."""
    room.kube.calls.clear()
    if why != "no state":
        room.commit(wanted(0 if why == "no intent" else 5))
    match why:
        case "deleting":
            room.reviewed(deleting=True)
        case "uid":
            room.reviewed(uid="another")
        case "gone":
            room.put(admission=None)
        case "never accepted":
            room.put(canary=None)
        case "outdated":
            recorded = {"type": "Recorded", "status": "True", "reason": "Version2"}
            room.put(status=ShownStatus("9", {"phase": "Failed", "conditions": [recorded]}))
    run(room)
    assert room.kube.calls == []
    assert room.confirmed() == Confirmed()


@BOTH
def test_another_run_is_asked_to_run_again_instead(room: Room, run: Run, kind: str) -> None:
    """One writer at a time per canary."""
    room.commit(wanted())
    begun = room.store.begin(REF, Work(kind), WRITE_LEASE)
    assert begun is not None
    run(room)
    assert writes(room) == ["create cart-app"]  # the target, by the fixture
    assert room.store.finish(REF, Work(kind), begun.token)


@BOTH
def test_an_intent_that_changes_meanwhile_is_brought_about_by_the_same_run(
    room: Room, run: Run, kind: str
) -> None:
    """Whoever was refused the lease relies on it."""
    room.commit(wanted(5, 20, CanaryScale.RUNNING))

    def meanwhile() -> None:
        room.commit(wanted(6, 30, CanaryScale.ZERO))
        run(room)

    room.kube.faults.add(Fault(meanwhile, verb="create"))
    run(room)
    assert in_force(room, kind) == 6
    if kind == "workload":
        target = room.kube.get(resources.DEPLOYMENTS, "shop", "cart-app")
        assert target["spec"]["replicas"] == 0


def test_what_became_old_while_it_waited_for_its_turn_is_never_written(room: Room) -> None:
    """In a job whose calls are many and slow, a rollback is decided before a step is written."""
    room.commit(wanted(5, 20))

    class Crowded(ThreadPoolExecutor):
        """The first call waits behind others for a second."""

        def submit(self, *call: Any, **given: Any) -> Any:
            if room.store.read(REF).version == 1:
                room.clock.sleep(1)
                room.commit(wanted(6, 0))
                apply(room)
            return super().submit(*call, **given)

    crew = replace(a_crew(room.store), pool=Crowded(1))
    RouteReconciler(crew, room.kube, room.clock).reconcile(REF, CanaryRef("shop", "neighbour"))
    route = room.kube.get(resources.VIRTUAL_SERVICES, "shop", "cart-app")
    weights = [each["weight"] for each in route["spec"]["http"][0]["route"]]
    assert (weights, in_force(room, "route")) == ([100, 0], 6)
    assert [call for call in writes(room) if call.startswith("patch")] == []


@BOTH
def test_trouble_is_told_once_and_taken_back(
    room: Room, run: Run, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A write refused for ever must not keep the rollout awake for ever."""
    room.commit(wanted())
    resource = {"route": "virtualservices", "workload": "deployments"}[kind]
    room.kube.faults.add(Fault(FORBIDDEN, verb="create", resource=resource, times=99))
    run(room)
    assert "forbidden" in room.confirmed().troubles[Lane(kind)]
    assert in_force(room, kind) == 0
    assert room.is_due()
    run(room)
    assert not room.is_due()
    assert len([one for one in caplog.records if one.levelname == "WARNING"]) == 1
    room.kube.faults.clear()
    run(room)
    assert (room.confirmed().troubles, in_force(room, kind)) == ({}, 5)
    assert room.is_due()


@BOTH
def test_a_lease_is_given_back_whatever_happens(room: Room, run: Run, kind: str) -> None:
    """A defect in one run does not stop the next."""
    room.commit(wanted())

    def defect() -> None:
        raise ZeroDivisionError

    room.kube.faults.add(Fault(defect, verb="create"))
    with pytest.raises(ZeroDivisionError):
        run(room)
    run(room)
    assert in_force(room, kind) == 5


def test_a_split_in_force_is_confirmed_with_its_time(room: Room) -> None:
    """And keeps that time when the same intent is applied again."""
    room.commit(wanted())
    apply(room)
    assert room.confirmed().route_at == NOW
    room.clock.sleep(60)
    apply(room)
    assert room.confirmed().route_at == NOW


def test_a_split_in_force_is_confirmed_though_another_object_is_refused(room: Room) -> None:
    """Users have the split; what is refused is told beside it, once."""
    room.commit(wanted())
    fault = Fault(FORBIDDEN, verb="create", resource="destinationrules", times=99)
    room.kube.faults.add(fault)
    apply(room)
    assert room.confirmed().route_seq == 5
    assert "forbidden" in room.confirmed().trouble
    assert room.is_due()
    apply(room)
    assert not room.is_due()


def test_a_rollout_under_analysis_is_not_woken_by_its_weights(room: Room) -> None:
    """Its next check is planned."""
    state = wanted()
    later = NOW.replace(minute=5)
    room.commit(replace(state, check_at=later))
    apply(room)
    assert room.confirmed().route_seq == 5
    assert not room.is_due()


def test_what_was_written_is_known_ahead_of_the_watch(room: Room) -> None:
    """Views of both workloads, with the generations and objects that our writes made."""
    room.commit(wanted(scale=CanaryScale.ZERO))
    converge(room)
    world, known = room.store.read(REF).world, room.confirmed()
    assert world.target is not None
    assert world.primary is not None
    assert world.target.replicas == 0
    assert world.primary.name == "cart-app-primary"
    made = (known.target_generation, known.target_uid)
    assert made == (world.target.generation, world.target.uid)
    made = (known.primary_generation, known.primary_uid)
    assert made == (world.primary.generation, world.primary.uid)


def test_what_the_watch_knows_better_is_not_overwritten(room: Room) -> None:
    """It was faster, and does not repeat itself: an older view would stay for good."""
    room.commit(wanted(scale=CanaryScale.ZERO))
    converge(room)
    room.commit(wanted(seq=6, scale=CanaryScale.RUNNING))
    newest: list[WorkloadView] = []

    def watch() -> None:
        raw = room.kube.get(resources.DEPLOYMENTS, "shop", "cart-app")
        view = deployment.project(raw, KEYS)
        newest.append(replace(view, status=replace(view.status, observed_generation=99)))
        room.put(target=newest[0])

    room.kube.faults.add(Fault(watch, verb="patch", after=True))
    converge(room)
    assert room.store.read(REF).world.target == newest[0]
    assert room.confirmed().workload_seq == 6


def test_a_superseded_promotion_shows_what_the_target_holds(room: Room) -> None:
    """The rollout is woken by the news, once, and not for ever."""
    room.commit(wanted(scale=CanaryScale.LEAVE))
    converge(room)
    analysed = WorkloadIntent(6, CanaryScale.RUNNING, promote="a" * 20)
    room.commit(replace(wanted(), workload=analysed))
    changed = {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}
    room.kube.patch(resources.DEPLOYMENTS, "shop", "cart-app", changed)
    room.is_due()
    converge(room)
    live = deployment.project(room.kube.get(resources.DEPLOYMENTS, "shop", "cart-app"), KEYS)
    assert room.store.read(REF).world.target == live
    assert room.confirmed().workload_seq == 5
    assert room.is_due()
    converge(room)
    assert not room.is_due()


def test_a_killed_writer_holds_its_canary_up_for_less_than_the_shortest_interval() -> None:
    """Design target 4 bounds the lease; one that is lost to a slow call repeats work only."""
    assert WRITE_LEASE.total_seconds() < 10


def test_no_call_is_made_that_would_outlive_the_lease(room: Room) -> None:
    """A worker that froze, or waited long for an answer, leaves the rest to the next run."""
    room.commit(wanted())

    def freeze() -> None:
        room.clock.sleep((WRITE_LEASE - RESERVE).total_seconds())

    room.kube.faults.add(Fault(freeze, verb="create"))
    room.kube.calls.clear()
    apply(room)
    assert writes(room) == ["create cart-app-canary"]
    assert "not sent" in room.confirmed().troubles[Lane.ROUTE]

    apply(room)
    assert (in_force(room, "route"), room.confirmed().troubles) == (5, {})


@pytest.mark.parametrize("late", ["lease lost", "newer intent", "forgotten"])
def test_what_was_written_too_late_is_neither_remembered_nor_confirmed(
    room: Room, late: str
) -> None:
    """Nor does it stay: the same process brings about at once what is wanted by then."""
    room.commit(wanted())
    apply(room)
    before = room.confirmed()
    room.commit(wanted(seq=6, weight=50))

    def meanwhile() -> None:
        match late:
            case "lease lost":
                room.clock.sleep(2 * WRITE_LEASE.total_seconds())
            case "newer intent":
                room.commit(wanted(seq=7, weight=0))
            case "forgotten":
                room.store.forget(REF)

    room.kube.faults.add(Fault(meanwhile, verb="patch", resource="virtualservices", after=True))
    apply(room)
    live = room.kube.get(resources.VIRTUAL_SERVICES, "shop", "cart-app")
    weights = [each["weight"] for each in live["spec"]["http"][0]["route"]]
    if late == "forgotten":
        assert room.confirmed() == Confirmed()
        assert room.store.read(REF).world == World()
        return
    assert weights == ([100, 0] if late == "newer intent" else [50, 50])
    seq = 7 if late == "newer intent" else 6
    assert room.confirmed().route_seq == seq
    assert room.store.read(REF).world.routes["virtual-service"] == metadata.bare(live)
    assert before.route_seq == 5


def test_a_late_message_makes_no_primary_from_a_revision_nobody_promoted(room: Room) -> None:
    """The intent is older than the promotion; what was promoted counts, and trouble is told."""
    room.commit(replace(wanted(), promoted="b" * 20))
    before = writes(room)
    converge(room)

    assert writes(room) == before
    assert "cannot be made anew" in room.confirmed().trouble
