"""The groups of settings: each field with its flag, parser, default and help.

A field's help says the meaning, the unit, and why the default is what it is.
"""

# ruff: noqa: RUF009 - `setting` is a dataclasses.field whose default is immutable

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from config import shards
from config.settings import flags
from config.settings.flags import setting
from config.shards import Shard


class SettingsError(ValueError):
    """Settings that cannot be used; the message holds every problem, one per line."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """Where rollout state and the job queue live."""

    url: SecretStr | None = setting(
        "redis-url",
        flags.redis_url,
        "",
        "Redis or Valkey that holds rollout state; without it `coalmine up` starts its own, and "
        "every other command refuses to start.",
    )
    broker_url: SecretStr | None = setting(
        "broker-url",
        flags.redis_url,
        "",
        "Redis or Valkey that holds the job queue; the one of --redis-url by default, since one "
        "server carries thousands of canaries.",
    )

    def state_url(self) -> str:
        """The URL of the state's server, password included. Raises SettingsError without one."""
        if self.url is None:
            raise SettingsError(("--redis-url (COALMINE_REDIS_URL): is required",))
        return self.url.get_secret_value()

    def queue_url(self) -> str:
        """The URL of the queue's server, password included. Raises SettingsError without one."""
        return self.broker_url.get_secret_value() if self.broker_url else self.state_url()


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """Which cluster, which part of it, and how hard it may be asked."""

    kubeconfig: str | None = setting(
        "kubeconfig",
        str,
        "",
        "Path of a kubeconfig; that of KUBECONFIG by default, or else the pod's ServiceAccount.",
    )
    qps: int = setting(
        "kubeconfig-qps",
        flags.whole(1, 100_000),
        "100",
        "Requests per second of each process to the API server; Flagger's default.",
    )
    burst: int = setting(
        "kubeconfig-burst",
        flags.whole(1, 100_000),
        "250",
        "Requests that may exceed the rate at once; Flagger's default.",
    )
    namespace: str | None = setting(
        "namespace", str, "", "Watch only this namespace; all by default."
    )
    request_timeout: timedelta = setting(
        "kubernetes-timeout",
        flags.duration,
        "10s",
        "Time limit of one request to the API server; a healthy one answers within a second, and "
        "what times out is tried again.",
    )


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where builtin checks and inline queries are answered."""

    server: str = setting(
        "metrics-server",
        flags.http_url,
        "http://prometheus:9090",
        "Prometheus of builtin checks and inline queries; Flagger's default.",
    )
    backend: str = setting(
        "metrics-backend",
        str,
        "prometheus",
        "Kind of that server; others than prometheus are added by installed distributions.",
    )
    timeout: timedelta = setting(
        "metrics-timeout",
        flags.duration,
        "5s",
        "Time limit of one query. Well below the shortest analysis interval of 10s, so that a "
        "slow server costs a check, never a tick.",
    )
    concurrency: int = setting(
        "metrics-concurrency",
        flags.whole(2, 1_000),
        "64",
        "Queries written in manifests that one worker process has under way at one metrics server, "
        "and as many for builtin checks beside them, which are mostly asked for together. One "
        "canary has half of them at most, one namespace three quarters. Enough for 300 queries "
        "of 200ms a second; a Prometheus runs 20 at once and has the others wait, by its own "
        "--query.max-concurrency.",
    )


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """When things happen, and how soon a lost process is replaced."""

    resync_interval: timedelta = setting(
        "resync-interval",
        flags.duration,
        "5m",
        "Time between looks at a canary with nothing to do. Changes are seen by watching; this "
        "only finds what a watch missed. Longer with more than 600 canaries: two are looked at per "
        "second.",
    )
    tick_lease: timedelta = setting(
        "tick-lease",
        flags.duration,
        "8s",
        "Time for which a worker may hold one canary. Longer than a tick with queries that time "
        "out; shorter than the shortest analysis interval, because the canary of a killed worker, "
        "or of a lost message, waits as long.",
    )
    beat_lease: timedelta = setting(
        "beat-lease",
        flags.duration,
        "5s",
        "Time after which a standby takes over from a silent beat: below the shortest analysis "
        "interval of 10s, so that no tick is missed.",
    )
    shard: Shard = setting(
        "shard",
        flags.shard,
        str(shards.WHOLE),
        "Which part of the namespaces a beat watches: i/n is the i-th, from 0, of n, by a hash of "
        "the name. All beats of an installation have the same n, and each i needs beats of its "
        "own; one leader watches thousands of canaries, hence one part.",
    )
    agenda_poll: timedelta = setting(
        "agenda-poll",
        flags.duration,
        "100ms",
        "Time between looks at what is due: the greatest lateness of a tick on an idle system, "
        "at one cheap Redis command each. While all canaries are at rest, a second: changes are "
        "seen by watching.",
    )
    max_in_flight: int = setting(
        "max-in-flight",
        flags.whole(1, 10_000),
        "500",
        "Canaries whose ticks may wait in the queue. What is due beyond them waits on the agenda, "
        "where a rollback or a check passes whatever is less urgent, and does not count. Enough "
        "for workers that do 5,000 ticks a second, and the queue holds no more than they do in "
        "seconds.",
    )


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Jobs done at once by one worker process of each role."""

    analysis_concurrency: int = setting(
        "analysis-concurrency",
        flags.whole(1, 1_000),
        "8",
        "Jobs of ticks and of workload writes at once, each of one canary or of many that were "
        "due together; they mostly wait for metric queries.",
    )
    hooks_concurrency: int = setting(
        "hooks-concurrency",
        flags.whole(1, 1_000),
        "128",
        "Webhooks at once; they may take minutes and only wait. One canary has half of them at "
        "most, one namespace three quarters, so that those that hang keep no other waiting.",
    )
    routing_concurrency: int = setting(
        "routing-concurrency",
        flags.whole(1, 1_000),
        "4",
        "Jobs of route writes at once, each of one canary or of many; a job has up to 32 requests "
        "under way.",
    )
    report_concurrency: int = setting(
        "report-concurrency",
        flags.whole(1, 1_000),
        "4",
        "Jobs of status writes and events at once, each of one canary or of many.",
    )


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What the processes themselves show."""

    port: int = setting(
        "port",
        flags.port,
        "8080",
        "Port of health endpoints and metrics, 0 for any free one; Flagger's default. `coalmine "
        "up` refuses it: each of its processes takes a free one, and logs it.",
        env="LISTEN_PORT",
    )
    targets_dir: str | None = setting(
        "targets-dir",
        str,
        "",
        "Folder in which each process writes where its metrics are, as Prometheus reads it "
        "(file_sd_configs); nowhere by default. For `coalmine up`: in a cluster Prometheus finds "
        "the pods itself.",
    )
    log_level: str = setting(
        "log-level",
        flags.log_level,
        "info",
        "debug, info, warn, error, fatal or panic. Flagger's own default is debug; all its "
        "install methods set info.",
    )

    @property
    def python_log_level(self) -> str:
        """The level as Python's logging names it."""
        return flags.LOG_LEVELS[self.log_level]
