"""What a process does before its work: logs, and waiting for Redis and the API server.

Something that is away is waited for, with a log line now and then; something that cannot work
raises `exits.Unusable`, for starting again would not help.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from cli import exits
from clients import errors, logs
from clients.clock import Clock
from clients.kube import connect, resources
from clients.kube.protocol import Kube
from clients.kube.rest import KubeHttp
from clients.redis import server
from clients.redis.store import Store
from config import realms
from config.realms import Realm
from config.settings.settings import Settings
from tasks import app, intake

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_SECONDS: Final = 0.5
LOG_EVERY: Final = 60
"""Tries between two log lines about the same thing that is still away."""


_REMEDIES: Final = {
    "redis": "start Redis or Valkey there, or name another one with COALMINE_REDIS_URL",
    "kubernetes": "see whether the API server runs there, or name a cluster with --kubeconfig",
}
"""What people can do about something that is away."""

_CHATTY: Final = ("celery.worker.strategy", "celery.app.trace", "celery.worker.consumer")
"""Loggers that write a line or two per message at info."""


def configure_logs(settings: Settings, role: str) -> None:
    """JSON lines on stderr with the key `role`; the queue's own chatter at debug only."""
    level = settings.server.python_log_level
    logs.configure(level, role=role, cluster=settings.canaries.cluster_name)
    logging.captureWarnings(capture=True)
    # Celery's worry about root is about pickled messages; ours are JSON, and nothing else is read.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser")
    if level != "DEBUG":
        for name in _CHATTY:
            logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    logs.report_uncaught()
    app.log_what_celery_says()
    # Celery gives this one a plain-text handler unless it has one; it does not propagate.
    logging.getLogger("celery.task").handlers[:] = logging.getLogger().handlers


def heed_sigterm() -> None:
    """Has SIGTERM end the process as long as nobody else handles it: while it waits, that is.

    The first process of a container would ignore it otherwise, until it is killed.
    """
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def settle() -> None:
    """Has the garbage collector leave alone what was imported and built by now, for it stays.

    Looking through all of it takes a tenth of a second, in which no thread goes on.
    """
    gc.collect()
    gc.freeze()


def wait_for_redis(settings: Settings, clock: Clock) -> None:
    """Returns when the state's server answers and suits, and the queue's, if it is another one.

    Raises Unusable for a server that must not hold our state, SettingsError without a URL.
    """
    for url in dict.fromkeys((settings.redis.state_url(), settings.redis.queue_url())):
        try:
            client = server.connect(url)
            notes = _patiently("redis", lambda: server.check_server(client), clock)  # noqa: B023
        except (ValueError, errors.Permanent) as error:
            raise exits.Unusable(f"redis: {error}") from error
        client.close()
        for note in notes:
            log.warning("redis not checked", extra={"error": note})


def connect_kubernetes(settings: Settings, role: str, clock: Clock) -> KubeHttp:
    """A door to the API server that the settings name; makes no request.

    Raises Unusable when they name none: no such kubeconfig, or none given outside of a cluster.
    """
    given = settings.kubernetes.kubeconfig
    try:
        path = Path(given) if given else None
        return connect.connect(role=role, kubeconfig=path, clock=clock)
    except errors.Permanent as error:
        hint = "" if given else " (give --kubeconfig, or set KUBECONFIG)"
        raise exits.Unusable(f"kubernetes: {error.message}{hint}") from error


def wait_for_kubernetes(kube: Kube, settings: Settings, clock: Clock) -> None:
    """Returns when the API server answers and knows Canary objects, or will not tell.

    One request. Raises Unusable when it does not know us.
    """
    namespace = settings.kubernetes.namespace
    _patiently("kubernetes", lambda: _canaries_are_known(kube, namespace), clock)


def realm(settings: Settings, look: Callable[[], Any] | None = None) -> Realm:
    """What this installation is in charge of; of its cluster as much as can be told.

    `look` gives the Service `kubernetes`, which every cluster has, with a uid of its own. It is
    not asked for one namespace alone: then nobody may look elsewhere.
    """
    if settings.kubernetes.namespace or look is None:
        return Realm(settings.kubernetes.namespace or realms.ALL)
    try:
        return Realm(cluster=str(look()["metadata"]["uid"]))
    except (errors.ClientError, LookupError, TypeError):
        return Realm()


def listed_service(kube: Kube) -> Any:
    """The Service `kubernetes`, for who may list Services."""
    path = f"{resources.SERVICES.path('default')}?fieldSelector=metadata.name%3Dkubernetes"
    return kube.request("GET", path)["items"][0]


def read_service(kube: Kube) -> Any:
    """The Service `kubernetes`, for who may get Services."""
    return kube.get(resources.SERVICES, "default", "kubernetes")


def check_realm(store: Store, ours: Realm, clock: Clock) -> None:
    """Raises Unusable while the beat of another installation leads in this Redis."""
    for theirs in _patiently("redis", store.realms, clock):
        if text := ours.objection(theirs):
            raise exits.Unusable(f"redis: {text}")


def _canaries_are_known(kube: Kube, namespace: str | None) -> None:
    try:
        intake.ask_for_canaries(kube, namespace)
    except errors.Permanent as refusal:
        if refusal.status == errors.UNAUTHORIZED:
            raise exits.Unusable(f"kubernetes: {refusal.message}") from refusal
        log.info("kubernetes answers", extra={"error": refusal.message})


def _patiently(what: str, ask: Callable[[], T], clock: Clock) -> T:
    """The answer of `ask`, which is repeated while `what` is away: it raises Transient."""
    tries = 0
    while True:
        try:
            answer = ask()
        except errors.Transient as failure:
            if tries % LOG_EVERY == 0:
                extra = {"for": what, "error": failure.message, "remedy": _REMEDIES[what]}
                log.warning("waiting", extra=extra)
            tries += 1
            clock.sleep(RETRY_SECONDS)
        else:
            if tries:
                log.info("found", extra={"what": what})
            return answer
