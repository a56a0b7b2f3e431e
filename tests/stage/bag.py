"""A message queue in a test's hands."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from analysis.effects import Lane
from config.refs import CanaryRef


@dataclass(frozen=True)
class Message:
    """One message in flight; `kind` is tick, call, or a lane."""

    kind: str
    ref: CanaryRef
    round: int = 0
    key: str = ""


@dataclass
class Bag:
    """Messages not delivered yet, oldest first. A dispatcher."""

    messages: list[Message] = field(default_factory=list)
    sent: int = 0

    def tick(self, refs: Sequence[CanaryRef]) -> None:
        """Have the canaries looked at: a message each, for tests to lose and reorder."""
        for ref in refs:
            self.put(Message("tick", ref))

    def reconcile(self, refs: Sequence[CanaryRef], lane: Lane) -> None:
        """Have the reconciler of a lane look at the canaries."""
        for ref in refs:
            self.put(Message(lane.value, ref))

    def call(self, ref: CanaryRef, round_id: int, key: str) -> None:
        """Have one hook of a round called."""
        self.put(Message("call", ref, round_id, key))

    def put(self, message: Message) -> None:
        """Adds a message."""
        self.sent += 1
        self.messages.append(message)
