"""When what was seen is to be stored: at once what may decide something, else together.

Left out: what is stored (test_index.py), by whom and when it fails (test_watching.py).
"""

import threading
from collections.abc import Callable

import pytest

from clients.kube import resources
from clients.kube.protocol import WatchType
from scheduler import backlog as backlogs
from scheduler.backlog import Backlog
from tests.unit.scheduler import worlds

LONG = 60.0
"""Seconds: nobody waits that long here."""


def rewrite_status(backlog: Backlog) -> None:
    """The status is written, by us or by somebody else."""
    written = worlds.a_canary(status={"phase": "Progressing"})
    backlog.happened(resources.CANARIES, WatchType.MODIFIED, written)


def shift_traffic(backlog: Backlog) -> None:
    """The route is written, by us or by somebody else."""
    written = worlds.a_virtual_service(weight=10)
    backlog.happened(resources.VIRTUAL_SERVICES, WatchType.MODIFIED, written)


def edit(backlog: Backlog) -> None:
    """The manifest is edited."""
    edited = worlds.a_canary(generation=2, threshold=7, status={"phase": "Progressing"})
    backlog.happened(resources.CANARIES, WatchType.MODIFIED, edited)


def release(backlog: Backlog) -> None:
    """The target has another image."""
    backlog.happened(resources.DEPLOYMENTS, WatchType.MODIFIED, worlds.a_deployment(image="shop:2"))


@pytest.fixture
def backlog() -> Backlog:
    """A backlog that knows a canary, of which nothing is to be stored."""
    backlog = Backlog(worlds.an_index())
    backlog.listed(resources.DEPLOYMENTS, [worlds.a_deployment()])
    backlog.listed(resources.VIRTUAL_SERVICES, [worlds.a_virtual_service()])
    backlog.listed(resources.CANARIES, [worlds.a_canary()])
    assert backlog.wait(0)
    backlog.take(9)
    assert not backlog.wait(0)
    return backlog


@pytest.mark.parametrize("decides", [edit, release, Backlog.wake])
def test_what_may_decide_something_ends_the_wait_of_what_does_not(
    backlog: Backlog, monkeypatch: pytest.MonkeyPatch, decides: Callable[[Backlog], None]
) -> None:
    """Statuses and routes wait for it, and are stored with it."""
    monkeypatch.setattr(backlogs, "LEISURE", LONG)
    waiting = threading.Thread(target=backlog.wait, args=(LONG,), daemon=True)
    waiting.start()
    rewrite_status(backlog)
    shift_traffic(backlog)
    waiting.join(0.02)
    assert waiting.is_alive()

    decides(backlog)
    waiting.join(LONG)

    assert not waiting.is_alive()
    (change,) = backlog.take(9)
    assert {"status", "virtual-service"} <= change.roles.keys()


@pytest.mark.parametrize("happens", [rewrite_status, shift_traffic])
def test_what_decides_nothing_waits_a_moment_only(
    backlog: Backlog, monkeypatch: pytest.MonkeyPatch, happens: Callable[[Backlog], None]
) -> None:
    """A route that somebody else has written is put right within a second."""
    assert backlogs.LEISURE <= 0.25
    monkeypatch.setattr(backlogs, "LEISURE", 0.01)
    happens(backlog)
    assert backlog.wait(LONG)
