"""Whole rollouts through real Celery workers and a real Valkey, in simulated time."""

import contextlib
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import signals

from clients.redis import keys
from tests.services.valkey import Valkey
from tests.stage import measuring
from tests.stage.stage import REF, initialized
from tests.stage.workers import on_celery
from tests.stores import everything
from tests.unit.analysis.worlds import a_manifest

LONG = timedelta(minutes=30)
INTERVALS = timedelta(seconds=30) * 3
READINESS = timedelta(seconds=3) * 2


def test_a_good_release_is_promoted_in_hardly_more_than_its_intervals(valkey: Valkey) -> None:
    """Weights of the plan, the analysed image on the primary, wall time within 1.05 of analysis."""
    with on_celery(valkey.url) as stage:
        initialized(a_manifest(), stage)
        started = stage.clock.now()
        stage.release("cart:2")
        stage.run(lambda on: on.phase() == "Succeeded", within=LONG)

        assert stage.weights == [0, 20, 40, 60, 0]
        assert stage.image("cart-app-primary") == "cart:2"
        assert stage.clock.now() - started <= INTERVALS * 1.05 + READINESS


def test_a_bad_release_is_rolled_back(valkey: Valkey) -> None:
    """Three failed checks, then all traffic on the primary and no canary pods."""
    with on_celery(valkey.url) as stage:
        initialized(a_manifest(), stage)
        stage.meters.source = measuring.failing
        stage.release("cart:2")
        stage.run(lambda on: on.phase() == "Failed", within=LONG)
        stage.advance()
        stage.settle()

        assert stage.weights == [0, 20, 0]
        assert stage.image("cart-app-primary") == "cart:1"
        assert stage.deployment("cart-app")["spec"]["replicas"] == 0


def test_hooks_are_asked_through_the_queue_and_heard(valkey: Valkey) -> None:
    """Pre-rollout, rollout and post-rollout hooks are called over HTTP, and pass."""
    with on_celery(valkey.url) as stage, measuring.receiver() as receiver:
        kinds = ("pre-rollout", "rollout", "post-rollout")
        webhooks = [{"name": kind, "type": kind, "url": receiver.url} for kind in kinds]
        initialized(a_manifest(webhooks=webhooks, maxWeight=20), stage)
        stage.release("cart:2")
        stage.run(lambda on: "Promotion completed" in on.texts()[-1], within=LONG)

        assert [call["phase"] for call in receiver.calls] == [
            "Progressing",
            "Progressing",
            "Succeeded",
        ]
        assert stage.texts()[-2:] == [
            "Post-rollout check post-rollout passed",
            "Promotion completed! Scaling down cart-app.shop",
        ]


def test_the_hooks_of_a_round_are_called_in_parallel(valkey: Valkey) -> None:
    """Three hooks that answer only when all of them are being called (D-54)."""
    with on_celery(valkey.url) as stage, measuring.receiver(together=3) as receiver:
        names = ("load", "smoke", "lint")
        webhooks = [{"name": name, "type": "pre-rollout", "url": receiver.url} for name in names]
        initialized(a_manifest(webhooks=webhooks), stage)
        stage.release("cart:2")
        stage.run(lambda on: on.weights[-1] == 20, within=LONG)

        assert stage.state.failed_checks == 0
        assert len(receiver.calls) == 3


@contextlib.contextmanager
def published() -> Iterator[list[Any]]:
    """The bodies of all messages sent in the block."""
    bodies: list[Any] = []

    def note(body: Any, **_: Any) -> None:
        bodies.append(body)

    signals.before_task_publish.connect(note)
    try:
        yield bodies
    finally:
        signals.before_task_publish.disconnect(note)


@pytest.mark.parametrize("status", [400, 500])
def test_what_the_url_of_a_webhook_hides_is_in_the_manifest_alone(
    valkey: Valkey, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """S-3: user, password and token are in no message, answer, timeline, event, status or log."""
    with (
        on_celery(valkey.url) as stage,
        measuring.receiver() as receiver,
        caplog.at_level(logging.DEBUG),
        contextlib.closing(valkey.client()) as client,
        published() as messages,
    ):
        receiver.status = status
        url = receiver.url.replace("//", "//me:hunter2@") + "gate?token=hunter2#hunter2"
        webhooks = [{"name": "gate", "type": "pre-rollout", "url": url, "retries": 1}]
        initialized(a_manifest(webhooks=webhooks, threshold=1), stage)
        stage.release("cart:2")
        stage.run(lambda on: on.phase() == "Failed", within=LONG)

        told = [text for text in stage.texts() if "pre-rollout check gate failed" in text]
        assert len(told) == 1
        holding = {key for key, value in everything(client) if "hunter2" in value}
        shown = json.dumps([stage.texts(), dict(stage.status), messages]) + caplog.text
    assert holding == {keys.WORLD.of(REF)}
    assert len(receiver.calls) == (1 if status == 400 else 2)
    assert any('"key"' in json.dumps(message) for message in messages)
    assert "hunter2" not in shown
