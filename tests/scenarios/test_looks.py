"""How often a canary is looked at: for what can decide something, and hardly for anything else."""

from collections import Counter
from datetime import timedelta

import pytest

from clients.kube import resources
from config.traffic import TrafficSplit
from tests.stage import rollouts
from tests.stage.bag import Message
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest


class Counted(Stage):
    """A stage that counts what it delivers, by kind."""

    def deliver(self, message: Message) -> None:
        """As a stage does."""
        self.delivered[message.kind] += 1
        super().deliver(message)

    delivered: Counter[str]


def counted(ready_after: float) -> Counted:
    """A stage with an initialized canary of five steps at rest, and nothing counted yet."""
    stage = Counted(ready_after=timedelta(seconds=ready_after))
    stage.delivered = Counter()
    initialized(a_manifest(stepWeight=10, maxWeight=50), stage)
    stage.wait(timedelta(seconds=30))
    stage.delivered.clear()
    return stage


DECIDING = ["revision", *[10, 20, 30, 40, 50], "promotion", "back", "down", "succeeded"]
"""What a rollout of five steps decides; each is a look of its own."""


@pytest.mark.parametrize(
    ("ready_after", "resting"),
    [
        (1.5, ["the primary is given its pods", "it is over"]),
        (8.0, ["the canary's pods are late", "the primary is given its pods", "it is over"]),
        (12.0, ["late", "still late", "the primary's", "still late", "it is over"]),
    ],
)
def test_a_rollout_that_nobody_disturbs_is_looked_at_when_it_goes_on(
    ready_after: float, resting: list[str]
) -> None:
    """And when something can go wrong unseen: a message lost, pods that do not come.

    The Deployments of the stage have no pods at all for a while when they are given new ones:
    of a primary that is seen at once. Nobody writes what is written already.
    """
    stage = counted(ready_after)
    stage.release("cart:2")
    rollouts.finish(stage)
    rollouts.succeeded(stage)
    assert stage.delivered["tick"] <= len(DECIDING) + len(resting)
    assert stage.delivered["route"] == len([10, 20, 30, 40, 50, 0])
    assert stage.delivered["workload"] == len(["up", "copy", "down"])
    assert stage.delivered["status"] <= len(DECIDING)


def test_pods_that_come_and_go_are_looked_at_every_ten_seconds() -> None:
    """Those of a canary at rest; the last one that a rollout waits for is seen at once."""
    stage = counted(0)
    stage.edit(resources.DEPLOYMENTS, "cart-app-primary", {"spec": {"replicas": 15}})
    stage.wait(timedelta(seconds=11))
    stage.delivered.clear()
    for ready in (14, 9, 11, 8, 12) * 12:
        stage.kubelet.few["cart-app-primary"] = ready
        stage.wait(timedelta(seconds=1))
    assert 0 < stage.delivered["tick"] <= 6

    stage.kubelet.few["cart-app"] = 1
    stage.release("cart:2")
    stage.wait(timedelta(seconds=20))
    stage.kubelet.few.clear()
    stage.settle()
    assert stage.split == TrafficSplit.of(10)
