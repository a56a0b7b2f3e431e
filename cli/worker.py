"""`coalmine worker ROLE`: one worker process, on Celery's own worker."""

from __future__ import annotations

from typing import Any, Final

from cli import health, startup
from clients.clock import SystemClock
from config.settings.settings import Settings
from tasks import gate, registries, wiring
from tasks.app import make_app
from tasks.gate import Gate
from tasks.publishing import CeleryDispatcher
from tasks.queues import Queue

ROLES: Final = tuple(queue.value for queue in Queue)
NEED_KUBERNETES: Final = frozenset({Queue.ROUTING, Queue.REPORT})
"""Roles all of whose work is at the API server; analysis goes on without it."""

HEARTBEAT_SECONDS: Final = 10
"""Between two signs of life for Flower; nothing else listens to them."""


def concurrency(settings: Settings, role: str) -> int:
    """How many jobs a worker of `role` does at once."""
    found: int = getattr(settings.workers, f"{role}_concurrency")
    return found


def run(settings: Settings, role: str, name: str) -> int:
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
    worker = app.Worker(**options(settings, role, name))
    with health.served(settings.server.port, health.of_worker(doors.store, lambda: own.is_open)):
        worker.start()
    return int(worker.exitcode or 0)


def options(settings: Settings, role: str, name: str) -> dict[str, Any]:
    """What Celery's worker is told: threads, one queue, and no talk among workers."""
    return {
        "hostname": f"{name}@",
        "pool_cls": "threads",
        "concurrency": concurrency(settings, role),
        "queues": [role],
        "loglevel": settings.server.python_log_level,
        # Flower asks for them while it runs; for nobody they are two or three messages per job.
        "task_events": False,
        "heartbeat_interval": HEARTBEAT_SECONDS,
        "without_gossip": True,
        "without_mingle": True,
        "quiet": True,
    }
