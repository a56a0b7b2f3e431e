"""The page about defects that are not inherited names tests that exist.

Tested: that every number of the list is on the page once, and each test named there is in its
file. Not tested: that a test shows what it is named for.
"""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[3]
PAGE: Final = ROOT / "docs" / "defects.md"

NUMBERS: Final = (
    *(f"D-{number}" for number in range(1, 10)),
    *("D-11", "D-12", "D-13", *(f"D-{number}" for number in range(16, 23))),
    *(f"D-{number}" for number in range(24, 32)),
    *("D-32", "D-33", "D-34", "D-36", "D-37", "D-39", "D-40"),
    *("D-42", "D-43", "D-44", "D-45"),
    *(f"D-{number}" for number in range(48, 55)),
    *("D-60", "D-62", "D-63", "D-66", "D-70", "D-71", "D-75", "D-82", "D-87", "D-88"),
    *("D-90", "D-91", "D-93", "D-94", "D-95", "D-96", "D-100"),
    *(f"T-{number}" for number in range(1, 9)),
    *(f"R-{number}" for number in range(1, 24)),
    *(f"S-{number}" for number in range(1, 7)),
)
"""Flagger's as far as built (D), targets drawn from its whole list (T), and our own (R, S)."""

ROW: Final = re.compile(r"^\| ([DTRS]-\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[tuple[str, str, str, str]]:
    """Number, what Flagger does, what holds here, tests; of each line."""
    return ROW.findall(PAGE.read_text("utf-8"))


def named() -> list[tuple[str, str]]:
    """File and name of each test on the page."""
    return sorted(set(TEST.findall(PAGE.read_text("utf-8"))))


def test_every_number_has_one_line_with_tests() -> None:
    """None that was promised is forgotten, none is told twice, and each names a test."""
    told = [number for number, *_ in rows()]
    assert set(NUMBERS) <= set(told)
    assert len(told) == len(set(told))
    assert [number for number, *_, tests in rows() if not TEST.findall(tests)] == []


def test_the_last_column_holds_nothing_but_tests() -> None:
    """A test with a mistyped path would be passed over otherwise."""
    assert [TEST.sub("", tests).strip() for *_, tests in rows()] == [""] * len(rows())


@pytest.mark.parametrize(("file", "name"), named())
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    """Whoever renames a test renames it here as well."""
    path = ROOT / file
    assert path.is_file()
    assert f"\ndef {name}(" in path.read_text("utf-8")
