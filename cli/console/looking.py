"""Reading all about one canary: the object, both sides with their pods, events, the timeline.

All is asked for together. What is slow or silent holds up neither the rest nor whoever asks: after
`LONGEST` a look has what has come by then, and says what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

from analysis import wording
from cli.console import probes
from cli.console import sides as read
from cli.console.accounts import Absent, Answer, Ask
from cli.console.cluster import Cluster, Event
from cli.console.facts import Facts
from cli.console.sides import Side
from cli.console.timeline import Account
from clients import aside, errors
from clients.clock import Clock
from clients.kube.resources import PODS
from config.refs import CanaryRef
from config.well_known import PRIMARY_SUFFIX

LONGEST: Final = timedelta(seconds=10)
"""How long a look takes at most."""

PODS_SHOWN: Final = 100
"""Pods of a side that are asked for."""

PRIMARY: Final = "primary"
TARGET: Final = "canary"

_Told = TypeVar("_Told")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All that was read about one canary; `unread` says why there are no events."""

    canary: Facts
    primary: Side
    target: Side
    events: tuple[Event, ...] = ()
    unread: str = ""
    account: Answer

    @property
    def told(self) -> Account | None:
        """The account, if there is one."""
        return self.account if isinstance(self.account, Account) else None

    @property
    def unsent(self) -> Event | None:
        """The last event that tells of an alert that was not sent, unless a remark says why."""
        for event in reversed(self.events):
            field, is_unsent, _ = event.message.partition(wording.NOT_SENT)
            if is_unsent and not any(remark.startswith(field) for remark in self.canary.remarks):
                return event
        return None


def look(
    cluster: Cluster,
    ask: Ask,
    clock: Clock,
    ref: CanaryRef,
    *,
    pods: bool = False,
    longest: timedelta = LONGEST,
) -> Look:
    """All about a canary, with pods if they are asked for. Raises Unusable if it cannot be read."""
    until = clock.monotonic() + longest.total_seconds()
    bounded = replace(cluster, until=until)
    told = aside.begun(partial(ask, ref, clock.now()))
    canary = bounded.canary(ref)
    primary, target = (
        aside.begun(partial(side, bounded, canary, name, pods=pods)) for name in (PRIMARY, TARGET)
    )
    happened = aside.begun(partial(_events, bounded, ref))

    def by_then(begun: Future[_Told], late: Callable[[str], _Told]) -> _Told:
        try:
            return begun.result(max(until - clock.monotonic(), 0))
        except TimeoutError:
            return late(f"no answer within {longest.total_seconds():g}s")

    events, unread = by_then(happened, lambda why: ((), why))
    return Look(
        canary=probes.known(canary, events),
        primary=by_then(primary, partial(_missing, canary, PRIMARY)),
        target=by_then(target, partial(_missing, canary, TARGET)),
        events=events,
        unread=unread,
        account=by_then(told, lambda why: Absent(f"no timeline: {why}")),
    )


def sides(cluster: Cluster, canary: Facts) -> tuple[Side, Side]:
    """Primary and target, without pods; a side that cannot be read says so."""
    return side(cluster, canary, PRIMARY), side(cluster, canary, TARGET)


def side(cluster: Cluster, canary: Facts, name: str, *, pods: bool = False) -> Side:
    """One of the two, called PRIMARY or TARGET, if asked for with its pods."""
    kind = read.kind(canary)
    if kind is None:
        return _missing(canary, name, "of a kind that is not known here")
    of = canary.target if kind.as_primary else _workload(canary, name)  # both are of one object
    try:
        workload = cluster.bounded.get(kind.resource, canary.ref.namespace, of)
    except errors.NotFound:
        return _missing(canary, name, "not there")
    except errors.ClientError as failure:
        return _missing(canary, name, _short(failure))
    known = read.side(name, _label(canary, name), kind, workload, primary=name == PRIMARY)
    return with_pods(cluster, known, canary.ref.namespace) if pods else known


def with_pods(cluster: Cluster, known: Side, namespace: str) -> Side:
    """A side with its pods, or why they cannot be listed; it is the same for who may not."""
    if not known.selector:
        return known
    query = {"labelSelector": known.selector, "limit": str(PODS_SHOWN)}
    try:
        items = cluster.items(PODS, namespace, query)
    except errors.ClientError as failure:
        return replace(known, unlisted=failure.message)
    return replace(known, pods=read.pods(items))


def _events(cluster: Cluster, ref: CanaryRef) -> tuple[tuple[Event, ...], str]:
    """The events, and why there are none."""
    try:
        return cluster.events(ref), ""
    except errors.ClientError as failure:
        return (), failure.message


def _missing(canary: Facts, name: str, why: str) -> Side:
    return Side(name=name, workload=_label(canary, name), missing=why)


def _label(canary: Facts, name: str) -> str:
    return f"{canary.kind.lower()}/{_workload(canary, name)}"


def _workload(canary: Facts, name: str) -> str:
    return canary.target + (PRIMARY_SUFFIX if name == PRIMARY else "")


def _short(failure: errors.ClientError) -> str:
    return "you may not read it" if failure.status == errors.FORBIDDEN else failure.message
