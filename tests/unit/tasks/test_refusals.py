"""An API server that refuses a write for ever: told once, asked again at leisure, then mended."""

from datetime import timedelta

import pytest

from analysis.effects import RETRY
from clients import errors
from tests.fakes.faults import Fault
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest

FORBIDDEN = errors.Permanent("forbidden", status=403)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("name", "resource", "said"),
    [
        (
            "cart-app-primary",
            "deployments",
            "updating deployment cart-app-primary.shop template spec failed",
        ),
        ("cart-app", "virtualservices", "VirtualService cart-app.shop update failed: "),
    ],
)
def test_a_refused_write_does_not_keep_everybody_busy(name: str, resource: str, said: str) -> None:
    """One try in ten seconds, not one per look; one event, and on with it once it is allowed."""
    stage = Stage()
    initialized(a_manifest(), stage)
    fault = Fault(FORBIDDEN, verb="patch", resource=resource, name=name, times=10**6)
    stage.kube.faults.add(fault)
    stage.release("cart:2")
    stage.run(lambda on: any(said in text for text in on.texts()), within=10 * MINUTE)
    before, began = len(refused(stage, name, resource)), stage.clock.now()
    while stage.clock.now() < began + MINUTE:
        stage.settle()
        stage.advance()
    tries = len(refused(stage, name, resource)) - before
    assert 1 <= tries <= MINUTE / RETRY + 2
    assert len([text for text in stage.texts() if said in text]) == 1
    stage.kube.faults.clear()
    stage.run(lambda on: on.phase() in {"Succeeded", "Failed"}, within=30 * MINUTE)


def refused(stage: Stage, name: str, resource: str) -> list[str]:
    """The patches of this object."""
    wanted = ("patch", resource, name)
    return [
        each.verb for each in stage.kube.calls if (each.verb, each.resource, each.name) == wanted
    ]
