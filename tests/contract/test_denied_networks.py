"""Webhooks, alerts and metric queries of a worker go to no network that operators deny."""

from datetime import timedelta
from typing import Any, Final

import pytest

from analysis import backends
from analysis.backends import Access, Endpoint
from analysis.hooks import HookCall
from clients import errors
from clients.clock import SystemClock
from config.api.hooks import WebhookType
from config.networks import SAID, Denied
from config.roles import Queue
from config.settings.settings import Settings
from notify.message import Post
from tasks import wiring
from tests.services.chats import chat
from tests.stage.bag import Bag

DENIED: Final = "127.0.0.0/8,::1/128"
ENVIRON: Final = {
    "COALMINE_REDIS_URL": "redis://127.0.0.1:1",
    "COALMINE_METRICS_SERVER": "http://127.0.0.1:9",
}


def worker(**environ: str) -> tuple[wiring.Doors, Any]:
    """The doors of a worker, and the desk from which it sends alerts."""
    settings = Settings.from_environ({**ENVIRON, **environ})
    doors = wiring.open_doors(settings, {Queue.HOOKS}, Bag(), lambda: None)
    channels: Any = wiring.wire(settings, doors).alerter.channels
    return doors, channels.__self__


def test_what_workers_send_is_held_to_the_setting() -> None:
    """Each way out by itself, as a worker is put together; the server hears nothing."""
    with chat() as server:
        url = f"{server.url}/webhook"
        second = timedelta(seconds=1)
        call = HookCall("", "gate", WebhookType.ROLLOUT, url, second, 0, verify_tls=True, body={})
        doors, desk = worker(COALMINE_DENIED_NETWORKS=DENIED)
        assert SAID in doors.poster.post(call, lambda: True).message
        with pytest.raises(errors.NotFound, match=SAID):
            desk.send(Post(url, {"message": "x"}), "")
        assert not server.asked

        doors, desk = worker()
        doors.poster.post(call, lambda: True)
        desk.send(Post(url, {"message": "x"}), "")
        assert len(server.asked) == 2, "the test can fail"


def test_metric_servers_of_templates_are_held_to_it() -> None:
    """The check says why it has no value."""
    with chat() as server:
        denied = Access(SystemClock(), denied=Denied.parse(DENIED))
        answer = backends.connect(Endpoint(address=server.url), denied).query("up")
        assert SAID in repr(answer)
        assert not server.asked
