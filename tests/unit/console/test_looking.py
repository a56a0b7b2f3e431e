"""A look at a canary: all is asked for together, and what does not come is named."""

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from cli.console import looking
from cli.console.accounts import Absent, Answer
from cli.console.cluster import Cluster
from clients import errors
from clients.clock import ManualClock, SystemClock
from clients.kube import resources
from clients.kube.resources import Resource
from config.refs import CanaryRef
from tests.consoles import NOW, REF, a_canary, a_status, an_account
from tests.fakes.kube import FakeKube

SOON = timedelta(seconds=1)
LATE = "no answer within 1s"


class Stalling(FakeKube):
    """A server that takes requests for some kinds and says nothing."""

    def __init__(self, *kinds: str) -> None:
        super().__init__(ManualClock(NOW))
        self.kinds = kinds
        self.failures: Mapping[str, errors.ClientError] = {}
        self.ending = threading.Event()

    def request(self, method: str, path: str, *rest: Any) -> Any:
        """As `Kube.request`."""
        kind = path.partition("?")[0].rpartition("/")[2]
        self._stall(kind)
        if kind in self.failures:
            raise self.failures[kind]
        return super().request(method, path, *rest)

    def get(self, resource: Resource, namespace: str | None, name: str) -> Any:
        """As `Kube.get`."""
        self._stall(resource.plural)
        return super().get(resource, namespace, name)

    def _stall(self, kind: str) -> None:
        if kind in self.kinds:
            self.ending.wait(10)


@pytest.fixture
def stalling(request: pytest.FixtureRequest) -> Iterator[Stalling]:
    """With a canary and both its workloads."""
    kube = Stalling(*getattr(request, "param", ()))
    kube.create(resources.CANARIES, "shop", a_canary(status=a_status("Initialized")))
    labels = {"app": "podinfo"}
    containers = [{"name": "app", "image": "x/podinfo:1"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    for name in ("podinfo", "podinfo-primary"):
        item = {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}
        kube.create(resources.DEPLOYMENTS, "shop", item)
    yield kube
    kube.ending.set()


def looked(kube: FakeKube) -> looking.Look:
    """A look of no more than a second."""

    def ask(ref: CanaryRef, now: datetime) -> Answer:
        del ref, now
        return an_account()

    began = time.monotonic()
    look = looking.look(Cluster(kube, "it"), ask, SystemClock(), REF, pods=True, longest=SOON)
    assert time.monotonic() - began < 8  # what stalls does so for ten
    return look


@pytest.mark.parametrize(
    ("stalling", "sides", "events"),
    [
        (["deployments"], LATE, ""),
        (["pods"], LATE, ""),
        (["events"], "", LATE),
        (["deployments", "pods", "events"], LATE, LATE),
    ],
    indirect=["stalling"],
)
def test_what_stalls_is_named_and_the_rest_is_there(
    stalling: Stalling, sides: str, events: str
) -> None:
    """In a bounded time, and whichever of them it is."""
    look = looked(stalling)
    assert [each.missing for each in (look.primary, look.target)] == [sides, sides]
    assert look.target.workload == "deployment/podinfo"
    assert look.unread == events
    assert look.canary.plan == "by 10 to 50"
    assert look.told is not None


def test_what_cannot_be_read_now_is_told_and_what_one_may_not_read_is_not(
    stalling: Stalling,
) -> None:
    """Pods and events are no concern of who has no right to them."""
    away = errors.Transient("GET /x: the connection broke")
    for failure, told in ((away, away.message), (errors.Permanent("no", status=403), "")):
        stalling.failures = {"pods": failure, "events": failure}
        look = looked(stalling)
        assert (look.target.unlisted, look.unread) == (told, told)
        assert look.target.images == ("x/podinfo:1",)


def test_a_timeline_that_nobody_tells_in_time_is_absent(stalling: Stalling) -> None:
    """Whatever keeps whoever is asked."""

    def ask(ref: CanaryRef, now: datetime) -> Answer:
        stalling.ending.wait(10)
        return Absent(f"{ref} {now}")

    cluster = Cluster(stalling, "it")
    look = looking.look(cluster, ask, SystemClock(), REF, longest=SOON)
    assert look.account == Absent(f"no timeline: {LATE}")
    assert look.target.images == ("x/podinfo:1",)
