"""Redis is lost around the first step of a rollout, while whoever works on it stalls anywhere.

Status and route are written by two workers, and a lost state is rebuilt from what they have written
by then. A weight that were shown before the route has it would look as a rollback does. The stall
is longer than every lease, and what was on its way is carried out at its end.
"""

import random
from datetime import timedelta
from itertools import count, takewhile
from typing import Any, Final

import pytest

from analysis.phases import Phase
from clients.kube import resources
from config.traffic import TrafficSplit
from tests.stage import measuring, rollouts
from tests.stage.measuring import Source
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, initialized
from tests.stage.stalls import Plan
from tests.stage.troubled import TroubledStage
from tests.stage.watchman import available
from tests.unit.analysis.worlds import a_manifest

STALL: Final = timedelta(seconds=12)
MANIFEST: Final = a_manifest(stepWeight=50, maxWeight=50, threshold=1)
MOMENTS: Final = ("at once", "when all others are done")
"""When Redis is lost: as soon as somebody stalls, or with all done that does not wait for them."""


class StallingOnce(TroubledStage):
    """A stage on which the first job of `kind` about the first step stalls at a request."""

    def __init__(self, kind: str, at: int, moment: str) -> None:
        super().__init__(random.Random(0))
        self.kind, self.at, self.moment = kind, at, moment
        self.phases: list[str] = []
        self.watchman = self._look

    def flush(self) -> None:
        """Redis loses everything, and the messages in it."""
        self.moment = ""
        self.bag.messages.clear()
        self.forget_everything()

    def _look(self, leapt: bool) -> None:  # noqa: ARG002
        if self.phases[-1:] != [self.phase()]:
            self.phases.append(self.phase())
        if self.weight is not None and self.weights[-1:] != [self.weight]:
            self.weights.append(self.weight)
        if self.workers.parked and self.moment == MOMENTS[0]:
            self.flush()

    def _plan(self, kind: str) -> Plan | None:
        if kind != self.kind or not self._is_about_the_step():
            return None
        self.kind = ""
        return Plan(self.at, "send", STALL)

    def _is_about_the_step(self) -> bool:
        if self.store.read(REF).state is None or self.state.phase is not Phase.PROGRESSING:
            return False
        is_next = self.kind == "tick" and available(self, "cart-app") == 2
        return is_next or self.state.route.split.reaches_canary


def outcome(stage: TroubledStage) -> dict[str, Any]:
    """All that users would notice of a rollout that has ended."""
    names = ("phase", "canaryWeight", "failedChecks", "iterations")
    apex = stage.kube.get(resources.SERVICES, REF.namespace, "cart-app")
    return {
        "status": {name: stage.status[name] for name in names},
        "promoted": stage.status["lastPromotedSpec"] == stage.status["lastAppliedSpec"],
        "split": stage.split,
        "primary": stage.image("cart-app-primary"),
        "replicas": [rollouts.replicas(stage, name) for name in ("cart-app", "cart-app-primary")],
        "apex": apex["spec"]["selector"],
    }


def ended(phase: str, image: str) -> dict[str, Any]:
    """The outcome of a rollout that has ended so, and has left nothing to do."""
    return {
        "status": {
            "phase": phase,
            "canaryWeight": 0,
            "failedChecks": 0,
            "iterations": 0,
        },
        "promoted": phase == "Succeeded",
        "split": TrafficSplit(100, 0),
        "primary": image,
        "replicas": [0, 2],
        "apex": {"app": "cart-app-primary"},
    }


def stalled(kind: str, at: int, moment: str, source: Source) -> StallingOnce | None:
    """A rollout that has ended after its trouble; None for a job of fewer requests than `at`."""
    stage = StallingOnce(kind, at, moment)
    initialized(MANIFEST, stage)
    stage.source = source
    stage.release("cart:2")
    stage.run(lambda _: not stage.kind, within=LONG)
    if not stage.workers.parked:
        return None
    if stage.moment:
        stage.flush()
    rollouts.finish(stage)
    stage.workers.close()
    return stage


@pytest.mark.parametrize("kind", ["tick", "route", "status"])
@pytest.mark.parametrize(
    ("source", "expected", "moment"),
    [
        pytest.param(measuring.healthy, ended("Succeeded", "cart:2"), MOMENTS[1], id="good"),
        pytest.param(measuring.failing, ended("Failed", "cart:1"), MOMENTS[0], id="bad"),
    ],
)
def test_a_loss_of_redis_around_the_first_step_changes_no_end(
    source: Source, expected: dict[str, Any], moment: str, kind: str
) -> None:
    """A good rollout never looks as a failed one; no weight is off the plan."""
    ends = (stalled(kind, at, moment, source) for at in count(1))
    stages = [stage for stage in takewhile(lambda stage: stage is not None, ends) if stage]
    assert len(stages) >= 2
    for stage in stages:
        assert outcome(stage) == expected, stage.at
        assert set(stage.weights) <= {0, 50}, stage.at
        assert "Failed" not in stage.phases[:-1], stage.at
