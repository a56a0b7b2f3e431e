"""Pages of docs/ as lines that promise something, and the tests that they name."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
COMPATIBILITY: Final = ROOT / "docs" / "compatibility"

_TARGET: Final = re.compile(r'^\[(t\d+)\]: (\S+) "(\w+)"$', re.MULTILINE)
_MARK: Final = re.compile(r"\[(t\d+)\](?!:)")


@cache
def tests_of(file: Path) -> frozenset[str]:
    """The names of the test functions in a file; none where there is no file."""
    if not file.is_file():
        return frozenset()
    body = ast.parse(file.read_text("utf-8")).body
    return frozenset(
        each.name
        for each in body
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
    )


@dataclass(frozen=True, slots=True)
class Statement:
    """A row, bullet or paragraph below a heading, on one line, and the marks of its tests."""

    text: str

    @property
    def marks(self) -> list[str]:
        """The tests that it names, `t1` and so on."""
        return _MARK.findall(self.text)


def targets(page: str) -> list[tuple[str, Path, str]]:
    """Mark, file and name of each test at the end of a page of docs/compatibility."""
    return [
        (mark, (COMPATIBILITY / link).resolve(), name) for mark, link, name in _TARGET.findall(page)
    ]


def statements(page: str) -> Iterator[Statement]:
    """What a page says below its first heading of a section.

    Left out are headings of tables, and paragraphs that lead to one by a colon.
    """
    _, heading, body = _TARGET.sub("", page).partition("\n## ")
    for block in (heading + body).split("\n\n"):
        lines = [line for line in block.strip().splitlines() if not line.startswith("## ")]
        if lines and lines[0].startswith("|"):
            yield from (Statement(row) for row in _rows(lines))
        elif lines and not lines[-1].endswith(":"):
            yield from (Statement(each) for each in _bullets(lines))


def _rows(lines: list[str]) -> list[str]:
    """The rows of a table, if it is one: under its heading and a rule."""
    assert re.fullmatch(r"[|-]+", lines[1]), lines[0]
    return lines[2:]


def _bullets(lines: list[str]) -> list[str]:
    """The bullets of a list, each on one line; a paragraph is like one bullet."""
    items = re.split(r"^- ", "\n".join(lines), flags=re.MULTILINE)
    return [" ".join(each.split()) for each in items if each]
