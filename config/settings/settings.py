"""What operators set: frozen groups, built once from flags and environment, then passed down.

Names are Flagger's where it has the setting. In the environment a setting is `COALMINE_` and the
flag's name in capitals (`--mesh-provider` is COALMINE_MESH_PROVIDER); the port alone is
COALMINE_LISTEN_PORT, because Kubernetes sets COALMINE_PORT in every pod beside a Service named
coalmine. Empty means not given. Each setting's meaning, unit and the reason of its default are its
help text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from config.settings import flags
from config.settings.flags import BadValue, Flag
from config.settings.groups import (
    CanarySettings,
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
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)
    workers: WorkerSettings = field(default_factory=WorkerSettings)
    server: ServerSettings = field(default_factory=ServerSettings)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """The settings that the variables describe; other variables are ignored.

        Raises SettingsError with every problem found, each naming flag, variable, value and what
        is allowed.
        """
        values: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
        problems: list[str] = []
        for flag in FLAGS:
            given = environ.get(flag.env, "").strip() or environ.get(flag.flaggers, "").strip()
            if not given:
                continue
            try:
                values[flag.group][flag.field] = flag.parse(given)
            except BadValue as error:
                problems.append(_bad_value(flag, given, error.allowed))
        settings = cls(**{name: group(**values[name]) for name, group in GROUPS.items()})
        problems.extend(_contradictions(settings))
        if problems:
            raise SettingsError(tuple(problems))
        return settings


GROUPS: Final[Mapping[str, Any]] = {each.name: each.default_factory for each in fields(Settings)}
"""The classes of the groups by name."""

#: Every setting, for building options and help.
FLAGS: Final[tuple[Flag, ...]] = tuple(
    flag for name, group in GROUPS.items() for flag in flags.declared(name, group)
)


def _bad_value(flag: Flag, given: str, allowed: str) -> str:
    value = "(hidden)" if flag.secret else shown(given)
    return f"{flag.option} ({flag.env}): {value}: allowed: {allowed}"


def _contradictions(settings: Settings) -> list[str]:
    """What single values do not show: a lease must outlast what is done under it."""
    scheduler, metrics = settings.scheduler, settings.metrics
    found = []
    if scheduler.tick_lease <= metrics.timeout:
        found.append("--tick-lease: must be longer than --metrics-timeout")
    if scheduler.beat_lease < 3 * scheduler.agenda_poll:
        found.append("--beat-lease: must be at least three times --agenda-poll")
    return found
