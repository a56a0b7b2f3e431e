"""The composition root: which doors and services this process has, put together once.

Tests put together their own `Services` from the same parts, with fakes for the doors.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from analysis import backends
from analysis.backends.authorised import Authorised
from analysis.judges import threshold
from analysis.metrics.reader import Limits as ReaderLimits
from analysis.metrics.reader import MetricReader
from analysis.metrics.sharing import Answers, Sharing
from clients import errors
from clients.clock import Clock, SystemClock
from clients.fair_threads import FairThreads
from clients.instruments import SILENT, Instruments
from clients.kube import connect
from clients.kube.protocol import Kube, NoKube
from clients.kube.transport import Limits as KubeLimits
from clients.redis.answers import RedisAnswers
from clients.redis.records import Work
from clients.redis.store import Store, connect_store
from config import roles
from config.roles import Kubernetes, Queue
from config.settings.canaries import CanarySettings
from config.settings.groups import KubernetesSettings
from config.settings.settings import Settings
from tasks.alerting import AlertChannels
from tasks.analyst import Analyst
from tasks.audience import Audience
from tasks.batch import Crew, Reader
from tasks.bulk import Bulk
from tasks.caller import Caller, HttpPoster, Leases, Poster, Timed
from tasks.configs import ConfigReader
from tasks.credentials import SecretReader
from tasks.event_hooks import EventHooks
from tasks.gather import Defaults
from tasks.queues import Dispatcher
from tasks.receivers import Receivers
from tasks.reconcile.route import RouteReconciler
from tasks.reconcile.status import StatusReconciler
from tasks.reconcile.workload import WorkloadReconciler
from tasks.registries import BUILT_IN, Registries
from tasks.sending import HttpSender, Send
from tasks.teller import Teller
from workloads.primary import Copying
from workloads.tracker_configs import KEY_BYTES

ALERTS_AT_ONCE: Final = 32
"""Alerts that a process posts at a time; each waits for five seconds at most."""

SEVERAL: Final = "worker"
"""What a worker of several queues calls itself to the API server."""


@dataclass(frozen=True, slots=True)
class Doors:
    """What the services reach the outside through."""

    store: Store
    kube: Kube
    reader: Reader
    poster: Poster
    dispatcher: Dispatcher
    clock: Clock
    send: Send | None = None
    """How alerts are posted; None: for real."""
    instruments: Instruments = SILENT


@dataclass(frozen=True, slots=True)
class Services:
    """All services over one set of doors."""

    analyst: Analyst
    caller: Caller
    teller: Teller
    alerter: Teller
    status: StatusReconciler
    route: RouteReconciler
    workload: WorkloadReconciler


def wire(settings: Settings, doors: Doors, registries: Registries = BUILT_IN) -> Services:
    """The services over `doors`; makes no connection."""
    canaries, schedule = settings.canaries, settings.scheduler
    new_key = partial(secrets.token_bytes, KEY_BYTES)
    crew = Crew(doors.store, doors.reader, doors.dispatcher, doubt, doors.instruments, doors.clock)
    writing = crew, doors.kube, doors.clock
    audience = audience_of(settings, registries)
    alerter = _alerter(settings, doors, audience)
    return Services(
        analyst=Analyst(
            crew,
            defaults(settings, registries),
            ConfigReader(doors.kube, doors.clock, new_key),
            lease=schedule.tick_lease,
            resync=schedule.resync_interval,
        ),
        caller=_caller(settings, doors),
        teller=_teller(settings, doors, audience),
        alerter=alerter,
        status=StatusReconciler(*writing, registries.channels, audience, alerter.tell),
        route=RouteReconciler(*writing, canaries.mesh_provider, registries.routers),
        workload=WorkloadReconciler(
            *writing, _copying(canaries), new_key, canaries.scale_down_delay
        ),
    )


def defaults(settings: Settings, registries: Registries = BUILT_IN) -> Defaults:
    """What holds for canaries that do not say it themselves."""
    return Defaults(
        provider=settings.canaries.mesh_provider,
        endpoint=backends.Endpoint(kind=settings.metrics.backend, address=settings.metrics.server),
        interval_floor=settings.canaries.interval_floor,
        scale_down_delay=settings.canaries.scale_down_delay,
        audience=audience_of(settings, registries),
        registries=registries,
    )


def audience_of(settings: Settings, registries: Registries = BUILT_IN) -> Audience:
    """Who is told of canaries."""
    return Audience.of(settings, tuple(channel.name for channel in registries.channels))


def _copying(canaries: CanarySettings) -> Copying:
    """How primaries are made of targets."""
    return Copying(
        canaries.selector_labels, canaries.include_label_prefixes, tracks=canaries.config_tracking
    )


def _caller(settings: Settings, doors: Doors) -> Caller:
    """Who calls the webhooks of rounds: in hook workers."""
    threads = FairThreads("hooks", settings.workers.hooks_concurrency)
    outside = doors.store, doors.poster, doors.dispatcher, doors.clock
    return Caller(*outside, threads, Leases(doors.store), doubt)


def _teller(settings: Settings, doors: Doors, audience: Audience) -> Teller:
    """Who tells event hooks: in hook workers, on threads that no gate or check needs."""
    threads = FairThreads("event-hooks", settings.workers.hooks_concurrency)
    channels = EventHooks(doors.poster.post, audience).of
    return Teller(
        *(doors.store, doors.clock, threads, Work.TELL, channels, audience),
        doubt=doubt,
        instruments=doors.instruments,
    )


def _alerter(settings: Settings, doors: Doors, audience: Audience) -> Teller:
    """Who tells alerts: in report workers, which alone read AlertProviders."""
    channels = AlertChannels(
        audience,
        Receivers(doors.kube, doors.clock, settings.alerts),
        Bulk(doors.send or HttpSender(doors.clock, ALERTS_AT_ONCE, settings.canaries.denied)),
        doors.store,
    )
    threads = FairThreads("alerts", ALERTS_AT_ONCE)
    return Teller(
        *(doors.store, doors.clock, threads, Work.ALERT, channels.of, audience, doors.kube),
        doubt=doubt,
        instruments=doors.instruments,
    )


def open_doors(
    settings: Settings,
    served: Collection[Queue],
    dispatcher: Dispatcher,
    doubt: Callable[[], None],
    registries: Registries = BUILT_IN,
    *,
    tell: Instruments = SILENT,
) -> Doors:
    """Doors to the outside for a worker of the queues `served`.

    `doubt` hears of an API server that is away, `tell` of all that is done.
    Raises clients.errors.Permanent for a kubeconfig that cannot be used or a metric backend that
    is not in `registries`, SettingsError without a Redis URL.
    """
    clock, store = SystemClock(), connect_store(settings.redis)
    kube = _kube(settings.kubernetes, served, clock, doubt, tell)
    answers = RedisAnswers(store.client)
    poster = HttpPoster(clock, settings.workers.hooks_concurrency, settings.canaries.denied)
    return Doors(
        store=store,
        kube=kube,
        reader=metric_reader(settings, clock, kube, registries, answers, tell=tell),
        poster=Timed(poster, clock, tell),
        dispatcher=dispatcher,
        clock=clock,
        instruments=tell,
    )


def _kube(
    settings: KubernetesSettings,
    served: Collection[Queue],
    clock: Clock,
    doubt: Callable[[], None],
    tell: Instruments,
) -> Kube:
    """The door to the API server; none for roles without credentials for it."""
    if roles.of_kind(Kubernetes.UNUSED).issuperset(served):
        return NoKube()
    role = SEVERAL if len(served) > 1 else next(iter(served))
    kubeconfig = Path(settings.kubeconfig) if settings.kubeconfig else None
    limits = KubeLimits(read=settings.request_timeout, qps=settings.qps, burst=settings.burst)
    return connect.connect(
        role=role, kubeconfig=kubeconfig, limits=limits, clock=clock, doubt=doubt, tell=tell
    )


def metric_reader(
    settings: Settings,
    clock: Clock,
    kube: Kube,
    registries: Registries = BUILT_IN,
    answers: Answers | None = None,
    *,
    tell: Instruments = SILENT,
) -> MetricReader:
    """The reader of metric checks with the time limits of `settings`.

    It reads the Secrets of templates through `kube`, and shares queries with all that have the same
    `answers`: whoever waits for another's answer has time left to ask by itself.
    Raises clients.errors.Permanent when the kind of the metrics server is unknown.
    """
    if settings.metrics.backend not in registries.backends:
        unknown = backends.UnknownBackend(settings.metrics.backend, registries.backends)
        raise errors.Permanent(f"metrics-backend: {unknown}")
    timeout = settings.metrics.timeout
    most = settings.metrics.concurrency
    limits = ReaderLimits(per_server=most, per_query=timeout, budget=timeout * 1.2)
    denied = settings.canaries.denied
    access = backends.Access(clock, timeout=timeout, connections=2 * most, denied=denied)
    read = SecretReader(kube, clock).read

    def connect(endpoint: backends.Endpoint) -> backends.MetricBackend:
        def build(credentials: backends.Credentials | None = None) -> backends.MetricBackend:
            given = replace(access, credentials=credentials)
            return backends.connect(endpoint, given, registries.backends)

        secret = endpoint.secret
        return build() if secret is None else Authorised(secret, read, build, clock)

    patience = limits.budget - limits.per_query
    sharing = Sharing(answers, clock, limits.per_query, patience) if answers else None
    return MetricReader(connect, clock, threshold.judge, limits=limits, sharing=sharing, tell=tell)


_installed: Services | None = None
_doubt: Callable[[], None] | None = None
_tell: Instruments = SILENT


def install(
    services: Services, doubt: Callable[[], None] | None = None, tell: Instruments = SILENT
) -> None:
    """Makes `services` those of this process; `doubt` hears when one cannot reach the outside.

    `tell` hears of each job.

    Celery imports task modules: there is no other way in.
    """
    global _installed, _doubt, _tell
    _installed, _doubt, _tell = services, doubt, tell


def doubt() -> None:
    """A task has failed for a reason that others may meet too."""
    if _doubt is not None:
        _doubt()


def current() -> Services:
    """The services of this process. Raises RuntimeError before `install`."""
    if _installed is None:
        raise RuntimeError("no services are installed: tasks run in processes that wire them")
    return _installed


def instruments() -> Instruments:
    """What hears of each job; before `install` nobody does."""
    return _tell
