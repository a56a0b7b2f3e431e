"""What a rollout and a rest cost the API server, counted at the door of the services."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from analysis.phases import Phase
from clients.kube import resources
from config.traffic import TrafficSplit
from tests.stage import measuring, rollouts
from tests.stage.rollouts import BEGINNING, ENDING
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest

STEP = [
    ("patch", "virtualservices", None),
    ("patch", "canaries", "status"),
    ("create", "events", None),
]


def initial(stage: Stage) -> Stage:
    """`stage` as it is after the initialization."""
    return stage


def suspended(stage: Stage) -> Stage:
    """`stage` with the canary suspended."""
    stage.edit_canary(suspend=True)
    return stage


def failed_promotion(stage: Stage) -> Stage:
    """`stage` with a primary that died of its promotion."""
    stage.kubelet.held.add("cart-app-primary")
    stage.edit_canary(progressDeadlineSeconds=60)
    stage.release("cart:2")
    return rollouts.finish(stage)


def good(stage: Stage) -> Stage:
    """`stage` after a good release."""
    stage.release("cart:2")
    return rollouts.finish(stage)


def bad(stage: Stage) -> Stage:
    """`stage` after a bad release."""
    stage.meters.source = measuring.failing
    return good(stage)


@pytest.mark.parametrize(
    "before",
    [initial, good, bad, suspended, failed_promotion],
    ids=lambda f: f.__name__,
)
def test_an_idle_hour_costs_no_call_and_no_query(before: Callable[[Stage], Stage]) -> None:
    """Nothing is read, written or measured at rest, in whatever phase (D-48, D-51, D-95)."""
    stage = before(initialized(a_manifest()))
    stage.wait(timedelta(minutes=1))
    calls, asked = len(stage.door.calls), len(stage.meters.asked)
    version = stage.shown_version()

    stage.wait(timedelta(hours=1))

    assert stage.door.calls[calls:] == []
    assert len(stage.meters.asked) == asked
    assert stage.shown_version() == version


def test_a_step_costs_three_calls() -> None:
    """An active tick is a route patch, a status patch and an event; nothing is read (D-50)."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.settle()
    before = len(stage.door.calls)
    rollouts.at_weight(stage, 40)
    stage.settle()

    assert [call[:3] for call in stage.door.calls[before:]] == STEP


def test_a_failed_check_costs_two_calls() -> None:
    """A tick that holds writes status and event, and no route (D-51)."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.meters.source = measuring.failing
    stage.settle()
    before = len(stage.door.calls)
    stage.run(lambda on: on.status["failedChecks"] == 1, within=rollouts.LONG)
    stage.settle()

    assert [call[:3] for call in stage.door.calls[before:]] == STEP[1:]


def test_a_whole_rollout_writes_each_thing_once() -> None:
    """The writes of a rollout are its steps, one promotion and two scalings (D-48, D-51)."""
    stage = initialized(a_manifest())
    stage.settle()
    before = len(stage.door.calls)
    good(stage)

    written = Counter(call[:3] for call in stage.door.calls[before:] if call.verb != "create")
    assert written[("patch", "virtualservices", None)] == len([20, 40, 60, 0])
    assert written[("patch", "deployments", None)] == 2 + 1
    reads = [call[:2] for call in stage.door.calls[before:] if call.verb == "get"]
    assert reads == [("get", "deployments")]  # the template to be copied


def test_a_rollout_of_five_steps_asks_no_more_than_it_must() -> None:
    """Events are Flagger's ten; what follows the promotion is shown by one status."""
    stage = initialized(a_manifest(stepWeight=10, maxWeight=50))
    stage.settle()
    before = len(stage.door.calls)
    good(stage)

    steps = [10, 20, 30, 40, 50]
    asked = Counter(call[:3] for call in stage.door.calls[before:])
    assert asked == {
        ("create", "events", None): len([*BEGINNING, *rollouts.advance(*steps), *ENDING]),
        ("patch", "canaries", "status"): len(["new", *steps, "promoting", "succeeded"]),
        ("patch", "virtualservices", None): len([*steps, 0]),
        ("patch", "deployments", None): len(["up", "copy", "down"]),
        ("get", "deployments", None): len(["copy"]),
    }
    assert asked.total() == 28


def test_a_rollback_is_shown_once_and_its_end_not_at_all() -> None:
    """Scaling the canary down, and that it is done, change nothing that a status shows."""
    stage = initialized(a_manifest())
    stage.settle()
    before = len(stage.door.calls)
    bad(stage)

    asked = Counter(call[:3] for call in stage.door.calls[before:])
    halts = ["first", "second", "last"]
    assert asked == {
        ("create", "events", None): len([*BEGINNING, "advance", *halts, "spent", "failed"]),
        ("patch", "canaries", "status"): len(["new", "step", *halts]),
        ("patch", "virtualservices", None): len([20, 0]),
        ("patch", "deployments", None): len(["up", "down"]),
    }


def test_an_end_that_lasts_is_shown_after_two_seconds() -> None:
    """A decision left to the next one to show is shown by itself when that does not come."""
    stage = rollouts.released(a_manifest())
    stage.run(lambda on: on.phase() == "Promoting", within=rollouts.LONG)
    stage.losing.add("route")
    stage.run(lambda on: on.state.phase is Phase.FINALISING, within=rollouts.LONG)
    assert stage.phase() == "Promoting"
    stage.wait(timedelta(seconds=3))
    assert stage.phase() == "Finalising"
    assert rollouts.told(stage)[-1] == rollouts.TO_PRIMARY
    stage.losing.clear()
    rollouts.succeeded(rollouts.finish(stage))


def test_a_new_image_is_noticed_when_it_is_written() -> None:
    """With an interval of ten minutes a release still starts in the same instant (D-49)."""
    stage = initialized(a_manifest(interval="10m"))
    stage.wait(timedelta(minutes=3))
    began = stage.clock.now()
    stage.release("cart:2")
    stage.settle()

    assert (stage.phase(), stage.clock.now()) == ("Progressing", began)
    assert rollouts.replicas(stage) == 2


def test_a_rollback_reaches_the_route_in_the_tick_of_the_failing_check() -> None:
    """The last failed check and the route at the primary are one simulated moment (D-60)."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.meters.source = measuring.failing
    while len(stage.meters.asked) < 1 + 3:
        stage.advance()
        stage.settle()

    assert stage.split == TrafficSplit(100, 0)
    rules = stage.kube.get(resources.VIRTUAL_SERVICES, "shop", "cart-app")["spec"]["http"]
    assert [leg["weight"] for leg in rules[0]["route"]] == [100, 0]


def test_secrets_and_config_maps_are_never_read() -> None:
    """No tick reads a Secret (D-52)."""
    stage = rollouts.finish(rollouts.released(a_manifest()))

    assert not {"secrets", "configmaps"} & {call.resource for call in stage.door.calls}
