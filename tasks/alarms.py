"""What is wrong with a canary by its state, as an Alertmanager is told. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from analysis.phases import ENDING
from analysis.rules import gates
from analysis.state import RolloutState
from config.api.canary import Canary
from notify.channels.alertmanager import Alarm, Firing

_GATES: Final = {gate.reason: kind for kind, gate in gates.TABLE.items()}
"""What is waited for, and the type of the webhooks that are asked about it."""


def firing(
    state: RolloutState, canary: Canary, now: datetime, gate_wait: timedelta
) -> tuple[Firing, ...]:
    """What fires `now`; a gate does when it has kept the canary waiting for `gate_wait`.

    Gates do not that the manifest of `canary` mutes.
    """
    return () if state.phase in ENDING else tuple(_firing(state, canary, now, gate_wait))


def _firing(
    state: RolloutState, canary: Canary, now: datetime, gate_wait: timedelta
) -> Iterator[Firing]:
    if state.failed_since:
        words = state.failure or "The last release failed, and none has succeeded since."
        yield Firing(Alarm.FAILED, state.failed_since, words)
    wait = state.waiting
    kind = _GATES.get(wait.reason) if wait else None
    asked = [hook for hook in canary.spec.analysis.webhooks if hook.type is kind]
    is_muted = all(hook.mute_alert for hook in asked)
    if wait and kind and not is_muted and now >= wait.since + gate_wait:
        yield Firing(Alarm.GATE, wait.since + gate_wait, wait.message)
