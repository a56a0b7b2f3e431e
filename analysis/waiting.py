"""What a canary waits for: told at once, and again for as long as it lasts. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

NEWS: Final = timedelta(seconds=10)
"""How soon other words for the same reason are told: pods become ready one by one, or flap."""

ON_THE_WAY: Final = timedelta(seconds=10)
"""For how long nothing is said of pods that a phase has asked for: the shortest interval, after
which Flagger would have looked first."""

_VARYING: Final = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{4,}\b")
"""Ports, times and identifiers: what differs between two accounts of the same refusal."""

REPEAT: Final = timedelta(minutes=5)
"""How often a wait is told again: whoever looks at the events of the last hour sees it."""


class WaitReason(StrEnum):
    """What is waited for; CamelCase, as conditions have it."""

    NOT_ACCEPTED = "NotAccepted"
    NOT_WATCHED = "NotWatched"
    TARGET_NOT_FOUND = "TargetNotFound"
    CONFIGS_UNKNOWN = "ConfigsUnknown"
    CONFIGS_LOST = "ConfigsLost"
    PRIMARY_NOT_READY = "PrimaryNotReady"
    PRIMARY_LOST = "PrimaryLost"
    CANARY_NOT_READY = "CanaryNotReady"
    TARGET_RUNS = "TargetRuns"
    HOOKS_UNANSWERED = "HooksUnanswered"
    CHECKS_UNDECIDED = "ChecksUndecided"
    ROLLOUT_NOT_CONFIRMED = "RolloutNotConfirmed"
    INCREASE_NOT_CONFIRMED = "TrafficIncreaseNotConfirmed"
    PROMOTION_NOT_CONFIRMED = "PromotionNotConfirmed"
    NOT_APPLIED = "NotApplied"
    WRITE_REFUSED = "WriteRefused"


GATES: Final = frozenset(
    {
        WaitReason.ROLLOUT_NOT_CONFIRMED,
        WaitReason.INCREASE_NOT_CONFIRMED,
        WaitReason.PROMOTION_NOT_CONFIRMED,
    }
)
"""A gate is closed."""

KNOWN_AT_CHECKS: Final = GATES | {
    WaitReason.NOT_ACCEPTED,
    WaitReason.HOOKS_UNANSWERED,
    WaitReason.CHECKS_UNDECIDED,
    WaitReason.NOT_APPLIED,
    WaitReason.CONFIGS_UNKNOWN,
}
"""Reasons that last from one check to the next: only then it shows whether they still hold."""

_OPEN: Final = (
    "open the gate; a new value of the annotation coalmine.dev/nudge has it asked at once"
)

WAYS_OUT: Final[Mapping[WaitReason, str]] = {
    **dict.fromkeys(GATES, _OPEN),
    WaitReason.NOT_ACCEPTED: "mend what it names, or apply the manifest before it",
    WaitReason.NOT_WATCHED: "let the beat's ServiceAccount list and watch that kind (deploy/rbac)",
    WaitReason.TARGET_NOT_FOUND: "create the target, or correct spec.targetRef",
    WaitReason.CONFIGS_UNKNOWN: "create what is not found, or make the reference to it optional",
    WaitReason.CONFIGS_LOST: "see who changes the copies; edit the originals instead",
    WaitReason.PRIMARY_NOT_READY: "see why the pods of the primary are not ready",
    WaitReason.PRIMARY_LOST: "a primary is made anew from the promoted revision only",
    WaitReason.CANARY_NOT_READY: "see why the pods of the target are not ready",
    WaitReason.TARGET_RUNS: "scale the target to zero; leave replicas out of what applies it",
    WaitReason.HOOKS_UNANSWERED: "see whether the endpoint answers, and whether hook workers run",
    WaitReason.CHECKS_UNDECIDED: "see whether the metrics server has values for the checks",
    WaitReason.NOT_APPLIED: (
        "it is asked for again every few seconds; see whether workers run, or who undoes it"
    ),
    WaitReason.WRITE_REFUSED: (
        "it is tried again every few seconds; remove what refuses it, or install what is not found"
    ),
}
"""What its reader can do about each; everything goes on by itself once the cause is gone."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A cause that keeps a canary standing still.

    `since` is when waiting for this reason began; this `message` was told first at `first_told`,
    last at `told_at`, and so many `times`.
    """

    reason: WaitReason
    message: str
    since: datetime
    first_told: datetime
    told_at: datetime
    times: int = 1

    @property
    def told_again_at(self) -> datetime:
        """When it is to be told again."""
        return self.told_at + REPEAT


def told(before: Waiting | None, reason: WaitReason, message: str, now: datetime) -> Waiting:
    """The wait for `reason`, told `now`; `before` is what was waited for until now."""
    if before is None or before.reason is not reason:
        return Waiting(reason, message, now, now, now)
    if before.message != message:
        return Waiting(reason, message, before.since, now, now)
    return Waiting(reason, message, before.since, before.first_told, now, before.times + 1)


def is_due(before: Waiting | None, reason: WaitReason, message: str, now: datetime) -> bool:
    """Whether `message` is to be told `now`: it is news, or was told too long ago.

    Other words for the same reason are news after `NEWS`; other ports, times and identifiers
    alone, which an API server's words name, are none.
    """
    if before is None or before.reason is not reason or now >= before.told_again_at:
        return True
    is_new = _VARYING.sub("", before.message) != _VARYING.sub("", message)
    return is_new and now >= before.told_at + NEWS
