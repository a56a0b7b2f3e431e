"""A message queue in a test's hands."""

from dataclasses import dataclass, field

from analysis.effects import Effect
from config.refs import CanaryRef


@dataclass(frozen=True)
class Message:
    """One message in flight; `kind` is tick, hooks, conclude, or an effect."""

    kind: str
    ref: CanaryRef
    round: int = 0
    count: int = 0
    answers: tuple[dict[str, object], ...] = ()


@dataclass
class Bag:
    """Messages not delivered yet, oldest first. A dispatcher."""

    messages: list[Message] = field(default_factory=list)
    sent: int = 0

    def tick(self, ref: CanaryRef) -> None:
        """Have the canary looked at."""
        self.put(Message("tick", ref))

    def effect(self, ref: CanaryRef, effect: Effect) -> None:
        """Have an effect brought about."""
        self.put(Message(effect.value, ref))

    def hooks(self, ref: CanaryRef, round_id: int, count: int) -> None:
        """Have the hooks of a round called."""
        self.put(Message("hooks", ref, round_id, count))

    def put(self, message: Message) -> None:
        """Adds a message."""
        self.sent += 1
        self.messages.append(message)
