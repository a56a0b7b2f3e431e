"""Brings notices to the channels: in order, at least once, each channel at its own pace.

Every channel has its account in Redis: the last notice it has delivered. A notice is forgotten
when all channels that it concerns have it, so one that is down keeps none of the others waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from clients import errors, instruments
from clients.documents.notice import Notice, Untold, order
from clients.instruments import SILENT, Instruments
from clients.kube.protocol import Kube
from clients.redis import rollouts
from clients.redis.store import Store
from config.refs import CanaryRef
from notify import Channel

log = logging.getLogger(__name__)

MOST_WAITING: Final = 500
"""Notices of one canary that wait for a channel which is down; the oldest are given up first."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Delivers what is `untold` of a canary; channels may be delivered to side by side."""

    store: Store
    ref: CanaryRef
    untold: Untold
    token: str
    """The lease of the run that delivers."""
    uid: str
    """Of the Canary object that the notices are about; empty without a state."""
    accounts: dict[str, str] = field(default_factory=dict)
    """How far channels have come in this delivery."""
    tell: Instruments = SILENT

    def missing(self, account: str) -> tuple[Notice, ...]:
        """What concerns a channel and it does not have yet, oldest first."""
        return tuple(_missing(self.untold, account))

    def bring(
        self,
        channel: Channel,
        notices: Sequence[Notice],
        kube: Kube,
        *,
        noting: bool = True,
        sort: str = "",
    ) -> errors.ClientError | None:
        """Why the channel does not have all of `notices` now; None when it has.

        It is counted as one of this `sort`; empty: its name, which is none that a user writes.

        How far it came is written down after each of them if `noting`: so that nothing is told
        twice where other channels keep notices from being dropped.
        """
        for notice in notices:
            failure = _tried(channel, self.ref, notice, kube)
            self.count(sort or channel.name, failure)
            if failure is not None and not isinstance(failure, errors.Permanent):
                return failure
            self.note(channel.name, notice.id, noting=noting)
        return None

    def count(self, sort: str, failure: errors.ClientError | None) -> None:
        """Has an attempt counted."""
        is_refused = isinstance(failure, errors.Permanent)
        outcome = "refused" if is_refused else failure.kind if failure else "delivered"
        self.tell.add(instruments.NOTICES, sort, outcome)

    def note(self, account: str, notice_id: str, *, noting: bool = True) -> None:
        """Writes down that a channel needs nothing up to this notice any more.

        Raises Conflict when that is not so any more: another run has told it more, or all is lost.
        """
        if order(self.accounts.get(account, "")) >= order(notice_id):
            return
        noted = rollouts.noting(self.ref, self.token, self.uid, account, notice_id)
        if noting and not self.store.run(noted):
            raise errors.Conflict(f"channel {account}: others have told it since")
        self.accounts[account] = notice_id

    def told(self, accounts: Collection[str]) -> tuple[str, ...]:
        """The ids of the notices that can be dropped, `accounts` being those of all channels."""
        now = self.untold._replace(accounts={**self.untold.accounts, **self.accounts})
        needed = set(behind(now, accounts))
        _say_dropped(self.ref, self.untold)
        told = (notice.id for notice in self.untold.notices if notice.id not in needed)
        return (*self.untold.unreadable, *told)


def behind(untold: Untold, accounts: Collection[str]) -> Iterator[str]:
    """The ids of the notices that one of `accounts` does not have yet."""
    for account in accounts:
        yield from (notice.id for notice in _missing(untold, account))


def _missing(untold: Untold, account: str) -> Iterator[Notice]:
    known = order(untold.accounts.get(account, ""))
    for notice in untold.notices[-MOST_WAITING:]:
        if order(notice.id) > known and notice.concerns(account):
            yield notice


def _say_dropped(ref: CanaryRef, untold: Untold) -> None:
    extra = {"canary": ref.dotted}
    if given_up := untold.notices[:-MOST_WAITING]:
        log.error("notices given up", extra={**extra, "count": len(given_up)})
    for notice_id in untold.unreadable:
        log.warning("notice unreadable", extra={**extra, "notice": notice_id})


def _tried(
    channel: Channel, ref: CanaryRef, notice: Notice, kube: Kube
) -> errors.ClientError | None:
    """Why the channel did not take the notice; None when it did.

    One that is refused needs no other try, or it would hold up all that follow for ever; its text
    was logged when it was decided.
    """
    extra = {"canary": ref.dotted, "channel": channel.name, "notice": notice.id}
    try:
        channel.deliver(ref, notice, kube)
    except errors.Permanent as refused:
        log.warning("notice refused", extra={**extra, "error": refused.message})
        return refused
    except errors.ClientError as failure:
        return failure
    except Exception:  # a defect of one channel is no reason to keep the others waiting
        log.exception("defect of a channel", extra=extra)
        return errors.Transient(f"channel {channel.name}: a defect, see the log")
    return None
