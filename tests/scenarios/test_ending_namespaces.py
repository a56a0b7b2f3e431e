"""A namespace that is being deleted: its objects go one by one, and nothing can be created."""

import logging
from datetime import timedelta

import pytest

from clients import errors
from clients.kube import resources
from tests.fakes.faults import Fault
from tests.stage import rollouts
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

ENDING = errors.Permanent(
    "forbidden: unable to create new content in namespace shop because it is being terminated",
    status=403,
    reason="Forbidden",
)
OBJECTS = (
    (resources.SERVICES, "cart-app"),
    (resources.SERVICES, "cart-app-primary"),
    (resources.SERVICES, "cart-app-canary"),
    (resources.VIRTUAL_SERVICES, "cart-app"),
    (resources.DESTINATION_RULES, "cart-app-primary"),
    (resources.DESTINATION_RULES, "cart-app-canary"),
    (resources.DEPLOYMENTS, "cart-app-primary"),
    (resources.DEPLOYMENTS, "cart-app"),
)
MINUTES = 10


@pytest.fixture(params=["at rest", "in mid-rollout"])
def ending(request: pytest.FixtureRequest) -> Stage:
    """A stage whose namespace ends, all but the canary."""
    stage = initialized(a_manifest())
    if request.param != "at rest":
        stage.release("cart:2")
        rollouts.at_weight(stage, 40)
    stage.wait(timedelta(seconds=1))
    stage.door.faults.add(Fault(ENDING, verb="create", times=10**9))
    for resource, name in OBJECTS:
        stage.kube.delete(resource, "shop", name)
        stage.wait(timedelta(milliseconds=300))
    return stage


def test_a_namespace_that_ends_floods_neither_log_nor_api_server(
    ending: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """A finalizer may hold the canary for long: what is refused is tried seldom, and told once."""
    before, version = len(ending.door.calls), ending.store.read(REF).version
    caplog.clear()
    with caplog.at_level(logging.INFO):
        ending.wait(timedelta(minutes=MINUTES))

    assert len(ending.door.calls) - before <= MINUTES * 6 * 8
    assert len(caplog.records) <= 30
    assert ending.store.read(REF).version - version <= 30


def test_nothing_is_left_when_the_canary_has_gone_too(ending: Stage) -> None:
    """No look, no message, no call any more."""
    ending.kube.delete(resources.CANARIES, "shop", "cart")
    ending.settle()
    calls, sent = len(ending.door.calls), ending.bag.sent
    ending.wait(timedelta(minutes=4))

    assert len(ending.door.calls) == calls
    assert ending.bag.sent == sent
    assert ending.store.read(REF).state is None
