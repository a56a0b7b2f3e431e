"""`coalmine wait`: whether what is waited for has come, cannot come any more, or may still. Pure.

A status says nothing of a release that its controller has not seen yet: that a canary has succeeded
may be about the release before. So it counts only if it is about what the target holds now.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from cli.console.facts import Facts
from cli.console.goals import Asked, Goal
from cli.console.sides import Side
from config.api.status import StatusPhase

SHORTEST_MARK: Final = 6
"""Characters of a revision that are enough to name it."""

_BEGINNING: Final = frozenset({"", StatusPhase.INITIALIZING})
_GOOD: Final = frozenset({StatusPhase.INITIALIZED, StatusPhase.SUCCEEDED})
_ENDED: Final = _GOOD | {StatusPhase.FAILED}


class Outcome(Enum):
    """What has become of it."""

    PENDING = "pending"
    REACHED = "reached"
    MISSED = "missed"


def needs_sides(asked: Asked, canary: Facts) -> bool:
    """Whether the workloads must be known to judge."""
    return asked.goal is not Goal.INITIALIZED and canary.phase in _ENDED


def judge(asked: Asked, canary: Facts, primary: Side, target: Side, *, is_settled: bool) -> Outcome:
    """What has become of it.

    `is_settled`: a controller that had a new release to see would have seen it by now.
    """
    if canary.deleting:
        return Outcome.MISSED
    if asked.goal is Goal.INITIALIZED:
        return Outcome.PENDING if canary.phase in _BEGINNING else Outcome.REACHED
    if canary.phase in _GOOD and _is_promoted(asked, canary, primary, target):
        if asked.goal is Goal.FAILED:
            return Outcome.MISSED
        is_enough = asked.goal is Goal.PROMOTED or canary.phase == StatusPhase.SUCCEEDED
        return Outcome.REACHED if is_enough else Outcome.PENDING
    if canary.phase != StatusPhase.FAILED:
        return Outcome.PENDING
    if asked.goal is Goal.PROMOTED and not asked.revision and _is_back(canary, primary, target):
        return Outcome.REACHED
    if _has_failed(asked, canary, target, is_settled=is_settled):
        return Outcome.REACHED if asked.goal is Goal.FAILED else Outcome.MISSED
    return Outcome.PENDING


def names(revision: str, *, mark: str = "", images: tuple[str, ...] = ()) -> bool:
    """Whether `revision` is or begins `mark`, or is one of `images`, its tag or its digest."""
    if len(revision) >= SHORTEST_MARK and mark.startswith(revision):
        return True
    return any(
        image in {revision, f"docker.io/{revision}"}
        or image.endswith((f":{revision}", f"@{revision}"))
        for image in images
    )


def _is_promoted(asked: Asked, canary: Facts, primary: Side, target: Side) -> bool:
    if asked.revision:
        return names(asked.revision, mark=canary.promoted, images=primary.images)
    if not (primary.revision and target.revision):
        return True  # nothing but the status is known
    return primary.revision == target.revision


def _has_failed(asked: Asked, canary: Facts, target: Side, *, is_settled: bool) -> bool:
    if asked.revision and names(asked.revision, mark=canary.applied):
        return True
    if asked.revision and not names(asked.revision, images=target.images):
        return False
    is_about = is_about_target(canary, target)
    return is_settled if is_about is None else is_about


def _is_back(canary: Facts, primary: Side, target: Side) -> bool:
    """Whether the target of a failed canary was given back what the primary runs, and serves."""
    if canary.weight:
        return False  # the promotion failed: the primary has it, and is not ready
    if canary.applied and canary.applied == canary.promoted:
        return True
    is_known = bool(target.revision) and not canary.tracks_configs
    is_same = is_known and target.revision == primary.revision
    return is_same and is_about_target(canary, target) is not True


def is_about_target(canary: Facts, target: Side) -> bool | None:
    """Whether the status is about what the target holds now; None where that cannot be told.

    Marks of revisions are compared if they are ours, and of templates alone: what ConfigMaps and
    Secrets hold is not known here.
    """
    if not canary.is_ours or canary.tracks_configs or not target.revision:
        return None
    return canary.applied == target.revision
