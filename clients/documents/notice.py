"""Something to tell people about a canary, as it waits for delivery: the document `notice`.

Written with the decision that it is about, read by whoever delivers. Every channel gets the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from config.api.hooks import AlertSeverity


@dataclass(frozen=True, slots=True)
class Alert:
    """What people are alerted of: Flagger's text, and `details` by title, in their order.

    The details are what was known when it was decided, however late it is told.
    """

    severity: AlertSeverity
    message: str
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One sentence about the Canary object `uid`, decided at `at`.

    `id` is `<version, 12 digits>-<index>`, given by the commit. `fields` are what was known beside
    it (phase, revision, weight), for channels with room for more than a sentence. What is told
    again and again says when it was told `first`, and its `count` by now. Those with an `alert`
    alert people, unless they are `muted`. One that `ends` says that a failure is made up for, or a
    gate is open.
    """

    id: str = ""
    uid: str
    at: datetime
    severity: AlertSeverity
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)
    first: datetime | None = None
    count: int = 1
    muted: bool = False
    alert: Alert | None = None
    ends: bool = False

    def concerns(self, account: str) -> bool:
        """Whether a channel with this account is to be told."""
        return self.ends or self.alert is not None or not account.startswith(ALERTS)

    @property
    def key(self) -> tuple[str, str, datetime, str]:
        """What makes two deliveries the same: object, notice, time and text.

        Ids are made anew after Redis lost its data, hence time and text. All repetitions of what
        is told again and again have one key.
        """
        if self.first:
            return self.uid, _REPEATED, self.first, self.message
        return self.uid, self.id, self.at, self.message


class Untold(NamedTuple):
    """The notices of a canary that are not dropped yet, oldest first.

    `accounts` has by channel the last one that it has delivered. `unreadable` are the ids of those
    of another release, which are to be dropped: their texts were logged when they were decided.
    """

    notices: tuple[Notice, ...] = ()
    accounts: Mapping[str, str] = MappingProxyType({})
    unreadable: tuple[str, ...] = ()


NOTHING_UNTOLD: Final = Untold()


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


def untold(stored: Mapping[str, str]) -> Untold:
    """What is in the hash of a canary's notices."""
    accounts, notices, unreadable = dict[str, str](), list[Notice](), list[str]()
    for field_name, text in stored.items():
        if field_name.startswith(ACCOUNT):
            accounts[field_name.removeprefix(ACCOUNT)] = text
            continue
        try:
            notices.append(decode(field_name, json.loads(text)))
        except ValueError:
            unreadable.append(field_name)
    notices.sort(key=lambda notice: order(notice.id))
    return Untold(tuple(notices), accounts, tuple(unreadable))


ALERTS: Final = "alert:"
"""Begins the accounts of channels that are told alerts alone."""

ACCOUNT: Final = "delivered:"
"""Begins the fields that say how far a channel has come."""

_NOTICE: Final = TypeAdapter(Notice)
