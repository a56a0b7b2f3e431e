"""Brings notices to the channels: in order, at least once, each channel at its own pace.

Every channel has its account in Redis: the last notice it has delivered. A notice is forgotten
when all channels have it, so one that is down keeps none of the others waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from clients import errors
from clients.documents.notice import Notice, Untold, order
from clients.kube.protocol import Kube
from clients.redis.store import Store
from config.refs import CanaryRef
from notify import Channel

log = logging.getLogger(__name__)

MOST_WAITING: Final = 500
"""Notices of one canary that wait for a channel which is down; the oldest are given up first."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivers to `channels`."""

    store: Store
    channels: Sequence[Channel]

    def deliver(
        self, ref: CanaryRef, kube: Kube, untold: Untold, others: Collection[str] = ()
    ) -> tuple[tuple[str, ...], errors.ClientError | None]:
        """The ids of the notices that every channel has now, and the first failure of a channel.

        One that could not be told everything keeps none of the others waiting. `others` are the
        accounts of channels that somebody else delivers to.
        """
        given_up, waiting = untold.notices[:-MOST_WAITING], untold.notices[-MOST_WAITING:]
        needed, failures = set(behind(untold, others)), list[errors.ClientError]()
        for channel in self.channels:
            account = order(untold.accounts.get(channel.name, ""))
            missing = [notice for notice in waiting if order(notice.id) > account]
            for index, notice in enumerate(missing):
                failure = _tried(channel, ref, notice, kube)
                if failure is not None:
                    failures.append(failure)
                    needed.update(each.id for each in missing[index:])
                    break
                if len(self.channels) + len(others) > 1:  # what a single one has is dropped
                    self.store.note_delivered(ref, channel.name, notice.id)
        _say_dropped(ref, given_up, untold.unreadable)
        told = (notice.id for notice in untold.notices if notice.id not in needed)
        return (*untold.unreadable, *told), failures[0] if failures else None


def behind(untold: Untold, accounts: Collection[str]) -> Iterator[str]:
    """The ids of the notices that one of `accounts` does not have yet."""
    for account in accounts:
        known = order(untold.accounts.get(account, ""))
        waiting = untold.notices[-MOST_WAITING:]
        yield from (notice.id for notice in waiting if order(notice.id) > known)


def _say_dropped(ref: CanaryRef, given_up: Sequence[Notice], unreadable: Sequence[str]) -> None:
    extra = {"canary": ref.dotted}
    if given_up:
        log.error("notices given up", extra={**extra, "count": len(given_up)})
    for notice_id in unreadable:
        log.warning("notice unreadable", extra={**extra, "notice": notice_id})


def _tried(
    channel: Channel, ref: CanaryRef, notice: Notice, kube: Kube
) -> errors.ClientError | None:
    """Why the notice needs another try; None when it does not.

    One that is refused needs none, or it would hold up all that follow for ever; its text was
    logged when it was decided.
    """
    extra = {"canary": ref.dotted, "channel": channel.name, "notice": notice.id}
    try:
        channel.deliver(ref, notice, kube)
    except errors.Permanent as refused:
        log.warning("notice refused", extra={**extra, "error": refused.message})
    except errors.ClientError as failure:
        return failure
    except Exception:  # a defect of one channel is no reason to keep the others waiting
        log.exception("defect of a channel", extra=extra)
        return errors.Transient(f"channel {channel.name}: a defect, see the log")
    return None
