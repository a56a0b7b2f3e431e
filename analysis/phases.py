"""The phases of a rollout and the moves between them, as data.

Everything that says *where* a rollout may go lives here; *when* it goes is `rules`. The diagram
in `docs/phases.md` is generated from these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where a rollout stands; the words are Flagger's, except `PROMOTION_FAILED`."""

    NEW = ""
    INITIALIZING = "Initializing"
    INITIALIZED = "Initialized"
    WAITING = "Waiting"
    PROGRESSING = "Progressing"
    WAITING_PROMOTION = "WaitingPromotion"
    PROMOTING = "Promoting"
    FINALISING = "Finalising"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    PROMOTION_FAILED = "PromotionFailed"
    TERMINATING = "Terminating"
    TERMINATED = "Terminated"


MEANINGS: Final[Mapping[Phase, str]] = {
    Phase.NEW: "Known, but never accepted: nothing of it exists yet.",
    Phase.INITIALIZING: "The primary is being created; traffic still goes where the user sent it.",
    Phase.INITIALIZED: "The primary serves everything; waiting for a first change.",
    Phase.WAITING: "A new revision may not start: its `confirm-rollout` gate is closed.",
    Phase.PROGRESSING: "A new revision is scaled up, measured and given traffic step by step.",
    Phase.WAITING_PROMOTION: (
        "All steps are taken and the `confirm-promotion` gate is closed; the canary keeps its "
        "traffic and is measured at every interval."
    ),
    Phase.PROMOTING: (
        "The primary gets the analysed revision; traffic moves back once it is ready."
    ),
    Phase.FINALISING: "All traffic goes to the primary; that is to be in force.",
    Phase.SUCCEEDED: "The analysed revision is the primary's; the canary is or will be at zero.",
    Phase.FAILED: "Rolled back: the primary serves everything, the canary is or will be at zero.",
    Phase.PROMOTION_FAILED: (
        "The canary serves everything, as long as it has pods, and must keep running: the primary "
        "did not become ready with the analysed revision, or was lost. Shown as `Failed` with "
        "weight 100."
    ),
    Phase.TERMINATING: (
        "The canary is being deleted: its target gets its pods and its traffic back."
    ),
    Phase.TERMINATED: "Everything is as it was; the finalizer goes, and the canary with it.",
}


class IllegalTransition(Exception):
    """A rule tried a move that the table does not have; a defect, never a state of the world."""

    def __init__(self, source: Phase, target: Phase) -> None:
        super().__init__(f"no transition from {source.name} to {target.name}")


_FROM_REST: Final = frozenset(
    {Phase.INITIALIZING, Phase.WAITING, Phase.PROGRESSING, Phase.PROMOTION_FAILED}
)

_WHILE_IT_LIVES: Final[Mapping[Phase, frozenset[Phase]]] = {
    Phase.NEW: frozenset({Phase.INITIALIZING}),
    Phase.INITIALIZING: frozenset({Phase.INITIALIZED}),
    Phase.INITIALIZED: _FROM_REST,
    Phase.WAITING: frozenset(
        {Phase.INITIALIZING, Phase.INITIALIZED, Phase.PROGRESSING, Phase.FAILED}
        | {Phase.PROMOTION_FAILED}
    ),
    Phase.PROGRESSING: frozenset(
        {Phase.WAITING_PROMOTION, Phase.PROMOTING, Phase.FAILED, Phase.PROMOTION_FAILED}
    ),
    Phase.WAITING_PROMOTION: frozenset(
        {Phase.PROGRESSING, Phase.PROMOTING, Phase.FAILED, Phase.PROMOTION_FAILED}
    ),
    Phase.PROMOTING: frozenset(
        {Phase.FINALISING, Phase.PROGRESSING, Phase.FAILED, Phase.PROMOTION_FAILED}
    ),
    Phase.FINALISING: frozenset({Phase.SUCCEEDED, Phase.PROMOTION_FAILED}),
    Phase.SUCCEEDED: _FROM_REST,
    Phase.FAILED: _FROM_REST,
    Phase.PROMOTION_FAILED: frozenset({Phase.FINALISING, Phase.FAILED}),
}

TRANSITIONS: Final[Mapping[Phase, frozenset[Phase]]] = {
    **{
        phase: targets | {Phase.TERMINATING, Phase.TERMINATED}
        for phase, targets in _WHILE_IT_LIVES.items()
    },
    Phase.TERMINATING: frozenset({Phase.TERMINATED}),
    Phase.TERMINATED: frozenset(),
}
"""From each phase, the phases one decision may lead to. Staying where one is is always legal."""

ENDING: Final = frozenset({Phase.TERMINATING, Phase.TERMINATED})
"""Phases of a canary that is being deleted."""

RESTING: Final = frozenset(
    {
        Phase.INITIALIZED,
        Phase.WAITING,
        Phase.SUCCEEDED,
        Phase.FAILED,
        Phase.PROMOTION_FAILED,
        Phase.TERMINATED,
    }
)
"""Phases that can last for ever: nothing happens in them until the world changes."""

BROKEN: Final = frozenset({Phase.FAILED, Phase.PROMOTION_FAILED})
"""Phases in which a rollout has failed, and nothing has made up for it."""

ANALYSING: Final = frozenset({Phase.PROGRESSING, Phase.WAITING_PROMOTION})
"""Phases in which the canary is measured at every interval."""


def shown(phase: Phase) -> str:
    """The word for `phase` in `status.phase`, of which Flagger's clients know a fixed set."""
    return _SHOWN.get(phase, phase).value


_SHOWN: Final = {
    Phase.PROMOTION_FAILED: Phase.FAILED,
    Phase.TERMINATED: Phase.TERMINATING,
}
