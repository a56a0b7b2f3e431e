"""The fenced blocks of the pages: what readers type, paste and are shown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[1]
PAGES: Final = tuple(sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))))

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_WRITTEN: Final = re.compile(r"<<'(\w+)'\n(.*?)\n\1\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fence:
    """One block; `page` is its path from the root, `language` empty where none is named."""

    page: str
    language: str
    text: str

    @property
    def first(self) -> str:
        """Its first line, by which it is known among those of its page."""
        return self.text.partition("\n")[0]

    @property
    def written(self) -> list[str]:
        """What its commands write into files, or apply."""
        return [match[2] for match in _WRITTEN.finditer(self.text)]

    @property
    def commands(self) -> str:
        """Its commands, each on one line, without what they write into files."""
        return _WRITTEN.sub("\n", self.text.replace("\\\n", " "))


def of(page: str) -> list[Fence]:
    """Those of one page, in their order."""
    text = (ROOT / page).read_text("utf-8")
    return [Fence(page, match[1], match[2]) for match in _FENCE.finditer(text)]


def setting(page: str, field: str) -> Any:
    """The content of `field` in the one block of YAML of a page that has it."""
    texts = [each.text for each in of(page) if each.language == "yaml" and f"{field}:" in each.text]
    (text,) = texts
    (part,) = (each for each in yaml.safe_load(text).values() if field in each)
    return part[field]


def everywhere(language: str | None = None) -> Iterator[Fence]:
    """Those of all pages, or of one language."""
    for file in PAGES:
        for fence in of(str(file.relative_to(ROOT))):
            if language in (None, fence.language):
                yield fence
