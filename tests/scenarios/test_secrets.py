"""Invariant 10 of the whole: what the Secret of a receiver holds is in it alone, and on the wire.

Through real Celery and a real Valkey, at receivers that refuse, quote what they were asked, and
take it in the end. Of other Secrets: test_configs.py, test_templates.py, test_celery_rollouts.py.
"""

import contextlib
import http.server
import logging
import threading
from collections.abc import Iterator
from typing import Any, Final

import pytest
from celery import signals

from cli import api
from cli.endpoint import Table
from clients.clock import SystemClock
from clients.kube import resources
from exporter.fleet import Fleet
from exporter.registry import Registry
from tasks.sending import HttpSender
from tests.patience import until
from tests.scenarios.test_alerts import a_provider, a_secret
from tests.scenarios.test_celery_rollouts import LONG
from tests.services.valkey import Valkey
from tests.stage import measuring
from tests.stage.stage import initialized
from tests.stage.workers import on_celery
from tests.stores import everything
from tests.unit.analysis.worlds import a_manifest

ANSWERS: Final = (403, 500, 302)
"""Those of a receiver, in turn, before it takes what it is sent."""


class Asked(list[tuple[str, str]]):
    """Path and authorization of each request, and where they are sent."""

    address = ""


@contextlib.contextmanager
def quoting() -> Iterator[Asked]:
    """A receiver that says what it was asked, in words and in a redirect."""
    asked = Asked()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            number, token = len(asked), self.headers["Authorization"]
            asked.append((self.path, token))
            status = ANSWERS[number] if number < len(ANSWERS) else 200
            words = f"{status}: {self.path} with {token}".encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"file:///etc{self.path}")
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            self.wfile.write(words)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        asked.address = f"http://127.0.0.1:{server.server_port}"
        yield asked
        server.shutdown()
        thread.join()


@contextlib.contextmanager
def jobs() -> Iterator[list[str]]:
    """What is sent as a message, and what Flower shows of it: arguments, state and result."""
    noted: list[str] = []

    def note(**told: Any) -> None:
        noted.append(repr({key: each for key, each in told.items() if key != "signal"}))

    hooks = (signals.before_task_publish, signals.task_prerun, signals.task_postrun)
    for each in hooks:
        each.connect(note)
    try:
        yield noted
    finally:
        for each in hooks:
            each.disconnect(note)


def test_address_and_token_of_a_receiver_are_nowhere_to_be_read(
    valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys of Redis, jobs and their results, events, status, logs, metrics, what the API tells."""
    caplog.set_level(logging.DEBUG)
    registry = Registry("1.2.3", "beat")
    sender = HttpSender(SystemClock())
    with (
        quoting() as asked,
        contextlib.closing(valkey.client()) as client,
        jobs() as noted,
        on_celery(valkey.url, send=sender, tell=registry) as stage,
    ):
        texts = {"address": f"{asked.address}/T0/pa5spath?key=pa5skey", "token": "pa5stoken"}
        stage.create(resources.SECRETS, a_secret(**texts))
        stage.create(resources.ALERT_PROVIDERS, a_provider(secretRef={"name": "chat-url"}))
        fleet = Fleet(stage.beat._loop, stage.store, stage.dispatcher, stage.settings, "1.2.3")
        registry.look_up(fleet)
        initialized(a_manifest(alerts=[{"name": "a", "providerRef": {"name": "chat"}}]), stage)
        kept = [*everything(client)]
        stage.meters.source = measuring.failing
        stage.release("cart:2")
        stage.run(lambda on: on.phase() == "Failed", within=LONG)
        stage.run(lambda _: len(asked) > len(ANSWERS), within=LONG)
        until(stage.services.alerter.threads.is_idle, 20.0)

        kept += [*everything(client)]
        objects = [
            dict(each)
            for kind in (resources.CANARIES, resources.EVENTS, resources.ALERT_PROVIDERS)
            for each in stage.kube.list(kind).items
        ]
        table = Table(api.routes(stage.store))
        told = table.answer("/api/v1/canaries/shop/cart/timeline?limit=200").body
        page = registry.exposition()

    shown = {
        "Redis": repr(kept),
        "jobs": repr(noted),
        "objects": repr(objects),
        "logs": repr([vars(each) for each in caplog.records]),
        "API": repr(told),
        "metrics": repr(page),
    }
    assert set(asked) == {("/T0/pa5spath?key=pa5skey", "Bearer pa5stoken")}
    assert "not sent: alertprovider chat.shop: 403" in shown["objects"]
    assert "'state': 'SUCCESS'" in shown["jobs"]
    assert "cart-app" in shown["metrics"]
    assert "Halt" in shown["API"] or "failed" in shown["API"]
    assert [where for where, text in shown.items() if "pa5s" in text] == []
