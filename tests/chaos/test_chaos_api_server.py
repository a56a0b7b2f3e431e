"""The API server answers badly, late or not at all; rollouts end right, each write is done once.

What counts is the server's own audit log, which knows of every write that came through.
"""

import random

import pytest

from tests.services.cluster import ControlPlane, Request
from tests.system.proxy import Answer, Cut, Delay, Fault, Proxy
from tests.system.site import App, Site

SECOND = "registry.example/app:2"
WRITES = "^(PATCH|POST|PUT) "


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("conflict", Answer(409)),
        ("throttled", Answer(429, retry_after_seconds=1)),
        ("broken", Answer(500)),
        ("away", Answer(503)),
        ("slow", Delay(1.5)),
        ("cut-before", Cut(after=False)),
        ("cut-after", Cut(after=True)),
    ],
)
def test_a_fault_at_each_kind_of_write_loses_none_and_doubles_none(
    faulty_site: Site, proxy: Proxy, control_plane: ControlPlane, name: str, fault: Fault
) -> None:
    """D-40, D-41: every kind of write fails twice in the rollout, and is done exactly once.

    `cut-after` is the hard one: the server has done it and nobody was told.
    """
    app = faulty_site.app(name).deploy()
    for kind in ("virtualservices", "canaries", "events", "deployments"):
        proxy.faults.add(f"{WRITES}.*{kind}", fault, fault)
    before = proxy.faults.befallen
    with control_plane.recorded() as requests:
        app.release(SECOND)
        app.until("Succeeded")
    assert proxy.faults.befallen - before == 8
    _assert_done_once(app, requests)


def test_a_barrage_of_faults_delays_a_rollout_and_nothing_else(
    faulty_site: Site, proxy: Proxy, control_plane: ControlPlane
) -> None:
    """Forty requests of all kinds, watches included, fail in one rollout in one way or another."""
    app = faulty_site.app("barrage").deploy()
    chance = random.Random(4)
    kinds = (Answer(409), Answer(429), Answer(500), Delay(0.5), Cut(after=False), Cut(after=True))
    for _ in range(40):
        proxy.faults.add("^(PATCH|POST|PUT) |watch=", chance.choice(kinds))
    with control_plane.recorded() as requests:
        app.release(SECOND)
        app.until("Succeeded")
    proxy.faults.clear()
    _assert_done_once(app, requests)


def test_an_api_server_that_does_not_answer_for_a_while_is_waited_for(
    site: Site, control_plane: ControlPlane
) -> None:
    """Frozen for five seconds in mid-rollout: connections are open, and nothing comes back."""
    app = site.app("frozen").deploy()
    app.release(SECOND)
    app.until_weight(40)
    with control_plane.apiserver.paused():
        site.pause(5)
    app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 0]


def test_an_api_server_that_was_down_is_found_again(
    site: Site, control_plane: ControlPlane
) -> None:
    """Killed and started again: watches resume, and a release made right afterwards is seen."""
    app = site.app("reborn").deploy()
    with control_plane.apiserver.down():
        site.pause(1)
    app.release(SECOND)
    app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 0]


def _assert_done_once(app: App, requests: list[Request]) -> None:
    assert app.weights() == [0, 40, 80, 0]
    assert app.image(primary=True) == SECOND
    routing = app.site.processes.user("routing")
    done = [
        one
        for one in requests
        if (one.user, one.verb, one.resource) == (routing, "patch", "virtualservices")
        and (one.name, one.code) == (app.name, 200)
    ]
    assert len(done) == 3
    told = app.messages("Normal")
    assert len(told) == len(set(told))
    assert f"Promotion completed! Scaling down {app.name}.{app.site.namespace}" in told
