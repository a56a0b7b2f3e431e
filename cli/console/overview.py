"""`coalmine get`: canaries as a table, one line each. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from rich.text import Text

from cli.console import layout, words
from cli.console.facts import Facts
from cli.console.layout import Cell
from config.api.status import StatusPhase

Column = tuple[str, Callable[[Facts, datetime], Cell]]

_NAMESPACE: Final[Column] = ("NAMESPACE", lambda each, _: each.ref.namespace)
_BASIC: Final[tuple[Column, ...]] = (
    ("NAME", lambda each, _: each.ref.name),
    ("STATUS", lambda each, _: layout.phase(each.phase)),
    ("WEIGHT", lambda each, _: f"{each.weight}%"),
    ("FAILED", lambda each, _: _failed(each)),
    ("SINCE", lambda each, now: words.since(each.since, now) or "-"),
)
_WIDE: Final[tuple[Column, ...]] = (
    ("TARGET", lambda each, _: f"{each.kind.lower()}/{each.target}"),
    ("STEPS", lambda each, _: each.plan or "-"),
    ("INTERVAL", lambda each, _: each.interval or "-"),
    ("APPLIED", lambda each, _: each.applied[:10] or "-"),
    ("PROMOTED", lambda each, _: each.promoted[:10] or "-"),
)
_NOTE: Final[Column] = ("NOTE", lambda each, _: Text(each.note, style="dim"))
_WIDE_NOTE: Final[Column] = (
    "NOTE",
    lambda each, _: Text(each.note or "; ".join(each.remarks), style="dim"),
)


def table(
    canaries: Sequence[Facts],
    now: datetime,
    width: int | None,
    *,
    namespaces: bool,
    wide: bool = False,
) -> tuple[Text, ...]:
    """The heads and a line per canary; `width` None: as wide as it needs, notes included.

    What is wide gives up its last columns before its notes.
    """
    names, first = range(2 if namespaces else 1), (_NAMESPACE,) if namespaces else ()
    more, note = (_WIDE, _WIDE_NOTE) if wide else ((), _NOTE)
    rows = _rows((*first, *_BASIC, *more, note), canaries, now)
    while more and not layout.fits(rows, width, names):
        more = more[:-1]
        rows = _rows((*first, *_BASIC, *more, note), canaries, now)
    return layout.table(rows, width, names)


def _rows(columns: Sequence[Column], canaries: Sequence[Facts], now: datetime) -> list[list[Cell]]:
    heads: list[Cell] = [Text(head, style="bold") for head, _ in columns]
    return [heads, *([cell(each, now) for _, cell in columns] for each in canaries)]


def ordered(canaries: Sequence[Facts]) -> list[Facts]:
    """By namespace and name, as `kubectl get` has them."""
    return sorted(canaries, key=lambda each: each.ref)


def screen(
    canaries: Sequence[Facts],
    now: datetime,
    size: tuple[int, int],
    *,
    namespaces: bool,
    wide: bool = False,
) -> tuple[Text, ...]:
    """What a terminal of `size`, columns and lines, shows: what matters most, and how many.

    The first lines are of failed canaries, then of those that wait, then of rollouts under way.
    """
    width, height = size
    chosen = sorted(ordered(canaries), key=_rank)
    room = max(height - 4, 1)
    shown = chosen if len(chosen) <= room else chosen[: room - 1]
    lines = [_summary(canaries, now), Text()]
    lines += table(shown, now, width, namespaces=namespaces, wide=wide)
    if hidden := len(chosen) - len(shown):
        lines.append(Text(f"… and {hidden} more", style="dim"))
    return tuple(layout.bounded(line, width) for line in lines)


def _rank(each: Facts) -> int:
    """What comes first on a screen that does not hold all."""
    is_so = (
        each.phase == StatusPhase.FAILED,
        each.waits is not None or bool(each.refusals),
        each.is_under_way,
        each.phase in {"", StatusPhase.INITIALIZING, StatusPhase.TERMINATING},
    )
    return is_so.index(True) if any(is_so) else len(is_so)


def _summary(canaries: Sequence[Facts], now: datetime) -> Text:
    """How many there are in each phase."""
    counts = Counter(each.phase or "without status" for each in canaries)
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    text = words.of(len(canaries), "canary").replace("canarys", "canaries")
    clock = (f"  {words.clock(now, now)} UTC", "dim")
    return Text.assemble((text, "bold"), f": {told}" if told else "", clock)


def _failed(each: Facts) -> Text:
    """How many of the failed checks that a rollout may have are spent."""
    style = "red" if each.failed_checks else ""
    return Text(f"{each.failed_checks}/{each.threshold}", style=style)
