"""One run of a reconciler: what is wanted, and what was known when it began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from analysis.phases import Phase
from analysis.state import RolloutState
from clients.documents.confirmed import Confirmed
from clients.documents.notice import Untold
from clients.documents.outcome import Objects
from clients.documents.world import World
from clients.kube.protocol import Kube
from clients.redis.records import Snapshot
from config.api.canary import Canary
from config.refs import CanaryRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run under the lease `token`: what is wanted, and what was known when it began.

    `seq` is the number of the intent, `is_first` whether it was not in force before: later runs
    only mend drift. `canary` is the last good manifest, `confirmed` what had been brought about
    before; `strays` are what a run before has written or read and was not believed, as far as
    nobody else has said anything since. Of the `untold` notices, the ids of those that have been
    told are added to `told`. `kube` refuses calls that would outlive the lease. `superseded` asks
    whether the intent is not the newest any more.
    """

    ref: CanaryRef
    token: str
    seq: int
    is_first: bool
    confirmed: Confirmed
    snapshot: Snapshot
    state: RolloutState
    canary: Canary | None
    strays: Objects
    untold: Untold
    told: list[str]
    kube: Kube
    superseded: Callable[[], bool]
    now: Callable[[], datetime]

    @property
    def wanted(self) -> Canary | None:
        """The manifest to act on; None when there is nothing to be brought about.

        That is so for a canary that was never accepted, or is going away and has nothing to undo,
        and as long as nothing was intended yet.
        """
        admission = self.snapshot.world.admission
        is_left = admission is None or admission.deleting
        leaves = is_left and self.state.phase is not Phase.TERMINATING
        return None if leaves or self.seq == 0 else self.canary

    @property
    def world(self) -> World:
        """What was last seen of the cluster, by the watches or by ourselves."""
        return self.snapshot.world.with_objects(self.strays)


class Strays(NamedTuple):
    """Objects of a run that was not believed, and the world that they were computed from."""

    objects: Objects
    over: World

    def still_newest(self, world: World) -> Objects:
        """Those of which `world` says what it said before: a watcher that spoke knows better."""
        before, now = self.over.by_role(), world.by_role()
        return {
            role: value for role, value in self.objects.items() if now.get(role) == before.get(role)
        }
