"""`coalmine loadtester`: the service that makes load, runs checks and keeps gates for webhooks."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping

from cli import exits
from clients import errors, logs
from clients.clock import SystemClock
from clients.gates import Gates, MemoryGates
from clients.redis import server
from clients.redis.gates import RedisGates
from clients.redis.scripts import Door
from config.settings.loadtester import LoadTesterSettings
from loadtester import programs, serving

log = logging.getLogger(__name__)


def run(settings: LoadTesterSettings, environ: Mapping[str, str]) -> int:
    """The exit code, once the load tester was told to end. Raises PortTaken and Unusable."""
    with exits.listening(settings.port) as host:
        listening = socket.create_server((host, settings.port))
    programs.hide_environment()
    logs.configure(settings.python_log_level, role="loadtester")
    logs.report_uncaught()
    service = serving.service(settings, environ, _gates(settings))
    serving.run(service, listening)
    return exits.OK


def _gates(settings: LoadTesterSettings) -> Gates:
    """Where gates are kept. A Redis that is away is no reason to wait: load needs none."""
    if settings.redis_url is None:
        text = "gates are kept in memory: for this process alone, until it ends"
        log.warning(text, extra={"remedy": "--redis-url"})
        return MemoryGates(SystemClock().now)
    try:
        client = server.connect(settings.redis_url.get_secret_value())
    except ValueError as error:
        raise exits.Unusable(f"redis: {error}") from error
    try:
        server.check_server(client)
    except errors.Permanent as error:
        raise exits.Unusable(f"redis: {error}") from error
    except errors.Transient as failure:
        log.warning(
            "redis is away: gates are closed until it is back", extra={"error": str(failure)}
        )
    return RedisGates(Door(client))
