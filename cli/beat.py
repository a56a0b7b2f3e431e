"""`coalmine beat`: watching, and waking canaries when they are due, on Celery's own beat."""

from __future__ import annotations

from cli import exits, health, startup
from clients.clock import SystemClock
from config.settings.settings import Settings
from scheduler import beat, wiring
from tasks import registries
from tasks.app import make_app
from tasks.publishing import CeleryDispatcher


def run(settings: Settings, name: str) -> int:
    """The exit code, once beat was told to end."""
    startup.configure_logs(settings, name)
    clock = SystemClock()
    kube = startup.connect_kubernetes(settings, "beat", clock)
    startup.wait_for_redis(settings, clock)
    startup.wait_for_kubernetes(kube, settings, clock)
    app = make_app(settings)
    loop = wiring.build(settings, CeleryDispatcher(app), registries.installed())
    with health.served(settings.server.port, health.of_beat(loop)):
        beat.run(app, loop, settings.server.python_log_level)
    return exits.OK
