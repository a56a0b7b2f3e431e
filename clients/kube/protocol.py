"""The door to Kubernetes: what callers may ask of an API server, and what they get.

Objects are raw JSON everywhere, so a field this code does not know survives a round trip. Who
implements it: `rest` against an API server, `sandbox.apiserver.door` within a process; both are
held to `tests/contract/test_kube.py`. Every method raises the errors of `clients.errors` and no
others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, NoReturn, Protocol

from clients import errors
from clients.kube.resources import Resource

Object = Mapping[str, Any]
"""One Kubernetes object as its JSON; never changed in place by whoever receives it."""

Keep = Callable[[Object], bool]
"""Which objects of a list its reader wants."""

Patch = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""The changes of a merge patch, or the list of operations of a JSON patch."""

JSON_TYPE: Final = "application/json"

PAGE: Final = 500
"""Objects per page of a list; the API server's clients all use this number."""

SHORTEST_WATCH: Final = timedelta(seconds=240)
LONGEST_WATCH: Final = timedelta(seconds=300)
"""How long a watch runs before the server ends it: spread, so that a fleet does not reconnect
together, and below the five minutes after which load balancers tend to cut a connection.
"""


class PatchKind(StrEnum):
    """How a patch is to be understood; the value is its content type."""

    MERGE = "application/merge-patch+json"
    """RFC 7386: maps are merged, null deletes, lists are replaced whole."""
    JSON = "application/json-patch+json"
    """RFC 6902: a list of operations; none is carried out unless all can be."""


class WatchType(StrEnum):
    """What a watch event says about its object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    """No change: `object.metadata.resourceVersion` is how far the watch has come."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change, in the order of writes; the object is complete, except in a bookmark."""

    type: WatchType
    object: Object


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a collection at `resource_version`, from which a watch may go on.

    Each item carries its `apiVersion` and `kind`, in no particular order.
    """

    items: tuple[Object, ...]
    resource_version: str


class Kube(Protocol):
    """Reading and writing single objects; doors differ in how they make a request."""

    def until(self, deadline: float) -> Kube:
        """This door, through which no call outlives `deadline`, in seconds of its clock.

        Calls end by then, or are refused as Transient when too little time is left.
        """
        ...

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = JSON_TYPE
    ) -> Object:
        """The object that the server answers with; `path` may have a query, `body` goes as JSON."""
        ...

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """The object as it is now; raises NotFound, and Permanent when parts of it are unfit."""
        return self.request("GET", resource.path(namespace, name))

    def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """The object as created; raises AlreadyExists."""
        return self.request("POST", resource.path(namespace), body)

    def replace(self, resource: Resource, namespace: str | None, name: str, body: Object) -> Object:
        """The object as written whole; `body.metadata.resourceVersion` must still be current.

        Raises Conflict when the object changed since, NotFound when it is gone.
        """
        return self.request("PUT", resource.path(namespace, name), body)

    def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Patch,
        *,
        subresource: str | None = None,
        kind: PatchKind = PatchKind.MERGE,
    ) -> Object:
        """The object after `patch`; `subresource="status"` writes the status and nothing else.

        A `metadata.resourceVersion` in the patch is a precondition: raises Conflict when the
        object has moved on. Raises NotFound when it is gone, Permanent when the patch does not fit.
        """
        return self.request("PATCH", resource.path(namespace, name, subresource), patch, kind)

    def delete(self, resource: Resource, namespace: str | None, name: str) -> None:
        """Ask for the object to go; it stays, marked, while it has finalizers. Raises NotFound."""
        self.request("DELETE", resource.path(namespace, name))


class NoKube(Kube):
    """Refuses every call: for processes that have no business with Kubernetes, nor credentials."""

    def until(self, deadline: float) -> NoKube:  # noqa: ARG002
        """This: there are no calls to end."""
        return self

    def request(self, *_: Any) -> NoReturn:
        """Raises Permanent."""
        raise errors.Permanent("this process does not talk to Kubernetes", reason="NoKubernetes")


def everything(_: Object) -> bool:
    """True: all are kept."""
    return True


class Watcher(Protocol):
    """Reading collections and following them."""

    def list(
        self, resource: Resource, namespace: str | None = None, keep: Keep = everything
    ) -> Listing:
        """The objects of the namespace, or of all namespaces, that are to be kept.

        No more than a page of others is in memory at a time.
        """
        ...

    def watch(
        self,
        resource: Resource,
        namespace: str | None,
        resource_version: str,
        timeout: timedelta,
    ) -> Iterator[WatchEvent]:
        """The changes after `resource_version`, until `timeout` (see `watch_timeout`) has passed.

        Raises Expired when the server no longer remembers that far back: list again. Raises
        Transient when the stream breaks: watch again from the last event's resourceVersion.
        """
        ...


def watch_timeout(random: Callable[[], float]) -> timedelta:
    """A duration between `SHORTEST_WATCH` and `LONGEST_WATCH`; `random` gives 0 ≤ x < 1."""
    return SHORTEST_WATCH + (LONGEST_WATCH - SHORTEST_WATCH) * random()
