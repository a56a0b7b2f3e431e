"""A message queue in a test's hands."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analysis.effects import Lane
from clients.redis.records import Asked
from config.ranks import Rank
from config.refs import CanaryRef
from config.roles import Queue
from tasks import queues


@dataclass(frozen=True)
class Message:
    """One message in flight; `kind` is tick, call, or a lane. `others` are of the same batch."""

    kind: str
    ref: CanaryRef
    round: int = 0
    key: str = ""
    others: tuple[CanaryRef, ...] = ()
    rank: Rank = field(default=Rank.REVISION, compare=False)
    if_due: bool = field(default=False, compare=False)

    @property
    def asked(self) -> Asked:
        """The webhook that a call is about."""
        return Asked(self.ref, self.round, self.key)


@dataclass
class Bag:
    """Messages not delivered yet, oldest first. A dispatcher.

    Each canary has messages of its own, for tests to lose and reorder, unless `batches`.
    """

    messages: list[Message] = field(default_factory=list)
    sent: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """How many of each kind were sent."""
    batches: bool = False

    def tick(self, refs: Sequence[CanaryRef], rank: Rank) -> None:
        """Have the canaries looked at."""
        self._nudge("tick", refs, rank)

    def reconcile(
        self,
        refs: Sequence[CanaryRef],
        lane: Lane,
        rank: Rank,
        *,
        if_due: bool = False,
    ) -> None:
        """Have the reconciler of a lane look at the canaries."""
        self._nudge(lane.value, refs, rank, if_due=if_due)

    def _nudge(
        self, kind: str, refs: Sequence[CanaryRef], rank: Rank, *, if_due: bool = False
    ) -> None:
        if self.batches:
            self.put(Message(kind, refs[0], others=tuple(refs[1:]), rank=rank, if_due=if_due))
            return
        for ref in refs:
            self.put(Message(kind, ref, rank=rank, if_due=if_due))

    def call(self, asked: Sequence[Asked], rank: Rank) -> None:
        """Have webhooks called; each by a message of its own."""
        for each in asked:
            self.put(Message("call", each.ref, each.round, each.key, rank=rank))

    def waiting(self) -> Mapping[Queue, int]:
        """How many messages wait, by queue."""
        lanes = {lane.value: name for lane, name in queues.LANES.items()}
        names = {"tick": queues.TICK, "call": queues.CALL, **lanes}
        return Counter(queues.QUEUES[names[message.kind]] for message in self.messages)

    def put(self, message: Message) -> None:
        """Adds a message."""
        self.sent += 1
        self.kinds[message.kind] += 1
        self.messages.append(message)
