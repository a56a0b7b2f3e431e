"""By what texts of events are known again, by whoever reads them. Pure."""

from __future__ import annotations

from typing import Final

from config.refs import CanaryRef

HALT: Final = "Halt {canary} advancement "
"""How events of what keeps a canary where it is begin."""

PROBED: Final = "all the metrics providers are available!"
PROBE_FAILED: Final = "Error checking metric providers: "
"""What is told of the metrics servers when a canary is initialized; why not comes after it."""

NOT_SENT: Final = ": not sent: "
"""What stands between the field of an alert and why it was not sent."""


def halt(ref: CanaryRef) -> str:
    """How such an event about `ref` begins."""
    return HALT.format(canary=ref.dotted)


def cause(message: str) -> str:
    """What of an event comes after that beginning; the whole of one without it."""
    return message.partition(" advancement ")[2] or message
