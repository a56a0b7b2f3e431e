"""What `coalmine wait` can wait for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Goal(StrEnum):
    """What can be waited for."""

    INITIALIZED = "initialized"
    """The primary serves."""
    PROMOTED = "promoted"
    """The primary runs what is asked about, by a rollout or from the beginning."""
    SUCCEEDED = "succeeded"
    """The same, by a rollout."""
    FAILED = "failed"
    """What is asked about was rolled back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is waited for; `revision` is a mark of the status, an image, its tag or its digest.

    Empty: whatever the target holds.
    """

    goal: Goal
    revision: str = ""
