"""`Canary.status`: what Flagger's users read, and the version of our state that it shows."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from config.api.model import (
    EMPTY_IS_UNSET,
    Int64,
    Model,
    StringMap,
    Text,
    Timestamp,
    Whole,
    described,
)


class StatusPhase(StrEnum):
    """Position of a rollout; the texts are what `kubectl get canary` prints."""

    INITIALIZING = "Initializing"
    INITIALIZED = "Initialized"
    WAITING = "Waiting"
    PROGRESSING = "Progressing"
    WAITING_PROMOTION = "WaitingPromotion"
    PROMOTING = "Promoting"
    FINALISING = "Finalising"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TERMINATING = "Terminating"
    TERMINATED = "Terminated"


ANALYSING: Final = frozenset({StatusPhase.PROGRESSING, StatusPhase.WAITING_PROMOTION})
PROMOTING: Final = frozenset({StatusPhase.PROMOTING, StatusPhase.FINALISING})
IN_ROLLOUT: Final = ANALYSING | PROMOTING
"""Phases in which a canary has traffic, or is about to get some."""


class Condition(Model):
    """One condition, in the usual Kubernetes shape."""

    type: Text = Field(description="Kind of the condition, such as Promoted.")
    status: Text = Field(description="True, False or Unknown.")
    reason: Text = Field(description="CamelCase reason; for Promoted it equals the phase.")
    message: Text | None = described("The reason as a sentence.")
    last_update_time: Timestamp | None = described("When the condition was last written.")
    last_transition_time: Timestamp | None = described("When its status last changed.")
    observed_generation: Int64 | None = described("Generation of the canary it speaks about.")


class CanaryStatus(Model):
    """The state of the rollout as last reported; written by the controller only."""

    phase: Annotated[StatusPhase | None, EMPTY_IS_UNSET] = described(
        "Position of the rollout; empty for a canary never seen before.",
        enum=["", *(phase.value for phase in StatusPhase)],
    )
    failed_checks: Whole = described("Failed checks of the current rollout.", 0)
    canary_weight: Whole = described("Percent of traffic at the canary, as last recorded.", 0)
    iterations: Whole = described(
        "Iterations done; -1 while a weighted rollout awaits promotion.", 0
    )
    tracked_configs: StringMap = described(
        "configmap/<name> or secret/<name> to the checksum of its content.", {}
    )
    last_applied_spec: Text | None = described("Hash of the target's revision last seen.")
    last_promoted_spec: Text | None = described("Hash of the revision last promoted.")
    last_transition_time: Timestamp | None = described("When the phase last changed.")
    session_affinity_cookie: Text | None = described("Cookie of the current rollout as name=value.")
    previous_session_affinity_cookie: Text | None = described(
        "Cookie of the finished rollout, kept to expire it at the clients."
    )
    primary_session_affinity_cookie: Text | None = described("Cookie of the primary.")
    conditions: tuple[Condition, ...] = described(
        "Conditions; Promoted tells how the latest rollout stands.", ()
    )
