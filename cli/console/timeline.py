"""What Coalmine itself told of a canary: its decisions, and what comes next. Pure.

Read leniently from the answer of `cli.api`, since a console may be older or newer than the cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Final

from analysis import wording
from analysis.phases import BROKEN, Phase
from cli.console import checks, raw
from cli.console.checks import Check
from cli.console.raw import Raw

PATH: Final = "/api/v1/canaries/{namespace}/{name}/timeline"
"""Where it is served: the last decisions, `?limit=` of them, and what comes next."""

_RESTING: Final = BROKEN | {Phase.INITIALIZED, Phase.SUCCEEDED}
"""Phases in which no rollout is under way."""

_SPENT: Final = "FailedChecksThresholdReached"
"""Reason of the end of a rollout by its last failed check, which is counted no more."""

_FIRST: Final = frozenset({"Discovered", "Initializing", "NewRevision", "RevisionChanged"})
"""Reasons of decisions with which a rollout begins."""


@dataclass(frozen=True, slots=True)
class Hook:
    """The answer of a webhook."""

    name: str
    type: str
    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One decision; `split` is `primary/canary` in percent, with what was asked for besides."""

    at: datetime | None
    rule: str
    reason: str
    message: str
    phase: str
    split: str
    failed_checks: int
    revision: str
    checks: tuple[Check, ...] = ()
    hooks: tuple[Hook, ...] = ()
    document: Raw = field(default_factory=dict)
    """As it is served."""

    @property
    def weight(self) -> int:
        """Percent of traffic at the canary."""
        share = self.split.partition("/")[2].partition("+")[0]
        return int(share) if share.isascii() and share.isdigit() else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The newest decisions about a canary, oldest first, and when it is looked at next.

    `now` is the time of the server's own clock, by which the others are to be read.
    """

    now: datetime
    entries: tuple[Entry, ...] = ()
    next_look: datetime | None = None
    next_check: datetime | None = None
    asking: str = ""
    """The type of the webhooks that are being called; empty for none."""

    @property
    def last(self) -> Entry | None:
        """The last decision."""
        return self.entries[-1] if self.entries else None

    @property
    def measured(self) -> Entry | None:
        """The last decision of the newest rollout for which something was measured."""
        newest = rollouts(self.entries)[-1:]
        entries = newest[0].entries if newest else ()
        return next((entry for entry in reversed(entries) if entry.checks), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The decisions about one release, from its beginning to what followed its end.

    `is_cut` tells that earlier ones are no longer kept; `replaced` that another release took over.
    """

    entries: tuple[Entry, ...]
    is_cut: bool = False
    replaced: bool = False

    @property
    def revision(self) -> str:
        """The revision it was last about."""
        return self.entries[-1].revision

    @property
    def began(self) -> datetime | None:
        """When its first decision was made."""
        return self.entries[0].at

    @property
    def end(self) -> Entry | None:
        """The decision that ended it; None while it is under way, or if another took over."""
        return next((entry for entry in self.entries if entry.phase in _RESTING), None)

    @property
    def result(self) -> str:
        """The phase it ended in; else the one it is in, or `Replaced`."""
        if self.end:
            return self.end.phase
        return "Replaced" if self.replaced else self.entries[-1].phase

    @property
    def weights(self) -> tuple[int, ...]:
        """The canary's weights, one per change."""
        return tuple(weight for weight, _ in groupby(entry.weight for entry in self.entries))

    @property
    def failed_checks(self) -> int:
        """The most that had failed at a time."""
        counted = max(entry.failed_checks for entry in self.entries)
        return counted + 1 if self.end and self.end.reason == _SPENT else counted

    @property
    def why(self) -> str:
        """What decided its end, if that was no success: the checks that failed, or its message."""
        if self.end is None or self.end.phase not in BROKEN:
            return ""
        checks = (check.message for check in self.end.checks if not check.passed)
        return "; ".join(filter(None, map(wording.cause, checks))) or self.end.message


def account(answer: Raw, now: datetime) -> Account:
    """The account in an answer; `now` where it does not say."""
    return Account(
        now=raw.moment(answer, "now") or now,
        entries=tuple(map(_entry, raw.mappings(answer, "entries"))),
        next_look=raw.moment(answer, "nextLook"),
        next_check=raw.moment(answer, "nextCheck"),
        asking=raw.text(answer, "asking"),
    )


def rollouts(entries: Sequence[Entry]) -> tuple[Rollout, ...]:
    """`entries` by release, oldest first.

    What is decided between two rollouts belongs to the one before. At the beginning, which may be
    cut off, there may be decisions of a rollout whose start is no longer known.
    """
    groups: list[list[Entry]] = []
    before: Entry | None = None
    replaced: set[int] = set()
    for entry in entries:
        if before is None or _begins(before, entry):
            if before is not None and before.phase not in _RESTING:
                replaced.add(len(groups) - 1)
            groups.append([])
        groups[-1].append(entry)
        before = entry
    return tuple(
        Rollout(
            entries=tuple(group), replaced=index in replaced, is_cut=not index and _is_cut(group)
        )
        for index, group in enumerate(groups)
    )


def _begins(before: Entry, entry: Entry) -> bool:
    """Whether a rollout begins with `entry`: out of rest, or in the place of another."""
    if entry.phase in _RESTING:
        return False
    is_another = entry.revision != before.revision and before.phase != Phase.WAITING
    return before.phase in _RESTING or (entry.phase == Phase.PROGRESSING and is_another)


def _is_cut(group: Sequence[Entry]) -> bool:
    return group[0].reason not in _FIRST


def _entry(item: Raw) -> Entry:
    return Entry(
        at=raw.moment(item, "at"),
        **{key: raw.text(item, key) for key in ("rule", "reason", "message", "phase", "split")},
        failed_checks=raw.number(item, "failedChecks"),
        revision=raw.text(item, "revision"),
        checks=tuple(map(checks.of, raw.mappings(item, "checks"))),
        hooks=tuple(_hooks(item)),
        document=item,
    )


def _hooks(item: Raw) -> Iterator[Hook]:
    for hook in raw.mappings(item, "hooks"):
        words = (raw.text(hook, "name"), raw.text(hook, "type"))
        yield Hook(*words, ok=raw.at(hook, "ok") is True, message=raw.text(hook, "message"))
