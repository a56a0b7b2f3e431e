"""Where the timeline comes from: which pods are asked, and what is told when none answers."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from cli.console import accounts
from cli.console.accounts import Absent, Pod
from cli.console.timeline import Account
from clients import errors
from clients.clock import ManualClock, SystemClock
from clients.kube import resources
from tests.consoles import NOW, REF, an_entry
from tests.fakes.kube import FakeKube

ANSWER = json.dumps({"now": NOW.isoformat(), "entries": [an_entry("Progressing", 10)]}).encode()
FORBIDDEN = errors.Permanent("port-forward: 403 no", status=errors.FORBIDDEN)


class Forwarded:
    """A forwarding that answers as a test says, and knows whom it was asked for."""

    def __init__(self, **answers: tuple[int, bytes] | errors.ClientError | threading.Event) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, int, str]] = []

    def get(
        self, namespace: str, pod: str, port: int, path: str, *, timeout: timedelta, most: int
    ) -> tuple[int, bytes]:
        """As `accounts.Forward.get`."""
        assert timeout <= timedelta(seconds=5)
        assert most < 2**24
        self.asked.append((namespace, pod, port, path))
        answer = self.answers[pod]
        if isinstance(answer, threading.Event):  # until the end of the test
            answer.wait(10)
            raise errors.TimedOut("port-forward: timed out")
        if isinstance(answer, errors.ClientError):
            raise answer
        return answer


def a_pod(kube: FakeKube, name: str, *, ready: bool = True, **fields: Any) -> None:
    """A running pod of an installation."""
    meta = {"name": name, "namespace": "shop", "labels": {"app.kubernetes.io/name": "coalmine"}}
    container = {"name": "worker", "image": "coalmine", **fields}
    kube.create(resources.PODS, "shop", {"metadata": meta, "spec": {"containers": [container]}})
    conditions = [{"type": "Ready", "status": str(ready)}]
    status = {"status": {"phase": "Running", "conditions": conditions}}
    kube.patch(resources.PODS, "shop", name, status, subresource="status")


class Guarded(FakeKube):
    """Lets pods of the installation's namespace be listed, and no others."""

    def request(self, method: str, path: str, *_: Any) -> Any:
        """As `Kube.request`."""
        if path.startswith("/api/v1/pods"):
            raise FORBIDDEN
        assert method == "GET"
        assert path.startswith("/api/v1/namespaces/coalmine-system/pods?")
        where = {"namespace": "coalmine-system", "name": "worker"}
        return {"items": [{"metadata": where, "status": {"phase": "Running"}}]}


@pytest.fixture
def kube() -> FakeKube:
    """A cluster without an installation."""
    return FakeKube(ManualClock(NOW))


def asked(kube: FakeKube, forward: Forwarded) -> accounts.Answer:
    """The answer for the canary."""
    return accounts.of_pods(kube, lambda: forward, SystemClock())(REF, NOW)


def test_a_ready_pod_is_asked_at_the_port_that_it_names(kube: FakeKube) -> None:
    """The installation's label finds it in any namespace; the path names the canary."""
    a_pod(kube, "a-starting", ready=False)
    ports = [{"name": "other", "containerPort": 1}, {"name": "http", "containerPort": 9090}]
    a_pod(kube, "b-ready", ports=ports)
    forward = Forwarded(**{"b-ready": (200, ANSWER)})

    answer = asked(kube, forward)

    assert isinstance(answer, Account)
    assert [entry.weight for entry in answer.entries] == [10]
    path = "/api/v1/canaries/shop/podinfo/timeline?limit=200"
    assert forward.asked == [("shop", "b-ready", 9090, path)]


def test_when_one_pod_does_not_answer_others_are_asked_three_in_all(kube: FakeKube) -> None:
    """The last one's answer is what people are told."""
    for name in "abcd":
        a_pod(kube, name)
    broken = errors.Transient("port-forward to shop/x: the connection broke")
    forward = Forwarded(a=broken, b=(500, b"no JSON"), c=(404, b'{"error": "not known"}'))

    answer = asked(kube, forward)

    assert [pod for _, pod, _, _ in forward.asked] == ["a", "b", "c"]
    told = "no timeline: Coalmine knows no canary shop/podinfo yet, or it is another installation's"
    assert answer == Absent(told)
    assert {port for _, _, port, _ in forward.asked} == {8080}


def test_the_only_pod_is_asked_once(kube: FakeKube) -> None:
    """It says no again, for as long as people wait."""
    a_pod(kube, "a")
    forward = Forwarded(a=(500, b"no JSON"))
    assert isinstance(asked(kube, forward), Absent)
    assert len(forward.asked) == 1


