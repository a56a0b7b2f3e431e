"""Whatever a receiver does, and whoever dies while telling it: all alerts come, in order.

Two receivers of their own, which tell alerts apart by their ids: one in trouble, and one that is
well and shows what there was to tell. What single troubles lead to: test_alerts.py.
"""

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

from clients import errors
from clients.http.client import Response
from clients.kube import resources
from clients.redis.scripts import Invocation
from notify.message import Post
from tests.stage import chats, measuring
from tests.stage.bag import Message
from tests.stage.chats import Posted
from tests.stage.rollouts import LONG
from tests.stage.stage import REF, Stage, alerting_by, initialized
from tests.stores import DirectStore
from tests.unit.analysis.worlds import a_manifest

T = TypeVar("T")

TROUBLED: Final = "https://troubled.example/"
WELL: Final = "https://well.example/"
TROUBLES: Final = ("well", "away", "broken", "busy", "unknown", "kills", "kills when it has it")


class Killed(BaseException):
    """What nothing in a process survives."""


class Mortal(DirectStore):
    """The store of a process: once that is killed it asks for nothing more."""

    dead = False
    dying = False

    def run(self, asked: Invocation[T]) -> T:
        """What a script gives; what was told is not written down any more by one that dies."""
        self.dead = self.dead or (self.dying and asked.name == "note_delivered")
        if self.dead:
            raise Killed
        return super().run(asked)


class Deadly(Stage):
    """A stage on which the worker that tells alerts may be killed; another one takes its place."""

    deaths = 0
    trouble = "well"

    def deliver(self, message: Message) -> None:
        """Lets a worker carry out a message, if it lives."""
        try:
            super().deliver(message)
        except Killed:
            self.deaths += 1
            self.employ()

    def employ(self) -> None:
        """A worker begins."""
        self.mortal = Mortal(self.redis, self.clock.now)
        alerter = replace(self.services.alerter, store=self.mortal)
        self.services = alerting_by(self.services, alerter)

    def answer_alert(self, _: Post) -> Response:
        """What the receiver in trouble says."""
        match self.trouble:
            case "away":
                raise errors.Transient("connecting failed")
            case "broken":
                return Response(503, "")
            case "busy":
                return Response(429, "", timedelta(seconds=20))
            case "unknown":
                return Response(404, "")
            case "kills":
                self.mortal.dead, self.trouble = True, "well"
                raise Killed
            case "kills when it has it":
                self.mortal.dying, self.trouble = True, "well"
        return chats.TAKEN


def a_provider(name: str, address: str) -> dict[str, object]:
    """An AlertProvider of our own type."""
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "AlertProvider",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"type": "webhook", "address": address},
    }


def staged(chance: random.Random) -> Deadly:
    """An initialized canary with both receivers, in any order."""
    stage = Deadly()
    stage.employ()
    stage.chats.answering[TROUBLED] = stage.answer_alert
    addresses = {"troubled": TROUBLED, "well": WELL}
    for name, address in addresses.items():
        stage.create(resources.ALERT_PROVIDERS, a_provider(name, address))
    names = chance.sample(sorted(addresses), 2)
    alerts = [{"name": name, "providerRef": {"name": name}} for name in names]
    initialized(a_manifest(alerts=alerts), stage)
    return stage


def ids(told: list[Posted]) -> list[str]:
    """Which alerts these are."""
    return [str(each.post.body["id"]) for each in told]


def test_every_alert_is_told_whatever_happens_to_its_receiver() -> None:
    """At least once and in order; twice only where a worker was killed in between."""
    counts = Counter[str]()
    for seed in range(4):
        counts += ordeal(random.Random(seed))
    assert counts["told"] >= 30
    assert counts["deaths"] >= 6
    assert 0 < counts["repeated"] < counts["deaths"]
    assert counts["late"] >= 10


def ordeal(chance: random.Random) -> Counter[str]:
    """What happened in four releases, of which all alerts were told."""
    stage, late = staged(chance), 0
    for number in range(2, 6):
        stage.meters.source = chance.choice([measuring.healthy, measuring.failing])
        stage.release(f"cart:{number}")
        for _ in range(4):
            stage.trouble = chance.choice(TROUBLES)
            if chance.random() < 0.2:
                stage.losing = {"status"}
            stage.wait(timedelta(seconds=chance.choice([1, 10, 40])))
            stage.losing = set()
        stage.run(lambda on: on.phase() in {"Succeeded", "Failed"}, within=LONG)
        late += len(ids(stage.chats.to(TROUBLED))) < len(ids(stage.chats.to(WELL)))
    stage.trouble = "well"
    stage.wait(timedelta(minutes=8))

    right, told = ids(stage.chats.to(WELL)), ids(stage.chats.to(TROUBLED))
    assert len(right) == len(set(right)) >= 7
    assert list(dict.fromkeys(told)) == right
    repeated = len(told) - len(right)
    assert repeated <= stage.deaths
    assert not stage.store.undelivered(REF).notices
    return Counter(told=len(told), deaths=stage.deaths, repeated=repeated, late=late)
