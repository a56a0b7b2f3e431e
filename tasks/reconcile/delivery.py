"""Brings notices to the channels: in order, at least once, each channel at its own pace.

Every channel has its account in Redis: the last notice it has delivered. A notice is forgotten
when all channels have it, so one that is down keeps none of the others waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clients import errors
from clients.documents.notice import Notice, order
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

    def deliver(self, ref: CanaryRef, kube: Kube) -> None:
        """Tells every channel what it does not know yet about `ref`.

        Raises the failure of a channel that could not be told everything, once all had their turn.
        """
        waiting, accounts = self.store.undelivered(ref)
        waiting = self._bounded(ref, waiting)
        needed, failures = set[str](), list[errors.ClientError]()
        for channel in self.channels:
            account = order(accounts.get(channel.name, ""))
            untold = [notice for notice in waiting if order(notice.id) > account]
            for index, notice in enumerate(untold):
                failure = _tried(channel, ref, notice, kube)
                if failure is not None:
                    failures.append(failure)
                    needed.update(each.id for each in untold[index:])
                    break
                self._note(ref, channel, notice)
        if self._has_accounts:
            self.store.drop_notices(ref, [each.id for each in waiting if each.id not in needed])
        if failures:
            raise failures[0]

    @property
    def _has_accounts(self) -> bool:
        """Whether accounts are kept: what a single channel has delivered is dropped instead."""
        return len(self.channels) > 1

    def _note(self, ref: CanaryRef, channel: Channel, notice: Notice) -> None:
        """Keeps account of a delivery."""
        if self._has_accounts:
            self.store.note_delivered(ref, channel.name, notice.id)
        else:
            self.store.drop_notices(ref, [notice.id])

    def _bounded(self, ref: CanaryRef, waiting: tuple[Notice, ...]) -> tuple[Notice, ...]:
        given_up, kept = waiting[:-MOST_WAITING], waiting[-MOST_WAITING:]
        if given_up:
            self.store.drop_notices(ref, [notice.id for notice in given_up])
            log.error("notices given up", extra={"canary": ref.dotted, "count": len(given_up)})
        return kept


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
