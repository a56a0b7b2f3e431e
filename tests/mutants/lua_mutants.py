"""Defects for the Lua scripts, found in the text of their lines. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from tests.mutants.python_mutants import Mutant

EDITS: Final[tuple[tuple[str, str], ...]] = (
    (r" <= ", " < "),
    (r" < ", " <= "),
    (r" > ", " >= "),
    (r" == ", " ~= "),
    (r" ~= ", " == "),
    (r" and ", " or "),
    (r" or ", " and "),
    (r"\bnot ", ""),
    (r" \+ ", " - "),
    (r"\bmath\.max\b", "math.min"),
    (r"\bmath\.min\b", "math.max"),
    (r"(?<![\w%.\[])1(?![\w.\]])", "2"),
)


def mutants(path: str, text: str) -> tuple[Mutant, ...]:
    """All defects of one script, in order; comments are left alone."""
    found: list[Mutant] = []
    start = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        found.extend(_of_line(path, number, start, line))
        start += len(line)
    return tuple(sorted(set(found)))


def _of_line(path: str, number: int, start: int, line: str) -> Iterator[Mutant]:
    code = line.partition("--")[0]
    for pattern, new in EDITS:
        for match in re.finditer(pattern, code):
            what = f"{match.group().strip()} -> {new.strip() or 'nothing'}"
            begin, end = start + match.start(), start + match.end()
            yield Mutant(path, number, begin, end, new, what)
    statement = code.strip()
    if re.match(r"(redis\.call|hasten|settle|nudge|want|take)\(", statement):
        begin = start + code.index(statement)
        yield Mutant(path, number, begin, begin + len(statement), "do end", "statement dropped")
