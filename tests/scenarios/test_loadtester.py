"""Whole rollouts with the load tester: its gates, its checks and its load, over real HTTP.

The rollout is in simulated time; the load tester and what it runs are real. Its answers one by one
are in tests/contract/loadtester.
"""

import http.server
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from clients.clock import SystemClock
from config.settings.loadtester import LoadTesterSettings
from config.traffic import TrafficSplit
from tasks.caller import HttpPoster
from tests.services import loadtesters, web
from tests.services.loadtesters import LoadTester
from tests.stage.rollouts import BEGINNING, COPYING, ENDING, FAILED, LONG, advance, ended
from tests.stage.stage import Stage, initialized
from tests.unit.analysis.worlds import a_manifest

CART: Final = {"name": "cart", "namespace": "shop"}


@dataclass
class Canary:
    """The pods of the canary: podinfo's `/token`, and whatever load they get at `/`."""

    url: str = ""
    token: str = '{"token":"x"}'
    asked: Counter[str] = field(default_factory=Counter)


@pytest.fixture
def canary() -> Iterator[Canary]:
    """On a free port."""
    canary = Canary()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            canary.asked[f"{self.command} {self.path}"] += 1
            body = canary.token.encode() if self.path == "/token" else b"ok"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - their names there

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with web.served(Handler) as port:
        canary.url = f"http://127.0.0.1:{port}"
        yield canary


@pytest.fixture
def tester(tmp_path: Path) -> Iterator[LoadTester]:
    """A load tester with the usual settings, and a helm whose tests succeed."""
    (tmp_path / "helm").write_text('#!/bin/sh\necho "$@" >> "$0.log"\necho "Phase: Succeeded"\n')
    (tmp_path / "helm").chmod(0o755)
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with loadtesters.running(LoadTesterSettings(), environ=environ) as one:
        yield one


def hooks(tester: LoadTester, canary: Canary) -> list[dict[str, Any]]:
    """The articles' webhooks as they stand, but for the addresses; and gates."""
    smoke = f"curl -sd 'test' {canary.url}/token | grep token"
    load = f"hey -z 1m -q 10 -c 2 {canary.url}/"
    return [
        {"name": "start", "type": "confirm-rollout", "url": f"{tester.url}/gate/check"},
        {
            "name": "acceptance-test",
            "type": "pre-rollout",
            "url": f"{tester.url}/",
            "timeout": "30s",
            "metadata": {"type": "bash", "cmd": smoke},
        },
        {
            "name": "helm-test",
            "type": "pre-rollout",
            "url": f"{tester.url}/",
            "timeout": "3m",
            "metadata": {"type": "helmv3", "cmd": "test cart -n shop"},
        },
        {
            "name": "by-bash",
            "type": "pre-rollout",
            "url": f"{tester.url}/",
            "metadata": {"type": "bash", "cmd": f'bash -c "curl -s {canary.url}/token | grep x"'},
        },
        {
            "name": "load-test",
            "url": f"{tester.url}/",
            "timeout": "5s",
            "metadata": {"type": "cmd", "cmd": load},
        },
        {"name": "end", "type": "confirm-promotion", "url": f"{tester.url}/gate/check"},
        {"name": "off", "type": "rollback", "url": f"{tester.url}/rollback/check"},
    ]


@pytest.fixture
def stage(tester: LoadTester, canary: Canary) -> Stage:
    """A release that waits for the gate before it."""
    manifest = a_manifest(webhooks=hooks(tester, canary))
    stage = initialized(manifest, Stage(poster=HttpPoster(SystemClock())))
    stage.release("cart:2")
    stage.run(lambda on: on.phase() == "Waiting", within=LONG)
    return stage


def said(stage: Stage) -> list[str]:
    """The events since the release."""
    texts = stage.texts()
    return texts[texts.index("Halt cart.shop advancement waiting for approval start") :]


def until_load(canary: Canary) -> None:
    """Returns once there is load, in real time."""
    deadline = time.monotonic() + 20
    while not canary.asked["GET /"]:
        assert time.monotonic() < deadline, canary.asked
        time.sleep(0.05)


def test_a_rollout_waits_for_its_gates_is_checked_and_gets_load(
    stage: Stage, tester: LoadTester, canary: Canary, tmp_path: Path
) -> None:
    """Nothing is scaled up before the gate is open; each test is made once, load by hey."""
    assert stage.deployment("cart-app")["spec"]["replicas"] == 0
    assert tester.ask("/gate/open", CART) == (202, "")
    stage.run(lambda on: on.phase() == "WaitingPromotion" or ended(on), within=LONG)
    stage.run(ended, within=LONG)
    until_load(canary)
    assert said(stage) == [
        "Halt cart.shop advancement waiting for approval start",
        "Confirm-rollout check start passed",
        BEGINNING[0],
        "Rollback hook off not signaling a rollback",
        BEGINNING[1],
        "Pre-rollout check acceptance-test passed",
        "Pre-rollout check helm-test passed",
        "Pre-rollout check by-bash passed",
        *advance(20, 40, 60),
        "Confirm-promotion check end passed",
        *ENDING,
    ]
    assert stage.weights == [0, 20, 40, 60, 0]
    assert canary.asked["POST /token"] == canary.asked["GET /token"] == 1
    assert (tmp_path / "helm.log").read_text() == "test cart -n shop\n"
    assert tester.ask("/gate/close", CART) == (202, "")


def test_a_smoke_test_that_fails_lets_no_traffic_through(
    stage: Stage, tester: LoadTester, canary: Canary
) -> None:
    """The event has the command and its end; after three of them the release is rolled back."""
    canary.token = "nothing of use"
    assert tester.ask("/gate/open", CART) == (202, "")
    stage.run(ended, within=LONG)
    command = f"curl -sd 'test' {canary.url}/token | grep token"
    halt = (
        "Halt cart.shop advancement pre-rollout check acceptance-test failed "
        f"POST {tester.url}/ giving up after 1 attempt(s): "
        f"command {command} failed: : exit status 1"
    )
    assert [text for text in said(stage) if text == halt]
    assert said(stage)[-1] == FAILED
    assert stage.weights == [0]
    assert canary.asked["GET /"] == 0


def test_an_open_rollback_gate_calls_a_rollout_off(
    stage: Stage, tester: LoadTester, canary: Canary
) -> None:
    """At the next check, whatever the weight."""
    del canary
    assert tester.ask("/gate/open", CART) == (202, "")
    stage.run(lambda on: on.split == TrafficSplit.of(40), within=LONG)
    assert tester.ask("/rollback/open", CART) == (202, "")
    stage.run(ended, within=LONG)
    assert said(stage)[-3:] == [
        "Rollback check off passed",
        "Rolling back cart.shop manual webhook invoked",
        FAILED,
    ]
    assert COPYING not in said(stage)
    assert stage.weights[-1] == 0


def test_a_command_that_is_not_allowed_is_told_where_its_author_looks(
    tester: LoadTester, canary: Canary
) -> None:
    """In the event of the Canary; nothing runs."""
    del canary
    bad = {"name": "bad", "url": f"{tester.url}/", "metadata": {"cmd": "rm -rf /"}}
    stage = initialized(a_manifest(webhooks=[bad]), Stage(poster=HttpPoster(SystemClock())))
    stage.release("cart:2")
    stage.run(ended, within=LONG)
    told = (
        "Halt cart.shop advancement external check bad failed program 'rm' is not allowed; allowed"
    )
    assert any(text.startswith(told) for text in stage.texts()), stage.texts()
