"""Something to tell people about a canary, as it waits for delivery: the document `notice`.

Written with the decision that it is about, read by whoever delivers. Every channel gets the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter

from config.api.hooks import AlertSeverity


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One sentence about the Canary object `uid`, decided at `at`.

    `id` is `<version, 12 digits>-<index>`, given by the commit. `fields` are what was known beside
    it (phase, revision, weight), for channels with room for more than a sentence. What is told
    again and again says when it was told `first`, and its `count` by now.
    """

    id: str = ""
    uid: str
    at: datetime
    severity: AlertSeverity
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)
    first: datetime | None = None
    count: int = 1

    @property
    def key(self) -> tuple[str, str, datetime, str]:
        """What makes two deliveries the same: object, notice, time and text.

        Ids are made anew after Redis lost its data, hence time and text. All repetitions of what
        is told again and again have one key.
        """
        if self.first:
            return self.uid, _REPEATED, self.first, self.message
        return self.uid, self.id, self.at, self.message


def order(notice_id: str) -> tuple[int, int]:
    """Sorts ids as their notices were made; that of no notice comes first."""
    version, _, index = notice_id.partition("-")
    return int(version or 0), int(index or 0)


_REPEATED: Final = "0-0"
"""Stands for the id in the key of what many notices tell."""


def encode(notice: Notice) -> dict[str, Any]:
    """`notice` as it is stored, without its id: JSON-ready, what has its default left out."""
    stored: dict[str, Any] = _NOTICE.dump_python(
        replace(notice, id=""), mode="json", exclude_defaults=True
    )
    return stored


def decode(notice_id: str, stored: Mapping[str, Any]) -> Notice:
    """The notice stored under `notice_id`. Raises pydantic.ValidationError for anything else."""
    return replace(_NOTICE.validate_python(stored), id=notice_id)


_NOTICE: Final = TypeAdapter(Notice)
