"""`coalmine history`: the rollouts of a canary, or each decision of theirs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from rich.text import Text

from cli.console import layout, words
from cli.console.layout import Cell
from cli.console.timeline import Entry, Rollout

_HEADS: Final = ("BEGAN", "TOOK", "REVISION", "RESULT", "TOP", "FAILED", "WHY")
_WIDE_HEADS: Final = ("AT", "PHASE", "SPLIT", "FAILED", "RULE", "REASON", "MESSAGE")
_REVISION: Final = 10
"""Characters of a revision that are shown in a table: enough to tell those of one canary apart."""


def table(
    rollouts: Sequence[Rollout], now: datetime, width: int | None, *, wide: bool = False
) -> tuple[Text, ...]:
    """A line per rollout, oldest first; `wide`: one per decision."""
    heads = [Text(head, style="bold") for head in (_WIDE_HEADS if wide else _HEADS)]
    rows = _decisions(rollouts, now) if wide else (_row(each, now) for each in rollouts)
    return layout.table([heads, *rows], width)


def document(ref: str, rollouts: Sequence[Rollout]) -> dict[str, Any]:
    """The same for programs; decisions as Coalmine serves them."""
    return {"canary": ref, "rollouts": [_document(each) for each in rollouts]}


def _row(rollout: Rollout, now: datetime) -> list[Cell]:
    began, end = rollout.began, rollout.end
    ended = end.at if end else rollout.entries[-1].at if rollout.replaced else now
    return [
        f"{'before ' if rollout.is_cut else ''}{words.clock(began, now)}",
        words.span(ended - began) if began and ended and not rollout.is_cut else "-",
        rollout.revision[:_REVISION] or "-",
        layout.phase(rollout.result),
        f"{max(rollout.weights)}%",
        str(rollout.failed_checks),
        rollout.why,
    ]


def _decisions(rollouts: Sequence[Rollout], now: datetime) -> Iterator[list[Cell]]:
    return (_decision(entry, now) for rollout in rollouts for entry in rollout.entries)


def _decision(entry: Entry, now: datetime) -> list[Cell]:
    told = (words.clock(entry.at, now), layout.phase(entry.phase), entry.split)
    line = " ".join(entry.message.split())
    return [*told, str(entry.failed_checks), entry.rule, entry.reason, line]


def _document(rollout: Rollout) -> dict[str, Any]:
    end = rollout.end
    return {
        "revision": rollout.revision,
        "result": rollout.result,
        "began": rollout.began,
        "ended": end.at if end else None,
        "weights": list(rollout.weights),
        "failedChecks": rollout.failed_checks,
        "why": rollout.why,
        "earlierDecisionsAreGone": rollout.is_cut,
        "decisions": [entry.document for entry in rollout.entries],
    }
