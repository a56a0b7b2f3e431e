"""What converging starts from and how it ends: values only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from clients.documents.world import WorkloadView


@dataclass(frozen=True, slots=True)
class Views:
    """The workloads as last seen, and the generations that our own last writes made.

    A view that shows an older generation than ours is not to be trusted. `left_by` are the uids of
    canaries whose primary becomes this one's, since they have turned to another target.
    """

    target: WorkloadView | None
    primary: WorkloadView | None
    target_generation: int = 0
    primary_generation: int = 0
    left_by: Collection[str] = ()

    @property
    def current_target(self) -> WorkloadView | None:
        """The view of the target, None unless it shows our own last write to it."""
        return _current(self.target, self.target_generation)

    @property
    def current_primary(self) -> WorkloadView | None:
        """The view of the primary, None unless it shows our own last write to it."""
        return _current(self.primary, self.primary_generation)


@dataclass(frozen=True, slots=True)
class Converged:
    """All is as intended; the views of what had to be written or read live, None for nothing."""

    target: WorkloadView | None = None
    primary: WorkloadView | None = None

    def views(self) -> dict[str, WorkloadView]:
        """The new views by role, for whoever keeps what was last seen."""
        found = {"target": self.target, "primary": self.primary}
        return {role: view for role, view in found.items() if view is not None}


@dataclass(frozen=True, slots=True)
class Superseded:
    """The target, as it is in `target`, no longer holds what was to be promoted.

    Nothing was copied.
    """

    message: str
    target: WorkloadView


@dataclass(frozen=True, slots=True)
class Rejected:
    """What was to be done cannot be; `retriable` says whether asking again can help."""

    message: str
    retriable: bool


Result = Converged | Superseded | Rejected


def _current(view: WorkloadView | None, written: int) -> WorkloadView | None:
    return view if view is not None and view.generation >= written else None
