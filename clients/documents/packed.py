"""JSON objects kept as their text: a fraction of the memory, and encoded already."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from config import canonical

REMEMBERED: Final = 2048
"""Texts of which a process knows that they can be parsed, some kB each."""


class Packed(Mapping[str, Any]):
    """A JSON object that is read rarely: `text` is its canonical JSON, parsed at each look."""

    __slots__ = ("text",)

    def __init__(self, raw: Mapping[str, Any] | None = None, *, text: str = "") -> None:
        """Of `raw`, or of a `text` that `canonical.text` gave. Raises ValueError for no JSON."""
        self.text: Final = text or canonical.text(raw)

    def __getitem__(self, key: str) -> Any:
        """A field."""
        return self._whole()[key]

    def __iter__(self) -> Iterator[str]:
        """The names of the fields."""
        return iter(self._whole())

    def __len__(self) -> int:
        """The number of fields."""
        return len(self._whole())

    def __eq__(self, other: object) -> bool:
        """Whether both say the same."""
        return self.text == other.text if isinstance(other, Packed) else self._whole() == other

    def __hash__(self) -> int:
        """That of the text."""
        return hash(self.text)

    def _whole(self) -> dict[str, Any]:
        whole: dict[str, Any] = json.loads(self.text)
        return whole


class Opened(Packed):
    """One that keeps what it has parsed, for a moment in which there are several looks."""

    __slots__ = ("_parsed",)

    def __init__(self, text: str) -> None:
        """Not parsed before the first look."""
        super().__init__(text=text)
        self._parsed: dict[str, Any] | None = None

    def _whole(self) -> dict[str, Any]:
        if self._parsed is None:
            self._parsed = super()._whole()
        return self._parsed


@lru_cache(maxsize=REMEMBERED)
def checked(text: str) -> str:
    """`text`, if it is a JSON object; most texts are met again and again. Raises ValueError."""
    if not isinstance(json.loads(text), dict):
        raise ValueError(f"no JSON object: {text:.80}")
    return text


def packed(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """`raw`, packed if JSON can say it."""
    if isinstance(raw, Packed):
        return raw
    try:
        return Packed(raw)
    except ValueError:
        return raw
