"""An API server that refuses, forgets to answer, or is away: same end, no doubled write."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from clients.errors import ClientError, Conflict, Permanent, Transient
from clients.kube import resources
from config.traffic import TrafficSplit
from tests.fakes.faults import Call, Fault
from tests.fakes.kube import READS
from tests.stage import measuring, rollouts
from tests.stage.rollouts import BEGINNING, ENDING, FAILED, LONG
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest

PLAN: Final = [0, 20, 40, 60, 0]
ROUTE: Final = resources.VIRTUAL_SERVICES
DENIED: Final = Permanent('virtualservices "cart-app" is forbidden', status=403)

ERRORS: Final[dict[str, ClientError]] = {
    "409": Conflict("the object has been modified", status=409),
    "429": Transient("too many requests", status=429, retry_after=timedelta(seconds=1)),
    "500": Transient("etcdserver: request timed out", status=500),
    "timeout": Transient("no answer within 10 s"),
}
TROUBLE: Final = ("the object has been modified", "too many", "etcdserver", "no answer within")


CALLS: Final = (
    Call("get", "deployments", None, "cart-app"),
    Call("create", "services", None, "cart-app-canary"),
    Call("create", "services", None, "cart-app-primary"),
    Call("create", "services", None, "cart-app"),
    Call("create", "deployments", None, "cart-app-primary"),
    Call("create", "destinationrules", None, "cart-app-canary"),
    Call("create", "destinationrules", None, "cart-app-primary"),
    Call("create", "virtualservices", None, "cart-app"),
    Call("create", "events", None, None),
    Call("patch", "canaries", "status", "cart"),
    Call("patch", "deployments", None, "cart-app"),
    Call("patch", "virtualservices", None, "cart-app"),
    Call("patch", "deployments", None, "cart-app-primary"),
)
"""Each request that a canary's life up to its first promotion makes; events as one."""


def test_the_requests_tried_here_are_all_there_are() -> None:
    """The table above is the whole conversation with the API server."""
    stage = rollouts.finish(rollouts.released(a_manifest()))
    asked = {
        call._replace(name=None) if call.resource == "events" else call for call in stage.door.calls
    }
    assert asked == set(CALLS)


def named(call: Call) -> str:
    """A name for a test case."""
    return "-".join(part for part in call if part)


def faulty(call: Call, error: ClientError, *, after: bool = False) -> Fault:
    """`error` for the next two calls like `call`."""
    return Fault(error, *call, times=2, after=after)


def played(fault: Fault) -> Stage:
    """A whole life, from nothing to a finished rollout, with `fault` on the way."""
    stage = Stage()
    stage.door.faults.add(fault)
    initialized(a_manifest(), stage)
    stage.release("cart:2")
    rollouts.finish(stage)
    assert fault.times < 2, "the fault never struck"
    return stage


def untroubled(stage: Stage) -> list[str]:
    """What was told since the initialization, without the words about failed writes."""
    return [text for text in rollouts.told(stage) if not any(word in text for word in TROUBLE)]


def check_end(stage: Stage) -> None:
    """Asserts the end of an undisturbed rollout, and each spec written as often as there."""
    rollouts.succeeded(stage)
    assert stage.weights == PLAN
    assert untroubled(stage) == [*BEGINNING, *rollouts.advance(20, 40, 60), *ENDING]
    assert stage.generation(ROUTE, "cart-app") == len(PLAN)
    assert stage.generation(resources.DEPLOYMENTS, "cart-app-primary") == 2
    assert stage.generation(resources.DEPLOYMENTS, "cart-app") == 5
    assert stage.condition("Promoted")["status"] == "True"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        *((call, ERRORS[kind]) for call in CALLS for kind in ("409", "500")),
        *((call, ERRORS[kind]) for call in CALLS[-4:] for kind in ("429", "timeout")),
    ],
    ids=lambda part: named(part) if isinstance(part, Call) else part.message,
)
def test_a_request_that_fails_twice_changes_nothing_in_the_end(
    call: Call, error: ClientError
) -> None:
    """Every request of a rollout, refused in each way: same end, no write lost or doubled."""
    check_end(played(faulty(call, error)))


@pytest.mark.parametrize("call", [call for call in CALLS if call.verb not in READS], ids=named)
def test_a_write_whose_answer_is_lost_is_not_made_twice(call: Call) -> None:
    """Carried out, and answered by nothing: every write of a rollout (D-39, D-40)."""
    check_end(played(faulty(call, ERRORS["timeout"], after=True)))


@pytest.mark.parametrize(("weight", "seconds"), [(0, 20), (20, 20), (60, 20), (20, 300)])
def test_a_server_that_is_away_for_a_while_delays_a_rollout(weight: int, seconds: int) -> None:
    """No stuck rollout and no weight outside the plan; what was missed is caught up with."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), weight)
    stage.door.faults.add(Fault(Transient("connection refused"), times=10**6))
    stage.wait(timedelta(seconds=seconds))
    stage.door.faults.clear()
    rollouts.finish(stage)

    rollouts.succeeded(stage)
    assert stage.weights == PLAN


def test_no_step_follows_a_step_that_is_not_in_force() -> None:
    """A route that cannot be written holds the rollout where it is (invariant 4)."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.door.faults.add(Fault(Transient("away", status=503), resource=ROUTE.plural, times=10**6))
    stage.wait(timedelta(minutes=3))
    assert stage.weights == [0, 20]

    stage.door.faults.clear()
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == PLAN


