"""A new leader that cannot list one kind: who needs it stands still and says so; others go on.

The leader decides nothing about objects that it has not seen (design invariant 8), and one kind
harms nobody who does not need it (invariant 11). Left out: kinds that are not installed, which
count as listed (tests/unit/scheduler/test_watching.py).
"""

from datetime import timedelta
from typing import Any

import pytest

from clients import errors
from clients.kube import resources
from clients.kube.resources import Resource
from tests.stage import rollouts
from tests.stage.rollouts import LONG
from tests.stage.stage import Stage
from tests.unit.analysis.worlds import a_manifest

FORBIDDEN = 'list: User "system:serviceaccount:coalmine:coalmine-beat" cannot list resource'
EVERY_KIND = (
    resources.DEPLOYMENTS,
    resources.SERVICES,
    resources.VIRTUAL_SERVICES,
    resources.DESTINATION_RULES,
)


def forbid(stage: Stage, kind: Resource) -> None:
    """The leader may not list objects of `kind` any more."""
    stage.beat.refusals[kind] = errors.Permanent(FORBIDDEN, status=403)


def everything(stage: Stage) -> list[Any]:
    """All objects that a canary has, as they are."""
    return [
        {key: value for key, value in each.items() if key != "status"}
        for kind in EVERY_KIND
        for each in stage.kube.list(kind).items
    ]


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: str(kind.plural))
@pytest.mark.parametrize("emptied", [False, True], ids=["state kept", "state lost"])
def test_a_rollout_stands_still_until_its_kinds_can_be_listed(
    kind: Resource, emptied: bool
) -> None:
    """All objects and the phase stay; the kind is named, again and again; then the rollout ends."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 20)
    stage.run(lambda on: on.phase() == "Progressing", within=LONG)
    forbid(stage, kind)
    if emptied:
        stage.forget_everything()
    before = everything(stage)

    stage.beat.restart()
    stage.wait(timedelta(hours=1))

    assert everything(stage) == before
    assert stage.phase() == "Progressing"
    accepted, waiting = stage.condition("Accepted"), stage.condition("Waiting")
    assert (accepted["status"], accepted["reason"]) == ("False", "NotWatched")
    assert (waiting["status"], waiting["reason"]) == ("True", "NotWatched")
    for text in (accepted["message"], waiting["message"]):
        assert kind.plural in text
        assert FORBIDDEN in text
    counts = [
        event["count"]
        for event in stage.kube.list(resources.EVENTS).items
        if event["type"] == "Warning" and "stands still" in event["message"]
    ]
    assert counts
    assert sum(counts) >= 10

    stage.beat.refusals.clear()
    rollouts.succeeded(rollouts.finish(stage))
    assert stage.condition("Accepted").get("status", "True") == "True"
    assert "NotWatched" not in {
        stage.condition(kind).get("reason") for kind in ("Waiting", "Ready")
    }
    assert stage.weights == [0, 20, 40, 60, 0]
