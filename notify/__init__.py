"""Telling people and machines what was decided: one module and one registry line per channel.

Delivery, in order and at least once, is `tasks.reconcile.delivery`'s business.
"""

from __future__ import annotations

from typing import Final

from notify.channel import Channel
from notify.kubernetes_events import KubernetesEvents

CHANNELS: Final[tuple[Channel, ...]] = (KubernetesEvents(),)
