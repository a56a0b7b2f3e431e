"""What a worker was doing when Redis lost its data must not pass for what is wanted now.

Numbers of intents begin anew then. A confirmation of an old intent that comes late could look like
one of a newer intent with that number, which nobody would bring about any more.
"""

from collections.abc import Callable
from datetime import timedelta

from clients.kube import resources
from config.traffic import TrafficSplit
from tests.fakes.faults import Fault
from tests.stage import measuring, rollouts
from tests.stage.bag import Message
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

Interruption = Callable[[Stage], None]


def flushed(stage: Stage) -> None:
    """Redis is emptied, filled again by the leader, and the rollout rebuilt, in a moment."""
    stage.bag.messages.clear()
    stage.forget_everything()
    stage.observe()
    stage.deliver(Message("tick", REF))


def interrupted(stage: Stage, resource: resources.Resource, verb: str = "patch") -> None:
    """`stage` loses Redis while the API server carries out the next write of `resource`."""
    happened: list[bool] = []

    def lose() -> None:
        flushed(stage)
        happened.append(True)

    stage.door.faults.add(Fault(lose, verb=verb, resource=resource.plural, after=True))
    stage.run(lambda _: bool(happened), within=LONG)


def test_a_late_confirmed_step_does_not_pass_for_a_later_rollback() -> None:
    """A bad canary loses its traffic, although a step of before the loss is confirmed late."""
    stage = initialized(a_manifest())
    for image in ("cart:2", "cart:3"):  # numbers of intents grow
        stage.release(image)
        rollouts.finish(stage)
    stage.release("cart:4")
    rollouts.at_weight(stage, 20)
    interrupted(stage, resources.VIRTUAL_SERVICES)
    assert stage.split is not None
    assert stage.split.canary > 0

    stage.meters.source = measuring.failing
    stage.run(lambda on: on.phase() == "Failed", within=LONG)
    stage.settle()
    assert stage.split == TrafficSplit(100, 0)
    stage.wait(timedelta(seconds=30))
    rollouts.rolled_back(stage, "cart:3")


def test_a_late_confirmed_scaling_does_not_pass_for_a_promotion() -> None:
    """What is reported as promoted is what the primary runs."""
    stage = initialized(a_manifest())
    for image in ("cart:2", "cart:3"):
        stage.release(image)
        rollouts.finish(stage)
    stage.release("cart:4")
    interrupted(stage, resources.DEPLOYMENTS)
    rollouts.finish(stage)

    rollouts.succeeded(stage, "cart:4")
