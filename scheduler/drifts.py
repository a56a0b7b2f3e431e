"""Which lanes of canaries have perhaps drifted from what is wanted, and when to ask. No I/O."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from analysis import news
from analysis.effects import Lane
from clients.clock import Clock
from clients.documents.world import CANARY
from config.refs import CanaryRef
from scheduler import projections

Drift = tuple[CanaryRef, Lane]
"""A lane of a canary whose objects are perhaps not as wanted any more."""

PAUSE: Final = timedelta(seconds=2)
"""Between two nudges of one lane of a canary. Somebody who writes back whatever we mend is
answered at this pace, not at that of his writes."""

NUDGES: Final = 3
"""How often a lane is nudged about one change: a nudge is lost with the worker that has it."""


@dataclass(slots=True)
class _Suspicion:
    roles: frozenset[str]
    due: float
    nudges: int = 0


class Drifts:
    """The changes that are not known to be our own. For one thread."""

    def __init__(self, clock: Clock, again: timedelta) -> None:
        """`again` after a nudge it is repeated, unless what changed is our own by then."""
        self._clock = clock
        self._again = again.total_seconds()
        self._suspected: dict[Drift, _Suspicion] = {}
        self._nudged: dict[Drift, float] = {}

    def note(
        self, ref: CanaryRef, changed: Collection[str], hold: timedelta = news.OWN_WRITES
    ) -> None:
        """Suspect the lanes that the objects in these roles belong to, `hold` from now.

        An edited manifest is nobody's but the user's, and looked at now.
        """
        for lane, roles in projections.drifting(frozenset(changed)).items():
            wait = 0.0 if CANARY in roles else hold.total_seconds()
            self._suspect((ref, lane), roles, self._clock.monotonic() + wait)

    def ripe(self) -> Mapping[Drift, frozenset[str]]:
        """What is to be looked at now: the roles that changed."""
        now = self._clock.monotonic()
        since = now - PAUSE.total_seconds()
        self._nudged = {drift: at for drift, at in self._nudged.items() if at > since}
        return {
            drift: known.roles
            for drift, known in self._suspected.items()
            if known.due <= now and drift not in self._nudged
        }

    def nudge(self, drift: Drift) -> None:
        """Note that its reconciler was asked to look."""
        known, now = self._suspected[drift], self._clock.monotonic()
        self._nudged[drift] = now
        known.nudges += 1
        known.due = now + self._again
        if known.nudges == NUDGES:
            self.dismiss(drift)

    def dismiss(self, *drifts: Drift) -> None:
        """Suspect them no more."""
        for drift in drifts:
            self._suspected.pop(drift, None)

    def forget(self, ref: CanaryRef) -> None:
        """Suspect nothing of a canary that is gone."""
        self.dismiss(*((ref, lane) for lane in Lane))

    def _suspect(self, drift: Drift, roles: frozenset[str], due: float) -> None:
        known = self._suspected.get(drift, _Suspicion(frozenset(), math.inf))
        self._suspected[drift] = _Suspicion(known.roles | roles, min(known.due, due))
