"""What operators set: frozen groups, built once from flags and environment, then passed down.

Names are Flagger's where it has the setting. In the environment a setting is `COALMINE_` and the
flag's name in capitals (`--mesh-provider` is COALMINE_MESH_PROVIDER); the port alone is
COALMINE_LISTEN_PORT, because Kubernetes sets COALMINE_PORT in every pod beside a Service named
coalmine. Empty means not given. Each setting's meaning, unit and the reason of its default are its
help text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Final

from config.settings import flags
from config.settings.alerting import AlertSettings
from config.settings.canaries import CanarySettings
from config.settings.flags import BadValue, Flag
from config.settings.groups import (
    KubernetesSettings,
    MetricsSettings,
    RedisSettings,
    SchedulerSettings,
    ServerSettings,
    SettingsError,
    WorkerSettings,
)
from config.validation.problems import shown

__all__ = ["FLAGS", "GROUPS", "Settings", "SettingsError"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that operators can set; `Settings()` holds the defaults."""

    redis: RedisSettings = field(default_factory=RedisSettings)
    kubernetes: KubernetesSettings = field(default_factory=KubernetesSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    canaries: CanarySettings = field(default_factory=CanarySettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)
    workers: WorkerSettings = field(default_factory=WorkerSettings)
    server: ServerSettings = field(default_factory=ServerSettings)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """The settings that the variables describe; other variables are ignored.

        Raises SettingsError with every problem found, each naming flag, variable, value and what
        is allowed.
        """
        values, problems = parsed(FLAGS, environ)
        settings = cls(**{name: group(**values[name]) for name, group in GROUPS.items()})
        problems.extend(_contradictions(settings))
        if problems:
            raise SettingsError(tuple(problems))
        return settings


LONGEST_LEASE: Final = timedelta(minutes=2)
"""Of any work; as in `clients/redis/lua/prelude.lua`, where one that ends later is disbelieved."""

GROUPS: Final[Mapping[str, Any]] = {each.name: each.default_factory for each in fields(Settings)}
"""The classes of the groups by name."""

#: Every setting, for building options and help.
FLAGS: Final[tuple[Flag, ...]] = tuple(
    flag for name, group in GROUPS.items() for flag in flags.declared(name, group)
)


def parsed(
    declared: Iterable[Flag], environ: Mapping[str, str]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What the variables say about the settings `declared`, by group and field; and the problems.

    Settings that are not given are left out.
    """
    values: dict[str, dict[str, Any]] = defaultdict(dict)
    problems: list[str] = []
    for flag in declared:
        text = environ.get(flag.flagger_env, "").strip() or environ.get(flag.env, "").strip()
        if not text:
            continue
        try:
            values[flag.group][flag.field] = flag.parse(text)
        except BadValue as error:
            problems.append(_bad_value(flag, text, error.allowed))
    return values, problems


def _bad_value(flag: Flag, given: str, allowed: str) -> str:
    value = "(hidden)" if flag.secret else shown(given)
    return f"{flag.option} ({flag.env}): {value}: allowed: {allowed}"


def _contradictions(settings: Settings) -> list[str]:
    """What single values do not show: a lease must outlast what is done under it."""
    scheduler, metrics = settings.scheduler, settings.metrics
    problems = []
    if scheduler.tick_lease <= metrics.timeout:
        problems.append("--tick-lease: must be longer than --metrics-timeout")
    if scheduler.tick_lease > LONGEST_LEASE:
        problems.append("--tick-lease: must be 2m at most")
    if scheduler.beat_lease < 3 * scheduler.agenda_poll:
        problems.append("--beat-lease: must be at least three times --agenda-poll")
    return problems
