"""The stage with a real queue: Celery workers on threads, a real Valkey, simulated time."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from celery import Celery, signals
from celery.contrib.testing.worker import start_worker
from pydantic import SecretStr
from redis import Redis

from clients.clock import SystemClock
from config.roles import Queue
from config.settings.groups import RedisSettings
from config.settings.settings import Settings
from tasks import app as apps
from tasks import publishing, serving, wiring
from tasks.caller import HttpPoster
from tasks.intake import Intake
from tasks.serving import Line
from tasks.wiring import Services
from tests.patience import until
from tests.stage.stage import Stage

PATIENCE_SECONDS: Final = 60.0


class Traffic:
    """Counts messages on their way, so that a test knows when a queue has nothing left to do."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sent = self._done = 0
        signals.before_task_publish.connect(self._note_sent)
        signals.task_postrun.connect(self._note_done)
        signals.task_revoked.connect(self._note_done)
        signals.task_failure.connect(self._note_failure)
        self.failures: list[BaseException] = []

    def close(self) -> None:
        """Stops counting."""
        signals.before_task_publish.disconnect(self._note_sent)
        signals.task_postrun.disconnect(self._note_done)
        signals.task_revoked.disconnect(self._note_done)
        signals.task_failure.disconnect(self._note_failure)

    def await_quiet(self) -> None:
        """Returns when every message sent has been carried out. Raises AssertionError if late."""
        with self._changed:
            quiet = self._changed.wait_for(
                lambda: self._done >= self._sent, timeout=PATIENCE_SECONDS
            )
            assert quiet, f"{self._sent} messages sent, {self._done} done"
        if self.failures:
            raise self.failures[0]

    def _note_sent(self, **_: Any) -> None:
        with self._changed:
            self._sent += 1

    def _note_failure(self, exception: BaseException, **_: Any) -> None:
        self.failures.append(exception)

    def _note_done(self, **_: Any) -> None:
        with self._changed:
            self._done += 1
            self._changed.notify_all()


class CeleryStage(Stage):
    """A stage whose messages go through Celery."""

    def __init__(self, app: Celery, redis: "Redis[str]", traffic: Traffic, **options: Any) -> None:
        self._traffic = traffic
        poster = HttpPoster(SystemClock())
        dispatcher = publishing.CeleryDispatcher(app)
        super().__init__(redis=redis, dispatcher=dispatcher, poster=poster, **options)
        wiring.install(self.services)

    def _wired(self, services: Services) -> Services:
        """As they are: with threads."""
        return services

    @property
    def sent(self) -> int:
        """The messages sent so far."""
        return self._traffic._sent

    def settle(self, *, most: int = 400) -> None:
        """Lets the workers work until nothing is left to do at this moment."""
        for _ in range(most):
            self.kubelet.step()
            self.observe()
            before = self._traffic._sent
            self.claim()
            self._traffic.await_quiet()
            until(self.services.caller.threads.is_idle, PATIENCE_SECONDS)
            if self._traffic._sent == before and self.beat.is_idle:
                return
        raise AssertionError(f"not settled after {most} rounds")


@contextlib.contextmanager
def on_celery(url: str, **options: Any) -> Iterator[CeleryStage]:
    """A stage over the (emptied) server at `url`, with a worker for all queues.

    `options` are those of the stage.
    """
    settings = replace(Settings(), redis=RedisSettings(url=SecretStr(url)))
    app = apps.make_app(settings)
    redis: Redis[str] = Redis.from_url(url, decode_responses=True)
    traffic, intake = Traffic(), Intake(lambda: None)
    try:
        with start_worker(
            app,
            **serving.serve(app, [Line(queue, 4, intake) for queue in Queue]),
            perform_ping_check=False,
            loglevel="warning",
            shutdown_timeout=10.0,
        ):
            yield CeleryStage(app, redis, traffic, **options)
    finally:
        traffic.close()
        app.close()
        redis.close()
        time.sleep(0)
