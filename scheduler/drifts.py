"""Which lanes of canaries have perhaps drifted from what is wanted, and when to ask. No I/O."""

from __future__ import annotations

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
    due: float
    nudges: int = 0


class Drifts:
    """The changes that are not known to be our own. For one thread."""

    def __init__(self, clock: Clock, again: timedelta) -> None:
        """`again` after a nudge it is repeated, unless what changed is our own by then."""
        self._clock = clock
        self._again = again.total_seconds()
        # Each role for itself: an edited manifest is never our own, and would take every later
        # write of ours with it.
        self._suspected: dict[Drift, dict[str, _Suspicion]] = {}
        self._nudged: dict[Drift, float] = {}

    def note(
        self, ref: CanaryRef, changed: Collection[str], hold: timedelta = news.OWN_WRITES
    ) -> None:
        """Suspect the lanes that the objects in these roles belong to, `hold` from now.

        An edited manifest is nobody's but the user's, and looked at now, with all else of its lane.
        """
        for lane, roles in projections.drifting(frozenset(changed)).items():
            wait = 0.0 if CANARY in roles else hold.total_seconds()
            due = self._clock.monotonic() + wait
            suspected = self._suspected.setdefault((ref, lane), {})
            for role in roles:
                earlier = suspected[role].due if role in suspected else due
                suspected[role] = _Suspicion(min(earlier, due))

    def ripe(self) -> Mapping[Drift, frozenset[str]]:
        """What is to be looked at now: the roles that changed."""
        now = self._clock.monotonic()
        since = now - PAUSE.total_seconds()
        self._nudged = {drift: at for drift, at in self._nudged.items() if at > since}
        due = {
            drift: frozenset(role for role, known in roles.items() if known.due <= now)
            for drift, roles in self._suspected.items()
            if drift not in self._nudged
        }
        return {drift: roles for drift, roles in due.items() if roles}

    def nudge(self, drift: Drift, roles: Collection[str]) -> None:
        """Note that its reconciler was asked to look because of these roles."""
        now = self._nudged[drift] = self._clock.monotonic()
        for role in roles:
            known = self._suspected[drift][role]
            known.nudges += 1
            known.due = now + self._again
            if known.nudges == NUDGES:
                self.dismiss(drift, [role])

    def dismiss(self, drift: Drift, roles: Collection[str]) -> None:
        """Suspect these roles no more."""
        suspected = self._suspected.get(drift, {})
        for role in roles:
            suspected.pop(role, None)
        if not suspected:
            self._suspected.pop(drift, None)

    def forget(self, ref: CanaryRef) -> None:
        """Suspect nothing of a canary that is gone."""
        for lane in Lane:
            self._suspected.pop((ref, lane), None)
