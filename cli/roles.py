"""What one process of the set does: `coalmine worker ROLES` and `beat`.

Each is Celery's own program, started once Redis and the API server are there.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from cli import api, endpoint, exits, health, startup, targets, version
from cli.endpoint import Question, Response, Routes
from cli.rbac import review
from clients.clock import SystemClock
from clients.redis.store import Store, connect_store
from config import roles as declared
from config.roles import Kubernetes, Queue
from config.settings.settings import Settings
from exporter import exposition
from exporter import table as figures
from exporter.fleet import Fleet
from exporter.registry import CONTENT_TYPE, Registry
from scheduler import beat as beats
from scheduler import wiring as beat_wiring
from tasks import intake, registries, serving, wiring
from tasks.app import make_app
from tasks.caller import BEGUN_AT_ONCE
from tasks.intake import Intake
from tasks.publishing import CeleryDispatcher
from tasks.serving import Line
from tasks.wiring import Doors, Services

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS: Final = 10
"""Between two signs of life for Flower; nothing else listens to them."""


def worker(settings: Settings, roles: Sequence[str], name: str) -> int:
    """The exit code, once the worker of the queues `roles` was told to end.

    `name` tells workers of the same queues apart.
    """
    served = [Queue(role) for role in roles]
    startup.heed_sigterm()
    startup.configure_logs(settings, name)
    for remark in settings.alerts.remarks:
        log.error(remark)
    clock, app = SystemClock(), make_app(settings)
    work, dispatcher = _Work(), CeleryDispatcher(app)
    known, registry = registries.installed(), Registry(version.here(), name)
    doors = wiring.open_doors(settings, served, dispatcher, work.doubt, known, tell=registry)
    services = wiring.wire(settings, doors, known)
    work.lines.extend(lines_of(settings, served, doors, services))
    registry.look_up(lambda: [exposition.family(figures.TAKES, {(): work.is_taken()})])
    look = health.Beginning(health.OfWorker(doors.store, work.is_taken, work.still_seconds))
    with _answering(settings, name, routes(look, registry, doors.store)):
        startup.wait_for_redis(settings, clock)
        if not declared.of_kind(Kubernetes.UNUSED).issuperset(served):
            startup.wait_for_kubernetes(doors.kube, settings, clock)
        may_get = Queue.ROUTING in served
        service = partial(startup.read_service, doors.kube) if may_get else None
        startup.check_realm(doors.store, startup.realm(settings, service), clock)
        review.begin(doors.kube, served, settings, known.routers)
        wiring.install(services, work.doubt, registry)
        program = app.Worker(**serving.serve(app, work.lines), **worker_options(settings, name))
        startup.settle()
        look.end()
        program.start()
    services.alerter.threads.close()
    return int(program.exitcode or 0)


@dataclass(frozen=True, slots=True)
class _Work:
    """The lines of a worker, together; there are none before its services are wired."""

    lines: list[Line] = field(default_factory=list)

    def doubt(self) -> None:
        """Has each intake ask whether what its line needs is still there."""
        for each in {line.intake for line in self.lines}:
            each.doubt()

    def is_taken(self) -> bool:
        """Whether messages of all queues are taken."""
        return all(line.intake.is_open for line in self.lines)

    def still_seconds(self) -> float:
        """For how long the line that has stood still for longest has."""
        return max(line.still_seconds() for line in self.lines)


def routes(look: health.Probe, registry: Registry, store: Store) -> Routes:
    """What a process answers on its port."""

    def metrics(_: Question) -> Response:
        return Response(registry.exposition(), CONTENT_TYPE)

    return {**health.routes(look), **api.routes(store), "/metrics": metrics}


@contextlib.contextmanager
def _answering(settings: Settings, name: str, answers: Routes) -> Iterator[None]:
    """A block in which the process answers on its port, and those who should know where."""
    server = settings.server
    with (
        endpoint.served(server.port, answers) as port,
        targets.told(server.targets_dir, name, port),
    ):
        yield


def lines_of(
    settings: Settings, served: Sequence[Queue], doors: Doors, services: Services
) -> Iterator[Line]:
    """The lines of the queues `served`: those that need the same have one intake."""
    namespace = settings.kubernetes.namespace
    here = Intake(partial(intake.probe, doors.store, None, namespace))
    there = Intake(partial(intake.probe, doors.store, doors.kube, namespace))
    needing = declared.of_kind(Kubernetes.NEEDED)
    for queue in served:
        if queue is Queue.HOOKS:
            yield Line(queue, BEGUN_AT_ONCE, here, services.caller.threads)
        else:
            threads = getattr(settings.workers, f"{queue}_concurrency")
            yield Line(queue, threads, there if queue in needing else here)


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
    startup.heed_sigterm()
    startup.configure_logs(settings, name)
    clock = SystemClock()
    kube = startup.connect_kubernetes(settings, declared.BEAT, clock)
    app, known = make_app(settings), registries.installed()
    registry, dispatcher = Registry(version.here(), name), CeleryDispatcher(app)
    loop = beat_wiring.build(settings, dispatcher, known, registry)
    store = connect_store(settings.redis)
    registry.look_up(Fleet(loop, store, dispatcher, settings, version.here()))
    look = health.Beginning(health.of_beat(loop))
    with _answering(settings, name, routes(look, registry, store)):
        startup.wait_for_redis(settings, clock)
        startup.wait_for_kubernetes(kube, settings, clock)
        loop.represent(startup.realm(settings, partial(startup.listed_service, kube)))
        review.begin(kube, [declared.BEAT], settings, known.routers)
        startup.settle()
        look.end()
        beats.run(app, loop, settings.server.python_log_level)
    return exits.OK
