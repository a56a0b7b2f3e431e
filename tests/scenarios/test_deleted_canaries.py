"""Nothing is left of a canary that is gone, whatever was on its way when it went."""

from datetime import timedelta

import pytest

from clients.kube import resources
from clients.kube.resources import Resource
from clients.redis import keys
from tests.fakes.faults import Fault
from tests.stage import rollouts
from tests.stage.bag import Message
from tests.stage.stage import REF, Stage
from tests.unit.analysis.worlds import a_manifest
from tests.unit.scheduler import worlds
from tests.unit.scheduler.worlds import SHOP, Setting

RESYNC = timedelta(minutes=5)


def test_an_agenda_entry_without_a_canary_ends_with_the_next_round() -> None:
    """Or each deleted canary would be looked at every five minutes until another leader comes."""
    setting = Setting()
    setting.create(worlds.a_canary("other"))
    side = setting.side()
    side.pump()
    setting.store.poke(SHOP)  # as a tick does that was queued when the canary went
    setting.clock.advance(RESYNC + timedelta(seconds=1))
    side.pump()

    assert [ref.name for ref in setting.store.agenda()] == ["other"]


def left_of(stage: Stage) -> set[str]:
    """The kinds of keys there are of the canary."""
    return {row.pattern for row in keys.OF_CANARY if stage.redis.exists(row.of(REF))}


@pytest.mark.parametrize("kind", ["tick", "route", "workload", "status", "call"])
def test_messages_that_come_after_the_end_leave_no_keys(kind: str) -> None:
    """A canary's keys end with it, also when workers hear of it once more."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    stage.kube.delete(resources.CANARIES, "shop", "cart")
    stage.observe()
    stage.deliver(Message(kind, REF, round=1))

    assert left_of(stage) == set()


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("route", resources.VIRTUAL_SERVICES),
        ("workload", resources.DEPLOYMENTS),
        ("status", resources.CANARIES),
    ],
)
def test_a_write_under_way_at_the_end_leaves_no_keys(kind: str, resource: Resource) -> None:
    """A worker that waits for the API server while the canary goes remembers nothing of it."""
    stage = rollouts.at_weight(rollouts.released(a_manifest()), 40)
    gone: list[bool] = []

    def goes() -> None:
        gone.append(True)
        stage.store.forget(REF)

    stage.door.faults.add(Fault(goes, verb="patch", resource=resource.plural, after=True))
    stage.release("cart:3") if kind != "workload" else stage.release("cart:1")
    for _ in range(200):
        if gone:
            break
        step(stage)
    assert gone

    assert left_of(stage) == set()


def step(stage: Stage) -> None:
    """One message is delivered, or time goes on."""
    stage.kubelet.step()
    stage.observe()
    stage.claim()
    if stage.bag.messages:
        stage.deliver(stage.bag.messages.pop(0))
    else:
        stage.advance()
