"""How bringing about an intent ended: the one answer of all lanes' writers, as values.

`written` are the objects that the call wrote, `observed` those it had to read again without
writing them; both by role and in the form in which they are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clients.documents.world import Value

Objects = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Applied:
    """Everything is as intended, after writing or without."""

    written: Objects = field(default_factory=dict)
    observed: Objects = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Superseded:
    """The intent is not to be brought about any more; what is left is for a newer one.

    `message` says what has become of it.
    """

    message: str
    written: Objects = field(default_factory=dict)
    observed: Objects = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One object that is not as intended, and why.

    `reason` is a CamelCase word, `message` names object and cause in the texts users know from
    events. `retriable` is False when the same write would be refused again.
    """

    role: str
    reason: str
    message: str
    retriable: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """At least one object is not as intended; the first of `refusals` is the gravest.

    `in_force` tells whether what the rollout waits for is as intended all the same.
    """

    refusals: tuple[Refusal, ...]
    written: Objects = field(default_factory=dict)
    observed: Objects = field(default_factory=dict)
    in_force: bool = False

    @property
    def message(self) -> str:
        """What is wrong, a line for each different refusal."""
        return "\n".join(dict.fromkeys(refusal.message for refusal in self.refusals))

    @property
    def retriable(self) -> bool:
        """Whether trying again soon may help any of them."""
        return any(refusal.retriable for refusal in self.refusals)


Outcome = Applied | Superseded | Rejected