def test_a_bad_canary_is_found_out_although_its_next_step_cannot_be_written() -> None:
    """What has traffic is measured: the weight that is in force, not the one that is wanted."""
    stage = rollouts.at_weight(rollouts.released(a_manifest(threshold=2)), 20)
    stage.door.faults.add(Fault(Transient("away", status=503), resource=ROUTE.plural, times=10**6))
    stage.wait(timedelta(seconds=31))
    stage.meters.source = measuring.failing
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    assert stage.weights == [0, 20]


def refused_rollback() -> Stage:
    """A bad release at 40 %, whose route nobody may write any more."""
    manifest = a_manifest(spec={"progressDeadlineSeconds": 60}, threshold=1)
    stage = rollouts.at_weight(rollouts.released(manifest), 40)
    stage.meters.source = measuring.failing
    stage.door.faults.add(Fault(DENIED, "patch", ROUTE.plural, times=10**6))
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    return stage


def test_a_route_that_cannot_be_written_keeps_no_rollout_from_failing() -> None:
    """Failed is shown at once, the trouble is told once, the canary keeps its pods (D-17, D-66)."""
    stage = refused_rollback()
    stage.wait(timedelta(seconds=30))

    assert rollouts.replicas(stage) == 2
    assert stage.split == TrafficSplit(60, 40)
    assert len([text for text in rollouts.told(stage) if "is forbidden" in text]) == 1
    assert rollouts.told(stage).count(FAILED) == 1


def test_a_route_that_is_never_written_does_not_keep_a_bad_canary_alive() -> None:
    """After its progress deadline it is scaled down all the same, and that is told (D-17)."""
    stage = refused_rollback()
    stage.wait(timedelta(seconds=90))

    assert rollouts.replicas(stage) == 0
    known = "Scaling down cart-app.shop although its route could not be changed"
    assert rollouts.told(stage).count(known) == 1


@pytest.mark.parametrize("seconds", [30, 600])
def test_a_route_that_can_be_written_again_is(seconds: int) -> None:
    """Whenever the permission is back, traffic returns to the primary (D-17)."""
    stage = refused_rollback()
    stage.wait(timedelta(seconds=seconds))
    stage.door.faults.clear()
    stage.wait(timedelta(seconds=10))

    rollouts.rolled_back(stage)


def test_a_copy_that_is_refused_for_ever_gives_everything_back_to_the_old_primary() -> None:
    """The primary still has its old revision: an ordinary rollback, told with the cause (D-10)."""
    stage = rollouts.released(a_manifest(spec={"progressDeadlineSeconds": 60}))
    denied = Permanent("admission webhook denied the request", status=403)
    stage.door.faults.add(
        Fault(denied, "patch", "deployments", name="cart-app-primary", times=10**6)
    )
    rollouts.finish(stage)

    assert any("admission webhook denied" in text for text in rollouts.told(stage))
    rollouts.rolled_back(stage)


@pytest.mark.parametrize(
    "conflicting",
    [
        (ROUTE, "cart-app", {"metadata": {"annotations": {"edited": "1"}}}),
        (resources.DEPLOYMENTS, "cart-app-primary", {"spec": {"minReadySeconds": 1}}),
    ],
    ids=["route", "primary"],
)
def test_a_real_conflict_at_the_moment_of_writing_is_resolved_in_the_same_tick(
    conflicting: Any,
) -> None:
    """Somebody edits the object between our read and our write: no interval is lost (D-40)."""
    stage = initialized(a_manifest())
    resource, name, patch = conflicting
    edit: Callable[[], None] = lambda: stage.edit(resource, name, patch)  # noqa: E731
    stage.door.faults.add(Fault(edit, "patch", resource.plural, name=name))
    began = stage.clock.now()
    stage.release("cart:2")
    stage.run(rollouts.ended, within=LONG)
    took = stage.clock.now() - began

    rollouts.succeeded(rollouts.finish(stage))
    assert stage.weights == PLAN
    assert took <= 1.05 * 3 * rollouts.INTERVAL + 2 * rollouts.READINESS


@pytest.mark.parametrize("weight", [0, 40])
@pytest.mark.parametrize("times", [1, 2, 5])
def test_drift_whose_repair_fails_is_repaired_later(weight: int, times: int) -> None:
    """A route deleted by others while the API server is unwell does not stay deleted (D-43)."""
    stage = initialized(a_manifest(interval="10m"))
    if weight:
        stage.release("cart:2")
        rollouts.at_weight(stage, weight)
    stage.settle()
    stage.door.faults.add(Fault(ERRORS["500"], resource=ROUTE.plural, times=times))
    stage.kube.delete(ROUTE, "shop", "cart-app")
    stage.wait(timedelta(seconds=60))

    assert stage.split == TrafficSplit.of(weight)
    calls = len(stage.door.calls)
    stage.wait(timedelta(minutes=5))
    assert stage.door.calls[calls:] == []


@pytest.mark.parametrize("weight", [40, 60])
def test_no_step_follows_one_that_was_undone_and_cannot_be_put_right(weight: int) -> None:
    """R-84: a canary without requests took its next step, or was promoted after the last."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), weight)
    stage.settle()
    http = stage.kube.get(ROUTE, "shop", "cart-app")["spec"]["http"]
    for destination in http[0]["route"]:
        is_primary = "primary" in destination["destination"]["host"]
        destination["weight"] = 100 if is_primary else 0
    stage.door.faults.add(Fault(DENIED, resource=ROUTE.plural, times=10**6))
    stage.edit(ROUTE, "cart-app", {"spec": {"http": http}})
    stage.wait(timedelta(minutes=10))

    assert (stage.phase(), stage.image("cart-app-primary")) == ("Progressing", "cart:1")
    assert stage.state.route.split == TrafficSplit.of(weight)
    assert stage.condition("Waiting")["reason"] == "WriteRefused"
    stage.door.faults.clear()
    rollouts.succeeded(rollouts.finish(stage))
