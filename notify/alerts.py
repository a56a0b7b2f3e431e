"""Which notices are alerts for whom, and what the message says. Pure.

Source: docs/compatibility/alerts.md, "Whom".
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from clients.documents.notice import Alert, Notice, order
from config.api.hooks import AlertSeverity
from config.refs import CanaryRef
from config.settings import flags
from notify.message import Message

BURST: Final = 3
"""Messages about one rollout that are told one by one when more have waited than one."""

LONGEST_TEXT: Final = 2_000
"""Characters of a text: all receivers take as many, and nobody reads more."""

LONGEST_FIELD: Final = 300
"""Characters of a field; a description in Discord, where all fields count together, has 6,000."""

_CUT: Final = "…"
_RANKS: Final = tuple(AlertSeverity)
"""From least to most."""


@dataclass(frozen=True, slots=True)
class About:
    """What is told beside each alert: the cluster's name, and where it leads to; empty for none.

    `link` has places for the names of the canary.
    """

    cluster: str = ""
    link: str = ""

    def link_of(self, ref: CanaryRef) -> str:
        """Where an alert about `ref` leads to."""
        return flags.linked(self.link, ref.namespace, ref.name) if self.link else ""


def reaches(severity: AlertSeverity, least: AlertSeverity | None) -> bool:
    """Whether a receiver wants alerts of `severity`; without a `least` one it wants all.

    Flagger documents that too, and sends none then (D-61).
    """
    return least is None or _RANKS.index(severity) >= _RANKS.index(least)


def selected(waiting: Sequence[Notice], least: AlertSeverity | None) -> tuple[Notice, ...]:
    """The alerts among the notices that wait for a receiver, as they are told, oldest first.

    A wait that goes on is alerted once, a decision never says the same twice, and of a burst about
    one rollout one message is made.
    """
    wanted = [notice for notice in waiting if _is_told(notice, least)]
    once = {(order(each.id)[0], each.alert): each for each in reversed(wanted)}
    alerts = sorted(once.values(), key=lambda each: order(each.id))
    rollouts = defaultdict[str, list[Notice]](list)
    for notice in alerts:
        rollouts[notice.fields.get("revision", "")].append(notice)
    told = (each for burst in rollouts.values() for each in _folded(burst))
    return tuple(sorted(told, key=lambda each: order(each.id)))


def _is_told(notice: Notice, least: AlertSeverity | None) -> bool:
    is_first = notice.count == 1 and not notice.muted
    return is_first and notice.alert is not None and reaches(notice.alert.severity, least)


def _folded(burst: list[Notice]) -> Iterator[Notice]:
    """The notices one by one, or as one when there are too many; errors are all told."""
    if len(burst) <= BURST:
        yield from burst
        return
    alerts = [notice.alert for notice in burst if notice.alert]
    shown = [each for each in alerts if each.severity is AlertSeverity.ERROR] or alerts[-1:]
    texts = [each.message for each in shown]
    if left := len(alerts) - len(shown):
        texts.append(f"{_CUT} and {left} more")
    yield replace(burst[-1], alert=replace(shown[-1], message="\n".join(texts)))


def message(ref: CanaryRef, notice: Notice, alert: Alert, about: About) -> Message:
    """What is told of `notice` and its `alert`."""
    cluster = (("Cluster", about.cluster),) if about.cluster else ()
    return Message(
        canary=ref,
        severity=alert.severity,
        text=_cut(alert.message, LONGEST_TEXT),
        at=notice.at,
        id=hashlib.sha256(repr(notice.key).encode()).hexdigest()[:16],
        phase=notice.fields.get("told", ""),
        fields=tuple(
            (title, _cut(value, LONGEST_FIELD)) for title, value in (*cluster, *alert.details)
        ),
        link=about.link_of(ref),
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + _CUT
