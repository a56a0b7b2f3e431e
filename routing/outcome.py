"""How bringing about a traffic intent ended, as values.

`written` are the objects this call wrote, `seen` those it had to read again without writing them;
both map a role to the newest object, for whoever keeps what was last observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from clients.kube.protocol import Object


@dataclass(frozen=True, slots=True)
class Applied:
    """Everything is as intended, after writing."""

    written: Mapping[str, Object]
    seen: Mapping[str, Object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Everything is as intended; nothing had to be written."""

    seen: Mapping[str, Object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Superseded:
    """Someone with a newer intent was faster; what is left to them."""

    written: Mapping[str, Object]
    seen: Mapping[str, Object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One object that is not as intended, and why.

    `reason` is a CamelCase word, `message` names object and cause in the texts users know from
    events. `retriable` is False when the same write would be refused again. `retry_after` is set
    when the API server named a time.
    """

    role: str
    reason: str
    message: str
    retriable: bool
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """At least one object is not as intended; the first of `refusals` is the gravest.

    `split_in_force` tells whether the weights are as intended all the same.
    """

    refusals: tuple[Refusal, ...]
    written: Mapping[str, Object]
    seen: Mapping[str, Object]
    split_in_force: bool

    @property
    def role(self) -> str:
        """The object of the gravest refusal."""
        return self.refusals[0].role

    @property
    def reason(self) -> str:
        """The reason of the gravest refusal."""
        return self.refusals[0].reason

    @property
    def message(self) -> str:
        """The message of the gravest refusal."""
        return self.refusals[0].message

    @property
    def retriable(self) -> bool:
        """Whether trying again soon may help any of them."""
        return any(refusal.retriable for refusal in self.refusals)

    @property
    def retry_after(self) -> timedelta | None:
        """The longest wait the API server asked for; None when it named no time."""
        waits = [refusal.retry_after for refusal in self.refusals if refusal.retry_after]
        return max(waits, default=None)


Outcome = Applied | Unchanged | Superseded | Rejected
