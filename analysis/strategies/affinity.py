"""The cookies of a rollout: whom they keep on which side is the route's business.

Source: docs/compatibility/routing.md, "Session affinity".
"""

from __future__ import annotations

import hashlib
import string
from typing import Final

from analysis.state import RolloutState
from config.api.canary import Canary
from config.traffic import Affinity

_LETTERS: Final = string.ascii_letters
_LENGTH: Final = 10


def cookies(
    canary: Canary, state: RolloutState, weight: int, present: Affinity | None
) -> Affinity | None:
    """The cookies of the step to `weight`; None for a canary without session affinity.

    The canary's cookie lasts for the whole rollout: a `present` one is kept, whatever the manifest
    calls it by now, or those who have it would be divided anew, and nobody would take it back. The
    primary's is another one at each step, so that its users are divided anew.
    """
    wanted = canary.spec.analysis.session_affinity
    if wanted is None:
        return None
    held = present.canary if present else ""
    is_primary_now = held.startswith(f"{wanted.primary_cookie_name}=")
    return Affinity(
        canary=(not is_primary_now and held) or _cookie(state, wanted.cookie_name, "canary"),
        primary=_cookie(state, wanted.primary_cookie_name, f"primary {weight}"),
    )


def _cookie(state: RolloutState, name: str | None, purpose: str) -> str:
    """The cookie of that name; empty without one.

    Its value is 10 letters, the same whoever computes it for this rollout, and guessed by nobody
    who does not know the uid of the Canary.
    """
    if not name:
        return ""
    rollout = f"{state.uid} {state.applied} {state.since.isoformat()} {purpose}"
    number = int.from_bytes(hashlib.sha256(rollout.encode()).digest())
    digits = (number // len(_LETTERS) ** place % len(_LETTERS) for place in range(_LENGTH))
    return f"{name}={''.join(_LETTERS[digit] for digit in digits)}"
