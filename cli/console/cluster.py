"""What the console asks of the API server, and what people are told when it does not answer.

Reads alone. What is about a canary but may be kept from its user, such as pods, is not needed.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from cli import exits
from cli.console import facts, raw
from cli.console.facts import Facts
from cli.console.raw import Raw
from clients import errors
from clients.kube.protocol import Kube, Object, Watcher
from clients.kube.resources import CANARIES, EVENTS, Resource
from config.refs import CanaryRef

EVENTS_READ: Final = 1000
"""That are asked for."""

NO_SUCH_KIND: Final = (
    "the cluster has no definition of Canary objects: choose another one with --context, or "
    "install it (kubectl apply -f deploy/crds/crds.yaml)"
)


class Door(Kube, Watcher, Protocol):
    """Single objects and collections."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event about a canary."""

    last: datetime | None
    is_warning: bool
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Cluster:
    """The API server; `name` is what people call it. Raises Unusable, with what to do.

    `until` is when reads of single objects and of what is about them end, in seconds of its clock.
    """

    kube: Door
    name: str
    until: float = math.inf

    @property
    def bounded(self) -> Kube:
        """The door for those reads."""
        return self.kube.until(self.until)

    def canaries(self, namespace: str | None) -> list[Object]:
        """The raw Canary objects of a namespace; None: of all."""
        with self.explained(f"list canaries in {_where(namespace)}", namespace):
            return list(self.kube.list(CANARIES, namespace).items)

    def canary(self, ref: CanaryRef) -> Facts:
        """That canary."""
        try:
            with self.explained(f"read canaries in namespace {ref.namespace}", ref.namespace):
                return facts.of(self.bounded.get(CANARIES, *ref))
        except errors.NotFound:
            self.canaries(ref.namespace)  # raises what is to be told of a cluster without the kind
            raise exits.Unusable(f"there is no canary {ref}{self._elsewhere(ref)}") from None

    def events(self, ref: CanaryRef) -> tuple[Event, ...]:
        """The events about a canary that are kept, oldest first; none if they may not be read.

        Raises Transient.
        """
        return self.events_by_canary(ref.namespace, ref.name).get(ref, ())

    def events_by_canary(
        self, namespace: str | None, name: str = ""
    ) -> Mapping[CanaryRef, tuple[Event, ...]]:
        """The events about the canaries of a namespace, or of all, or about those of one `name`.

        As `events`; not more than EVENTS_READ of them.
        """
        chosen = f",involvedObject.name={name}" if name else ""
        about = f"involvedObject.kind={CANARIES.kind}{chosen}"
        query = {"fieldSelector": about, "limit": str(EVENTS_READ)}
        told: dict[CanaryRef, list[Event]] = {}
        for item in sorted(self.items(EVENTS, namespace, query), key=_order):
            named = raw.at(item, "involvedObject")
            ref = CanaryRef(raw.text(named, "namespace"), raw.text(named, "name"))
            told.setdefault(ref, []).append(_event(item))
        return {ref: tuple(events) for ref, events in told.items()}

    @contextlib.contextmanager
    def explained(self, doing: str, namespace: str | None) -> Iterator[None]:
        """A block whose failures are told as what to do; NotFound of an object passes through."""
        try:
            yield
        except errors.NotFound as failure:
            if _is_about_an_object(failure):
                raise
            raise exits.Unusable(NO_SUCH_KIND) from failure
        except errors.ClientError as failure:
            raise exits.Unusable(self._advice(failure, doing, namespace)) from failure

    def _advice(self, failure: errors.ClientError, doing: str, namespace: str | None) -> str:
        if failure.status == errors.UNAUTHORIZED:
            return f"{self.name} does not know you: log in again, or choose another --context"
        if failure.status == errors.FORBIDDEN:
            right = "have somebody grant get, list and watch of canaries.flagger.app"
            way = right if namespace else f"give --namespace, or {right}"
            return f"{self.name} does not let you {doing}: {way}"
        if isinstance(failure, errors.Transient):
            text = f"cannot reach {self.name}: {failure.message}"
            return f"{text}; see whether its address is right and the network leads there"
        return f"{self.name}: {failure.message}"

    def items(self, resource: Resource, namespace: str | None, query: dict[str, str]) -> list[Raw]:
        """The raw objects that a list with `query` gives; none if they may not be read.

        Raises Transient.
        """
        path = f"{resource.path(namespace)}?{urlencode(query)}"
        try:
            return list(raw.mappings(self.bounded.request("GET", path), "items"))
        except (errors.Permanent, errors.NotFound):
            return []

    def _elsewhere(self, ref: CanaryRef) -> str:
        """Where there is one of that name, if that may be known; else how to see all."""
        try:
            canaries = self.kube.list(CANARIES, keep=lambda each: _name(each) == ref.name).items
        except errors.ClientError:
            canaries = ()
        others = sorted(each["metadata"]["namespace"] for each in canaries)[:5]
        if others:
            return f"; of that name there is one in: {', '.join(others)}"
        return "; `coalmine get -A` lists all that there are"


def _is_about_an_object(failure: errors.NotFound) -> bool:
    """Whether it is an object that is missing, and not its kind."""
    return '"' in failure.message.partition(": ")[2]


def _where(namespace: str | None) -> str:
    return f"namespace {namespace}" if namespace else "all namespaces"


def _name(item: Object) -> Any:
    return raw.at(item, "metadata", "name")


def _order(item: Raw) -> tuple[float, str]:
    last = _last(item)
    return last.timestamp() if last else 0.0, raw.text(item, "metadata", "name")


def _last(item: Raw) -> datetime | None:
    told = (raw.moment(item, key) for key in ("lastTimestamp", "eventTime", "firstTimestamp"))
    return next(filter(None, told), None)


def _event(item: Raw) -> Event:
    is_warning = raw.text(item, "type") == "Warning"
    return Event(_last(item), is_warning, raw.text(item, "message"), raw.number(item, "count") or 1)
