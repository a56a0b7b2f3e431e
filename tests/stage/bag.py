"""A message queue in a test's hands."""

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

    def tick(self, ref: CanaryRef) -> None:
        """Have the canary looked at."""
        self.put(Message("tick", ref))

    def reconcile(self, ref: CanaryRef, lane: Lane) -> None:
        """Have the reconciler of a lane look at the canary."""
        self.put(Message(lane.value, ref))

    def call(self, ref: CanaryRef, round_id: int, key: str) -> None:
        """Have one hook of a round called."""
        self.put(Message("call", ref, round_id, key))

    def put(self, message: Message) -> None:
        """Adds a message."""
        self.sent += 1
        self.messages.append(message)
