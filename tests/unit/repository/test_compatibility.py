"""Rules of compatible behaviour stand in docs/compatibility, and citations lead there.

Each of their lines names the tests which show that it holds; that a test shows what it is named
for is left to its reader.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from config.api import fields
from tests.unit.repository import pages
from tests.unit.repository.pages import COMPATIBILITY, ROOT, Statement

PACKAGES: Final = (
    "analysis clients cli config exporter loadtester notify routing sandbox scheduler tasks "
    "workloads"
)
PAGES: Final = sorted(COMPATIBILITY.glob("*.md"))

_CITATION: Final = re.compile(r'docs/compatibility/(\w+)\.md((?:(?:,| and) "[^"]+")*)')
_ELSEWHERE: Final = re.compile(r"(compatibility|lifecycle|CRD|routing|metrics) reference\b")


def _texts() -> Iterator[tuple[str, str]]:
    """Each module of the code, with its name; line breaks are blanks."""
    for package in PACKAGES.split():
        for file in sorted((ROOT / package).rglob("*.py")):
            yield str(file.relative_to(ROOT)), " ".join(file.read_text("utf-8").split())


def test_cited_pages_and_headings_exist() -> None:
    """A reader who follows a citation finds the rule."""
    cited = [
        (module, page, heading)
        for module, text in _texts()
        for page, headings in _CITATION.findall(text)
        for heading in re.findall(r'"([^"]+)"', headings) or [""]
    ]
    assert len(cited) > 20
    for module, page, heading in cited:
        lines = (COMPATIBILITY / f"{page}.md").read_text("utf-8").splitlines()
        assert f"## {heading}" in lines or not heading, f"{module} cites {page}.md, {heading!r}"


def test_no_rule_is_cited_from_a_place_that_readers_do_not_have() -> None:
    """What the code relies on stands in the repository."""
    assert [module for module, text in _texts() if _ELSEWHERE.search(text)] == []


def test_every_page_is_cited() -> None:
    """A page that no code leads to is nobody's rule."""
    cited = {page for _, text in _texts() for page, _ in _CITATION.findall(text)}

    assert {file.stem for file in PAGES} == cited


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_every_line_names_tests_that_exist(file: Path) -> None:
    """Each row, bullet and paragraph; whoever renames a test renames it here as well."""
    page = file.read_text("utf-8")
    targets = pages.targets(page)
    assert [name for _, path, name in targets if name not in pages.tests_of(path)] == []
    said = [*pages.statements(page)]
    assert len(said) > 20
    assert [each.text for each in said if not each.marks] == []
    marks = [mark for mark, *_ in targets]
    assert len(marks) == len(set(marks))
    assert {mark for each in said for mark in each.marks} == set(marks)


def test_a_line_without_a_test_is_noticed() -> None:
    """The forms that lines have: rows, bullets of several lines, paragraphs."""
    page = (
        "# Page\n\nNot a rule.\n\n## Part\n\nSaid. [t1]\n\n- One\n  line. [t2]\n- Another.\n\n"
        "As follows:\n\n| A | B |\n|---|---|\n| a | [t1] |\n| b | |\n\n"
        '[t1]: ../../tests/x.py "test_x"\n'
    )
    told = [
        Statement("Said. [t1]"),
        Statement("One line. [t2]"),
        Statement("Another."),
        Statement("| a | [t1] |"),
        Statement("| b | |"),
    ]
    assert [*pages.statements(page)] == told
    assert [each.marks for each in told] == [["t1"], ["t2"], [], ["t1"], []]
    assert pages.targets(page) == [("t1", ROOT / "tests/x.py", "test_x")]
    assert pages.tests_of(ROOT / "tests/x.py") == frozenset()


def test_each_field_of_a_canary_has_one_row_and_each_row_a_field() -> None:
    """Whoever adds a field to the CRD says what becomes of it."""
    there_are = [each.path for each in fields.fields()]
    assert len(there_are) == len(set(there_are)) > 200
    assert set(fields.entries()) == set(there_are)


def test_the_page_of_fields_is_what_crd_and_table_say_now() -> None:
    """Regenerate with `python -m config.api.fields`."""
    assert fields.PAGE.read_text("utf-8") == fields.markdown()
