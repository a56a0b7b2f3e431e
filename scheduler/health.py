"""How a beat is doing, as probes ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from scheduler.reflector import Contact


class Role(StrEnum):
    """What this process does."""

    LEADER = "leader"
    STANDBY = "standby"


@dataclass(frozen=True, slots=True)
class Health:
    """One look at a beat."""

    role: Role
    synced: bool
    """Whether the leader has listed all it can; a standby has nothing to list."""
    redis: bool
    """Whether the last command to Redis or the queue went well."""
    claimed_seconds_ago: float | None
    """Since the agenda was last read; None: never, by this process."""
    still_seconds: float
    """Since the loop last turned, which it does whether it leads or not."""
    watches: tuple[Contact, ...]
    shard: str
    """The part of the namespaces that this is a beat for."""
    refusal: str
    """Why it cannot lead beside those who do; empty where it could."""

    def is_live(self, longest: timedelta) -> bool:
        """Whether the process does its work; `longest` is how long its loop may stand still.

        Redis being away is not mended by a restart.
        """
        return not self.redis or self.still_seconds < longest.total_seconds()

    def is_ready(self) -> bool:
        """Whether a leader leads with a full picture, or a standby could take over.

        So could one that is refused for now, when those who lead have ended. Where it replaces
        them, as in an update that changes namespaces or shards, they end as soon as it is ready.
        """
        has_all = self.synced and all(each.synced or each.absent for each in self.watches)
        is_complete = self.role is Role.STANDBY or has_all
        return self.redis and is_complete