@pytest.fixture
def silence() -> Iterator[threading.Event]:
    """What a pod answers that takes a connection and says nothing."""
    event = threading.Event()
    yield event
    event.set()


SOON = timedelta(seconds=1.5)


def test_a_pod_that_hangs_keeps_nobody_from_the_other_ones_answer(
    kube: FakeKube, silence: threading.Event
) -> None:
    """It is asked a fifth of the time later."""
    a_pod(kube, "a")
    a_pod(kube, "b")
    forward = Forwarded(a=silence, b=(200, ANSWER))
    began = time.monotonic()
    answer = accounts.of_pods(kube, lambda: forward, SystemClock(), SOON)(REF, NOW)
    assert isinstance(answer, Account)
    assert SOON.total_seconds() / 5 <= time.monotonic() - began < SOON.total_seconds()


def test_pods_that_all_hang_are_named_when_time_is_up(
    kube: FakeKube, silence: threading.Event
) -> None:
    """However many there are."""
    for name in "abcd":
        a_pod(kube, name)
    forward = Forwarded(a=silence, b=(503, b'{"error": "redis: away"}'), c=silence)
    began = time.monotonic()
    answer = accounts.of_pods(kube, lambda: forward, SystemClock(), SOON)(REF, NOW)
    assert answer == Absent("no timeline: no answer within 1.5s from shop/a, shop/c")
    assert time.monotonic() - began < 8  # they hang for ten


def test_a_pod_that_was_replaced_is_looked_for_again(kube: FakeKube) -> None:
    """Between the list and the connection, as in a rolling update."""
    a_pod(kube, "old")

    class Replaced(Forwarded):
        """Whose first pod goes when it is asked for."""

        def get(self, *place: Any, **bounds: Any) -> tuple[int, bytes]:
            """As `Forwarded.get`."""
            if place[1] == "old":
                kube.delete(resources.PODS, "shop", "old")
                a_pod(kube, "new")
            return super().get(*place, **bounds)

    gone = errors.NotFound("port-forward to shop/old:8080: 404 not found", status=404)
    forward = Replaced(old=gone, new=(200, ANSWER))
    assert isinstance(asked(kube, forward), Account)
    assert [pod for _, pod, _, _ in forward.asked] == ["old", "new"]


def test_a_pod_that_is_going_is_asked_last(kube: FakeKube) -> None:
    """It is ready for as long as it takes leave."""
    a_pod(kube, "a-going")
    a_pod(kube, "b-staying")
    pods = [dict(item) for item in kube.request("GET", "/api/v1/namespaces/shop/pods")["items"]]
    pods[0]["metadata"] = {**pods[0]["metadata"], "deletionTimestamp": "2026-03-01T11:59:00Z"}
    assert [each.name for each in accounts.running(pods)] == ["b-staying", "a-going"]


def test_without_an_installation_people_are_told_how_to_name_a_process(kube: FakeKube) -> None:
    """One line."""
    assert asked(kube, Forwarded()) == Absent(
        "no timeline: no running pod has the label app.kubernetes.io/name=coalmine; give --server "
        "for a local `coalmine up`, which logs its port as `health served`"
    )


def test_a_forwarding_that_is_refused_names_the_right_that_is_missing(kube: FakeKube) -> None:
    """It is not the one that reads canaries."""
    a_pod(kube, "a")
    answer = asked(kube, Forwarded(a=FORBIDDEN))
    assert isinstance(answer, Absent)
    assert "grant get and create of pods/portforward" in answer.why


def test_who_may_not_list_all_pods_is_helped_by_those_of_the_usual_namespace() -> None:
    """A namespaced role for the installation's namespace is enough."""
    guarded = Guarded(ManualClock(NOW))
    assert accounts.installed(guarded) == (Pod("coalmine-system", "worker", 8080),)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"{}", "the server answers 200: not Coalmine's answer"),
        (200, b"[1", "the server answers 200: not Coalmine's answer"),
        (404, b'{"paths": []}', "the server answers 404: not Coalmine's answer"),
        (503, b'{"error": "redis: away"}', "the server answers 503: redis: away"),
    ],
)
def test_an_answer_that_is_none_is_told_as_what_it_is(status: int, body: bytes, words: str) -> None:
    """Another server may listen there, or an older release."""
    assert accounts.read(status, body, REF, NOW) == Absent(f"no timeline: {words}")


def test_a_server_that_is_away_is_told_with_its_address() -> None:
    """Nothing listens on port 1."""
    answer = accounts.of_server("http://127.0.0.1:1/")(REF, NOW)
    assert isinstance(answer, Absent)
    assert answer.why.startswith("no timeline: GET http://127.0.0.1:1/api/v1/canaries/shop/podinfo")
    assert answer.why.endswith("see whether --server is right")
