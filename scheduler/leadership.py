"""Which beat leads: a lease in Redis, and a term by the clock of this process."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from clients import errors
from clients.clock import Clock
from clients.redis.store import Store
from config.realms import Realm
from config.shards import WHOLE, Shard

RENEWALS: Final = 3
"""Attempts to renew within one life of the lease."""


class Leadership:
    """One candidate, `holder`, for the lease of a shard.

    `refusal` says why this one cannot lead at all: others share the namespaces out differently, or
    are of another installation.
    """

    def __init__(
        self, store: Store, holder: str, ttl: timedelta, clock: Clock, shard: Shard = WHOLE
    ) -> None:
        self._store = store
        self._holder = holder
        self._ttl = ttl
        self._clock = clock
        self._shard = shard
        self._token: int | None = None
        self._asked_at = 0.0
        self.refusal = ""

    def represent(self, realm: Realm) -> None:
        """Lets other candidates know of which installation this one is; before the first lease."""
        self._holder += f" {realm}"

    def term(self) -> int | None:
        """The fencing token of the lease; None when the lease may have passed to another.

        Another token if anybody may have led between. By this machine's clock, from when the lease
        was asked for: a pause of this process or a silent Redis ends it too.
        """
        token = self._token
        return token if self._age() < self._ttl.total_seconds() else None

    def keep(self) -> bool:
        """Whether this process leads; gets or renews the lease when it is time.

        Raises Transient while Redis is away: then `term` says how long to go on.
        """
        if self.term() is not None and self._age() < self._ttl.total_seconds() / RENEWALS:
            return True
        return self.renew()

    def renew(self) -> bool:
        """As `keep`, when Redis may have lost the lease before its time."""
        asked_at = self._clock.monotonic()
        try:
            token = self._store.acquire(self._holder, self._ttl, self._shard)
            self._token, self.refusal = token, ""
        except errors.Conflict as error:
            self._token, self.refusal = None, error.message
        self._asked_at = asked_at
        return self._token is not None

    def resign(self) -> None:
        """Lets another lead at once. Raises the errors of the store."""
        self._token = None
        self._store.release(self._holder)

    def _age(self) -> float:
        return self._clock.monotonic() - self._asked_at
