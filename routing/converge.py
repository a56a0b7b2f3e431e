"""One object, written until it is as desired: the loop around read, compare and write.

Every write carries the `resourceVersion` it was computed from. When the object turns out to be
different from what was known, it is read again and rendered again; how often is bounded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from clients import errors
from clients.kube.protocol import Kube, Object
from routing import diff
from routing.router import Managed

TRIES: Final = 3
"""Writes of one object in one call: each further one follows a read after a conflict."""

CREATE: Final = "create"
UPDATE: Final = "update"
READ: Final = "get query"

Desired = Callable[[Object | None], Object]
"""What an object should be, given what it is."""


@dataclass(frozen=True, slots=True)
class Converged:
    """An object as desired. `wrote`: by this call; `reread`: the caller's copy was out of date."""

    object: Object
    wrote: bool
    reread: bool = False


class WriteFailed(Exception):
    """An object that could not be brought to what is desired; `doing` is what was refused."""

    def __init__(self, doing: str, error: errors.ClientError) -> None:
        super().__init__(f"{doing}: {error.message}")
        self.doing = doing
        self.error = error


class Overtaken(Exception):
    """Someone else changed the object, and what is wanted has changed as well."""


@dataclass(frozen=True, slots=True)
class Convergence:
    """Brings objects of one namespace to what is desired.

    `superseded` is asked before writing again over what someone else wrote.
    """

    kube: Kube
    namespace: str
    superseded: Callable[[], bool]

    def reach(self, managed: Managed, live: Object | None, desired: Desired) -> Converged:
        """The object once it equals `desired(live)`, with as few calls as that takes.

        Raises WriteFailed, Overtaken.
        """
        present, reread = live, False
        for tries_left in reversed(range(TRIES)):
            change = diff.change(present, wanted := desired(present))
            if change is None:
                return Converged(present or wanted, wrote=False, reread=reread)
            try:
                return Converged(self._write(managed, change), wrote=True)
            except errors.ClientError as error:
                if not (tries_left and _is_out_of_date(change, error)):
                    raise WriteFailed(_doing(change), error) from error
            present, reread = self._look_again(managed), True
        raise AssertionError("the last try either returns or raises")

    def _write(self, managed: Managed, change: diff.Change) -> Object:
        match change:
            case diff.Create(body):
                return self.kube.create(managed.resource, self.namespace, body)
            case diff.Patch(body):
                return self.kube.patch(managed.resource, self.namespace, managed.name, body)
            case _:
                assert_never(change)

    def _look_again(self, managed: Managed) -> Object | None:
        """The object as it is now, for another try; None when it is gone."""
        if self.superseded():
            raise Overtaken
        try:
            return self.kube.get(managed.resource, self.namespace, managed.name)
        except errors.NotFound:
            return None
        except errors.ClientError as error:
            raise WriteFailed(READ, error) from error


def _is_out_of_date(change: diff.Change, error: errors.ClientError) -> bool:
    """Whether the object is not what it was thought to be; a missing namespace stays missing."""
    is_gone = isinstance(error, errors.NotFound) and isinstance(change, diff.Patch)
    return is_gone or isinstance(error, errors.Conflict)


def _doing(change: diff.Change) -> str:
    return CREATE if isinstance(change, diff.Create) else UPDATE
