"""What matters first: how urgent the next look at a canary is, and what asks for it.

Pure values, shared by every layer above; which rank a canary has is decided in `analysis`.
"""

from __future__ import annotations

from enum import IntEnum


class Rank(IntEnum):
    """How urgent work on a canary is; the smaller number goes first. The numbers stand in Redis."""

    ROLLBACK = 0
    """Requests are still to be taken away from a revision that has failed."""
    CHECK = 1
    """Requests reach the canary: it is to be measured, or brought to its end."""
    STEP = 2
    """A rollout goes on that no request has reached yet, or that none reaches any more."""
    REVISION = 3
    """Something about a canary at rest has changed, its revision perhaps."""
    INITIALIZATION = 4
    """The primary is being created, and traffic goes where it always went."""
    RESYNC = 5
    """A canary at rest is looked at, in case that something was missed."""
