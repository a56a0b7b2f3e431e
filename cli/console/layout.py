"""Lines of text in columns, as wide as there is room, and how values are drawn. Pure.

Widths are those of terminal cells, two for many characters of East Asia.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from cli.console import checks
from cli.console.checks import Check

GAP: Final = 2
NARROWEST: Final = 12
"""Cells that the last column keeps when it is cut."""
SHORTEST_NAME: Final = 16
"""Cells that a name keeps."""

BAR: Final = 16

PHASES: Final[Mapping[str, str]] = {
    "": "dim",
    "Initializing": "cyan",
    "Initialized": "cyan",
    "Waiting": "magenta",
    "Progressing": "yellow",
    "WaitingPromotion": "magenta",
    "Promoting": "green",
    "Finalising": "green",
    "Succeeded": "bold green",
    "Failed": "bold red",
    "Terminating": "dim",
}
"""Styles of the phases."""

Cell = str | Text

_RULER: Final = Console(file=io.StringIO())
"""Measures words."""


def table(
    rows: Sequence[Sequence[Cell]], width: int | None, cut: Collection[int] = ()
) -> tuple[Text, ...]:
    """`rows` in columns, the first one being the heads; None: without bounds.

    The last column gives way first, then whichever is widest of those whose place is in `cut`, and
    when they would become too narrow to be told apart, the last one goes.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = _widths(cells)
    if width is not None and not _shrink(widths, width, cut):
        widths = _widths(cells)[:-1]
        _shrink(widths, width, cut)
    return tuple(_joined(row, widths, cut) for row in cells)


def fits(rows: Sequence[Sequence[Cell]], width: int | None, cut: Collection[int] = ()) -> bool:
    """Whether `table` keeps all columns of these rows."""
    return width is None or _shrink(_widths([list(map(_text, row)) for row in rows]), width, cut)


def _widths(cells: Sequence[Sequence[Text]]) -> list[int]:
    return [max(map(_cells, column)) for column in zip_longest(*cells, fillvalue=Text())]


def bounded(line: Text, width: int | None) -> Text:
    """`line`, ended by an ellipsis where it would be wider than `width`."""
    cut = line.copy()
    if width is not None:
        cut.truncate(max(width, 1), overflow="ellipsis")
    return cut


def _short(name: Text, width: int) -> Text:
    """`name` without its middle where it would be wider: names differ at their ends."""
    if _cells(name) <= width:
        return name
    begin, end = (width - 1) // 2, width // 2
    ending = set_cell_size(name.plain[::-1], end)[::-1]
    return Text(f"{set_cell_size(name.plain, begin)}…{ending}", style=name.style)


def wrapped(line: Text, width: int | None) -> Iterator[Text]:
    """`line` in lines of `width` cells, indented as the first; None: at its line ends alone."""
    indent = _indentation(line)
    for part in line.split("\n", allow_blank=True):
        words = part[_indentation(part) :]
        room = max(width - indent, NARROWEST) if width else max(_cells(words), 1)
        for each in words.wrap(_RULER, room):
            each.rstrip()
            yield Text(" " * indent).append_text(each)


def _indentation(line: Text) -> int:
    return len(line.plain) - len(line.plain.lstrip(" "))


def phase(name: str) -> Text:
    """A phase in its colour, or that there is none yet."""
    return Text(name or "-", style=PHASES.get(name, ""))


def bar(weight: int) -> Text:
    """`weight` percent as a bar and a number."""
    filled = round(BAR * weight / 100)
    return Text.assemble(("█" * filled, "yellow"), ("░" * (BAR - filled), "dim"), f" {weight:3d}%")


def mark(*, good: bool) -> Text:
    """A tick or a cross."""
    return Text("✓", style="green") if good else Text("✗", style="red")


def plain(lines: Iterable[Text]) -> str:
    """The texts of `lines`, one each."""
    return "".join(f"{line.plain}\n" for line in lines)


def _text(cell: Cell) -> Text:
    return Text(cell) if isinstance(cell, str) else cell


def _cells(text: Text) -> int:
    return cell_len(text.plain)


def _shrink(widths: list[int], width: int, cut: Collection[int]) -> bool:
    """Takes from the columns what they have together beyond `width`; whether they fit then."""
    last = len(widths) - 1
    least = {**dict.fromkeys(cut, SHORTEST_NAME), last: NARROWEST}
    while (over := sum(widths) + GAP * last - width) > 0:
        wide = [place for place in least if widths[place] > least[place]]
        if not wide:
            return False
        if last in wide:
            widths[last] -= min(over, widths[last] - NARROWEST)
        else:
            widths[max(wide, key=widths.__getitem__)] -= 1
    return True


def _joined(row: Sequence[Text], widths: Sequence[int], cut: Collection[int]) -> Text:
    line = Text()
    for place, (cell, width) in enumerate(zip(row, widths, strict=False)):
        line.append_text(_short(cell, width) if place in cut else bounded(cell, width))
        line.append(" " * (width - min(_cells(cell), width) + GAP))
    line.rstrip()
    return line


def check_line(check: Check, name: str = "") -> Text:
    """A check, by its metric or another `name`, with its value and its limits."""
    bounds = checks.limits(check.minimum, check.maximum, check.unit)
    return Text.assemble(
        mark(good=check.passed),
        f" {name or check.metric}  ",
        (check.number or check.verdict, "" if check.passed else "red"),
        (f"  {bounds}" if bounds else "", "dim"),
    )
