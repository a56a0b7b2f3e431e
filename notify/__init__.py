"""Telling people and machines what was decided: one module and one registry line per channel.

Delivery, in order and at least once, is `tasks.delivery`'s business.
"""

from __future__ import annotations

from typing import Final, Protocol

from clients.documents.notice import Notice
from clients.kube.protocol import Kube
from config.refs import CanaryRef
from notify.kubernetes_events import KubernetesEvents


class Channel(Protocol):
    """One way to tell people; each has its own account of what it has delivered.

    Deduplication, order, and trying again are the delivery's business, not the channel's.
    """

    @property
    def name(self) -> str:
        """What the channel is called in accounts and logs; never to be changed."""

    def deliver(self, ref: CanaryRef, notice: Notice, kube: Kube) -> None:
        """Tells `notice` about `ref`; delivering one twice is harmless, by its `key`.

        Raises Permanent for a notice that will never be taken, and another kind of
        `clients.errors` when it is to be tried again later.
        """


CHANNELS: Final[tuple[Channel, ...]] = (KubernetesEvents(),)
