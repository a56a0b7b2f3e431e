"""The page about defects that are not inherited is complete and names tests that exist.

Tested: that every number of the list is on the page once and in order, with tests or with the
reason why not, and that each test named there is in its file. Not tested: that a test shows what
it is named for.
"""

import re
from typing import Final

from tests.unit.repository import pages

PAGE: Final = pages.ROOT / "docs" / "defects.md"

LAST: Final = {"D": 102, "T": 8, "R": 50, "S": 6}
"""Numbers up to these are all there: Flagger's defects (D), targets drawn from them (T), and our
own (R, S)."""

ROW: Final = re.compile(r"^\| ([DTRS])-(\d+) \| ([^|]+) \| ([^|]+) \|([^|]*)\|$", re.MULTILINE)
TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[tuple[str, int, str, str, str]]:
    """Letter and number, what Flagger does, what holds here, tests; of each line."""
    found = ROW.findall(PAGE.read_text("utf-8"))
    return [(letter, int(number), *rest) for letter, number, *rest in found]


def test_every_number_has_one_line() -> None:
    """None is forgotten, and none is told twice."""
    told = [(letter, number) for letter, number, *_ in rows()]
    assert len(told) == len(set(told))
    for letter, last in LAST.items():
        assert set(range(1, last + 1)) <= {number for each, number in told if each == letter}


def test_numbers_rise_within_each_part() -> None:
    """A reader finds them."""
    for part in PAGE.read_text("utf-8").split("\n## "):
        numbers = [(letter, int(number)) for letter, number, *_ in ROW.findall(part)]
        letters = list(dict.fromkeys(letter for letter, _ in numbers))
        assert numbers == sorted(numbers, key=lambda each: (letters.index(each[0]), each[1]))


def test_every_line_names_tests_or_what_it_waits_for() -> None:
    """What is not built has none yet; what is kept has them like everything else."""
    without = {here.partition(" ")[0] for *_, here, tests in rows() if not TEST.findall(tests)}
    assert without <= {"Later:"}


def test_the_last_column_holds_nothing_but_tests() -> None:
    """A test with a mistyped path would be passed over otherwise."""
    assert [TEST.sub("", tests).strip() for *_, tests in rows()] == [""] * len(rows())


def test_tests_that_are_named_exist() -> None:
    """Whoever renames a test renames it here as well."""
    named = sorted(set(TEST.findall(PAGE.read_text("utf-8"))))
    assert len(named) > 200
    assert [each for each in named if each[1] not in pages.tests_of(pages.ROOT / each[0])] == []
