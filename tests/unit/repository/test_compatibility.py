"""Rules of compatible behaviour stand in docs/compatibility, and citations lead there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = ROOT / "docs" / "compatibility"
PACKAGES: Final = "analysis clients cli config notify routing sandbox scheduler tasks workloads"

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
        lines = (PAGES / f"{page}.md").read_text("utf-8").splitlines()
        assert f"## {heading}" in lines, f"{module} cites {page}.md, {heading!r}"


def test_no_rule_is_cited_from_a_place_that_readers_do_not_have() -> None:
    """What the code relies on stands in the repository."""
    assert [module for module, text in _texts() if _ELSEWHERE.search(text)] == []


def test_every_page_is_cited() -> None:
    """A page that no code leads to is nobody's rule."""
    cited = {page for _, text in _texts() for page, _ in _CITATION.findall(text)}

    assert {file.stem for file in PAGES.glob("*.md")} == cited
