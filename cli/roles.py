"""What one process of the set does: `coalmine worker ROLE`, `beat`, `flower`.

Each is Celery's or Flower's own program, started once Redis and the API server are there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from cli import exits, health, startup
from clients.clock import SystemClock
from config.settings.settings import Settings
from scheduler import beat as beats
from scheduler import wiring as beat_wiring
from tasks import gate, registries, wiring
from tasks.app import make_app
from tasks.gate import Gate
from tasks.publishing import CeleryDispatcher
from tasks.queues import Queue

log = logging.getLogger(__name__)

WORKERS: Final = tuple(queue.value for queue in Queue)
NEED_KUBERNETES: Final = frozenset({Queue.ROUTING, Queue.REPORT})
"""Roles all of whose work is at the API server; analysis goes on without it."""

HEARTBEAT_SECONDS: Final = 10
"""Between two signs of life for Flower; nothing else listens to them."""

FLOWER_ADDRESS: Final = "127.0.0.1"
"""Whoever reaches Flower can stop workers: it is not shown to the network unless asked for."""
FLOWER_PORT: Final = 5555


def worker(settings: Settings, role: str, name: str) -> int:
    """The exit code, once the worker was told to end; `name` tells workers of one role apart."""
    startup.configure_logs(settings, name)
    clock = SystemClock()
    startup.wait_for_redis(settings, clock)
    app = make_app(settings, role)
    own = Gate(lambda: gate.probe(doors.store, needed, settings.kubernetes.namespace))
    gate.guard(app, own)
    known = registries.installed()
    doors = wiring.open_doors(settings, role, CeleryDispatcher(app), own.doubt, known)
    needed = doors.kube if role in NEED_KUBERNETES else None
    if role != Queue.HOOKS:
        startup.wait_for_kubernetes(doors.kube, settings, clock)
    wiring.install(wiring.wire(settings, doors, known), own.doubt)
    program = app.Worker(**worker_options(settings, role, name))
    with health.served(settings.server.port, health.of_worker(doors.store, lambda: own.is_open)):
        program.start()
    return int(program.exitcode or 0)


def worker_options(settings: Settings, role: str, name: str) -> dict[str, Any]:
    """What Celery's worker is told: threads, one queue, and no talk among workers."""
    return {
        "hostname": f"{name}@",
        "pool_cls": "threads",
        "concurrency": getattr(settings.workers, f"{role}_concurrency"),
        "queues": [role],
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
