"""A message queue in a test's hands."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from analysis.effects import Lane
from config.refs import CanaryRef


@dataclass(frozen=True)
class Message:
    """One message in flight; `kind` is tick, call, or a lane. `others` are of the same batch."""

    kind: str
    ref: CanaryRef
    round: int = 0
    key: str = ""
    others: tuple[CanaryRef, ...] = ()


@dataclass
class Bag:
    """Messages not delivered yet, oldest first. A dispatcher.

    Each canary has messages of its own, for tests to lose and reorder, unless `batches`.
    """

    messages: list[Message] = field(default_factory=list)
    sent: int = 0
    batches: bool = False

    def tick(self, refs: Sequence[CanaryRef]) -> None:
        """Have the canaries looked at."""
        self._nudge("tick", refs)

    def reconcile(self, refs: Sequence[CanaryRef], lane: Lane) -> None:
        """Have the reconciler of a lane look at the canaries."""
        self._nudge(lane.value, refs)

    def _nudge(self, kind: str, refs: Sequence[CanaryRef]) -> None:
        if self.batches:
            self.put(Message(kind, refs[0], others=tuple(refs[1:])))
            return
        for ref in refs:
            self.put(Message(kind, ref))

    def call(self, ref: CanaryRef, round_id: int, key: str) -> None:
        """Have one hook of a round called."""
        self.put(Message("call", ref, round_id, key))

    def put(self, message: Message) -> None:
        """Adds a message."""
        self.sent += 1
        self.messages.append(message)
