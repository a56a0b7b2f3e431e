"""What is stored about one canary, written straight into a store."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from analysis import state as states
from analysis.state import RolloutState
from clients.clock import ManualClock
from clients.documents.confirmed import Confirmation, Confirmed, Lane
from clients.documents.notice import Notice
from clients.documents.world import Admission, World
from clients.redis.records import Basis, Commit, Work
from config.refs import CanaryRef
from tests.fakes import memory_redis
from tests.fakes.kube import FakeKube
from tests.stores import DirectStore
from tests.unit.analysis import worlds

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REF: Final = CanaryRef("shop", "cart")
ADMISSION: Final = Admission(uid="u1", generation=1)


@dataclass
class Room:
    """A store and a cluster, and nothing that runs by itself."""

    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    kube: FakeKube = field(init=False)
    store: DirectStore = field(init=False)

    def __post_init__(self) -> None:
        """An empty cluster and an empty Redis."""
        self.kube = FakeKube(self.clock)
        self.store = DirectStore(memory_redis.connect(), self.clock.now)
        memory_redis.confirm(self.store)
        self.put(canary=worlds.a_manifest(), admission=ADMISSION)

    def put(self, **roles: Any) -> None:
        """What the watches have shown; None: it is gone."""
        self.store.put_world(REF, World(**roles), roles)

    def commit(self, state: RolloutState, *notices: Notice) -> int:
        """A decision."""
        version = self.store.read(REF).version
        commit = Commit(expected=version, state=states.to_json(state), notices=notices)
        made = self.store.commit(REF, commit)
        assert made is not None
        return made

    def brought_about(self, uid: str, route_seq: int) -> None:
        """The route of `uid`, up to this intent, as its writer confirms it."""
        said = Confirmation(lane=Lane.ROUTE, seq=route_seq)
        assert self.store.confirm(REF, said, Basis(uid=uid), over=World(), wake=False)

    def reviewed(self, **changes: Any) -> None:
        """The admission with `changes`."""
        self.put(admission=replace(ADMISSION, **changes))

    def confirmed(self) -> Confirmed:
        """What the writers have confirmed."""
        return self.store.read(REF).confirmed

    def is_due(self) -> bool:
        """Whether the canary was woken; it is not any more, afterwards."""
        due = self.store.agenda().get(REF)
        self.store.finish(REF, Work.TICK, self.take_tick(), NOW + timedelta(days=1))
        return due is not None and due <= self.clock.now()

    def take_tick(self) -> str:
        """The token of the tick lease."""
        begun = self.store.begin(REF, Work.TICK, timedelta(seconds=30))
        assert begun is not None
        return begun.token


def a_state(**changes: Any) -> RolloutState:
    """A rollout under way at 20 percent, desired and not confirmed."""
    return replace(worlds.progressing(20), **changes)
