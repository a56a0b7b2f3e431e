"""Leader leases: which process acts, of several that could."""

from __future__ import annotations

from datetime import timedelta

from clients.redis import keys, scripts


class Leases(scripts.Door):
    """One lease per role of which there is one leader (beat, watch)."""

    def acquire(self, name: str, holder: str, ttl: timedelta) -> int | None:
        """The fencing token of the lease `name`, for `ttl` from now; None while another has it.

        The same holder renews it and keeps its token. Tokens of later holders are greater, also
        after Redis was emptied.
        """
        names = [keys.LEADER.named(name), keys.FENCE.only]
        reply = self._run("acquire", names, [holder, scripts.span(ttl)])
        return int(reply) if reply else None

    def release(self, name: str, holder: str) -> bool:
        """Whether the lease was `holder`'s, and is free now."""
        return bool(self._run("release", [keys.LEADER.named(name)], [holder]))
