"""What one process of the set does: `coalmine worker ROLES`, `beat`, `flower`.

Each is Celery's or Flower's own program, started once Redis and the API server are there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from cli import exits, health, startup
from clients.clock import SystemClock
from config.settings.settings import Settings
from scheduler import beat as beats
from scheduler import wiring as beat_wiring
from tasks import intake, registries, serving, wiring
from tasks.app import make_app
from tasks.caller import BEGUN_AT_ONCE
from tasks.intake import Intake
from tasks.publishing import CeleryDispatcher
from tasks.queues import Queue
from tasks.serving import Line
from tasks.wiring import Doors, Services

log = logging.getLogger(__name__)

NEED_KUBERNETES: Final = frozenset({Queue.ROUTING, Queue.REPORT})
"""Queues all of whose work is at the API server; analysis goes on without it."""

HEARTBEAT_SECONDS: Final = 10
"""Between two signs of life for Flower; nothing else listens to them."""


def worker(settings: Settings, roles: Sequence[str], name: str) -> int:
    """The exit code, once the worker of the queues `roles` was told to end.

    `name` tells workers of the same queues apart.
    """
    served = [Queue(role) for role in roles]
    startup.configure_logs(settings, name)
    clock = SystemClock()
    startup.wait_for_redis(settings, clock)
    app = make_app(settings)
    lines: list[Line] = []

    def doubt() -> None:
        for each in {line.intake for line in lines}:
            each.doubt()

    known = registries.installed()
    doors = wiring.open_doors(settings, served, CeleryDispatcher(app), doubt, known)
    services = wiring.wire(settings, doors, known)
    lines += lines_of(settings, served, doors, services)
    if set(served) != {Queue.HOOKS}:
        startup.wait_for_kubernetes(doors.kube, settings, clock)
    wiring.install(services, doubt)
    program = app.Worker(**serving.serve(app, lines), **worker_options(settings, name))
    look = health.of_worker(doors.store, lambda: all(line.intake.is_open for line in lines))
    with health.served(settings.server.port, look):
        program.start()
    return int(program.exitcode or 0)


def lines_of(
    settings: Settings, served: Sequence[Queue], doors: Doors, services: Services
) -> Iterator[Line]:
    """The lines of the queues `served`: those that need the same have one intake."""
    namespace = settings.kubernetes.namespace
    here = Intake(partial(intake.probe, doors.store, None, namespace))
    there = Intake(partial(intake.probe, doors.store, doors.kube, namespace))
    for queue in served:
        if queue is Queue.HOOKS:
            yield Line(queue, BEGUN_AT_ONCE, here, services.caller.threads)
        else:
            threads = getattr(settings.workers, f"{queue}_concurrency")
            yield Line(queue, threads, there if queue in NEED_KUBERNETES else here)


def worker_options(settings: Settings, name: str) -> dict[str, Any]:
    """What Celery's worker is told, whatever it serves: no talk among workers."""
    return {
        "hostname": f"{name}@",
        "loglevel": settings.server.python_log_level,
        # Flower asks for them while it runs; for nobody they are two or three messages per job.
        "task_events": False,
        "heartbeat_interval": HEARTBEAT_SECONDS,
        "without_gossip": True,
        "without_mingle": True,
        "quiet": True,
    }


def beat(settings: Settings, name: str) -> int:
    """The exit code, once beat was told to end."""
    startup.configure_logs(settings, name)
    clock = SystemClock()
    kube = startup.connect_kubernetes(settings, "beat", clock)
    startup.wait_for_redis(settings, clock)
    startup.wait_for_kubernetes(kube, settings, clock)
    app = make_app(settings)
    loop = beat_wiring.build(settings, CeleryDispatcher(app), registries.installed())
    with health.served(settings.server.port, health.of_beat(loop)):
        beats.run(app, loop, settings.server.python_log_level)
    return exits.OK


def flower(settings: Settings, name: str, address: str, port: int) -> int:
    """The exit code, once Flower was told to end. Raises PortTaken."""
    startup.configure_logs(settings, name)
    exits.check_free(address, port, "--flower-port")  # Flower itself would end with a traceback
    startup.wait_for_redis(settings, SystemClock())
    log.info("flower served", extra={"url": f"http://{address}:{port}"})
    # Comes back when Flower has ended, although its stub says that it never does.
    start: Callable[[list[str]], object] = make_app(settings).start
    start(["--quiet", "flower", f"--address={address}", f"--port={port}", "--logging=none"])
    return exits.OK
