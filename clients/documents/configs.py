"""What is known of the ConfigMaps and Secrets that pods refer to: names, versions, digests.

Never what they hold: that is read where it is used, and kept nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ConfigKind(StrEnum):
    """The kinds; the texts are those of `status.trackedConfigs`."""

    CONFIG_MAP = "configmap"
    SECRET = "secret"  # noqa: S105 - the word for a kind


@dataclass(frozen=True, slots=True, order=True)
class ConfigRef:
    """A ConfigMap or Secret that a pod template names, in the namespace of its workload.

    Pods start without an `optional` one.
    """

    kind: ConfigKind
    name: str
    optional: bool = False

    @property
    def key(self) -> str:
        """The reference as statuses and documents have it: `configmap/<name>`."""
        return f"{self.kind}/{self.name}"

    @classmethod
    def of(cls, key: str) -> ConfigRef:
        """The reference with that `key`. Raises ValueError."""
        kind, _, name = key.partition("/")
        return cls(ConfigKind(kind), name)


@dataclass(frozen=True, slots=True)
class Content:
    """What a ConfigMap or Secret held when it was read at `version`, its resourceVersion.

    `digest` is empty for one that is not tracked; both are for one that is not there.
    """

    version: str = ""
    digest: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether there was no such object."""
        return not self.version
