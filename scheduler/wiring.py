"""The composition root of the beat: its parts put together once, over the doors of the tasks."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from clients.clock import Clock, SystemClock
from clients.instruments import SILENT, Instruments
from clients.kube import connect
from clients.kube.protocol import Watcher
from clients.kube.transport import Limits
from clients.redis.store import Store, connect_store
from config.settings.settings import Settings
from config.shards import WHOLE
from config.validation.admission import Policy
from scheduler import configs, projections
from scheduler.backlog import Backlog
from scheduler.index import Index
from scheduler.loop import Loop
from scheduler.publisher import Publisher
from scheduler.sharded import Sharded
from scheduler.watching import WatchSide, a_while
from tasks.queues import Dispatcher
from tasks.registries import BUILT_IN, Registries


@dataclass(frozen=True, slots=True)
class Doors:
    """What a beat reaches the outside through; `watcher` makes a door for each term of office.

    Each term has its own, because ending a term ends its watches, and with them its connections.
    """

    store: Store
    dispatcher: Dispatcher
    watcher: Callable[[], Watcher]
    clock: Clock


def build(
    settings: Settings,
    dispatcher: Dispatcher,
    registries: Registries = BUILT_IN,
    tell: Instruments = SILENT,
) -> Loop:
    """The beat of this process, with doors to the real outside; connects with its first step.

    Raises SettingsError without a Redis URL.
    """
    kubernetes, clock = settings.kubernetes, SystemClock()
    kubeconfig = Path(kubernetes.kubeconfig) if kubernetes.kubeconfig else None
    limits = Limits(read=kubernetes.request_timeout, qps=kubernetes.qps, burst=kubernetes.burst)

    def watcher() -> Watcher:
        return connect.connect(
            role="beat",
            kubeconfig=kubeconfig,
            pool_size=2 * (len(projections.watched(registries.routers)) + len(configs.KINDS)),
            limits=limits,
            clock=clock,
            tell=tell,
        )

    doors = Doors(connect_store(settings.redis), dispatcher, watcher, clock)
    return Loop(
        doors.store,
        dispatcher,
        lambda term: watch_side(settings, doors, term, registries=registries),
        clock=clock,
        holder=f"{socket.gethostname()}-{secrets.token_hex(4)}",
        settings=settings.scheduler,
        tell=tell,
    )


def watch_side(
    settings: Settings,
    doors: Doors,
    term: Callable[[], int | None],
    timeout: Callable[[], timedelta] = a_while,
    kind: type[WatchSide] = WatchSide,
    *,
    registries: Registries = BUILT_IN,
) -> WatchSide:
    """A watch side that writes in the `term` of this process, not while that is None.

    `timeout` is how long each watch lasts; `kind` is WatchSide or a subclass: simulations run
    theirs without threads.
    """
    namespace, shard = settings.kubernetes.namespace, settings.scheduler.shard
    canaries = settings.canaries
    policy = Policy(
        able=registries.carried_out,
        default_provider=canaries.mesh_provider,
        block_cross_namespace_refs=canaries.no_cross_namespace_refs,
        shortest_interval=canaries.interval_floor,
    )
    index = Index(
        policy, canaries.selector_labels, registries.routers, tracks=canaries.config_tracking
    )
    backlog = Backlog(index)
    publisher = Publisher(
        doors.store,
        doors.dispatcher,
        backlog,
        doors.clock,
        term=term,
        resync=settings.scheduler.resync_interval,
        namespace=namespace,
        shard=shard,
    )
    watcher = doors.watcher() if shard == WHOLE else Sharded(doors.watcher(), shard)
    return kind(watcher, backlog, publisher, doors.clock, namespace=namespace, timeout=timeout)
