"""What Flagger does with the same canaries on 2 cores: the figures to compare with.

Flagger 1.44.0 on kube-apiserver 1.36.3 and etcd 3.6, Deployments ready in 0.5 s, interval 10 s,
steps 10..50, two builtin checks, threshold 5; its client's limits raised to 2,000 requests a
second. One run each; CPU within 15 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Flagger with so many canaries; times in seconds, processor time in ms, memory in MiB."""

    canaries: int
    initialized: float
    noticed_p50: float
    rollout: float
    step_late_p99: float
    bad_p50: float
    controller_cpu: float
    cluster_cpu: float
    calls_per_rollout: float
    memory: float
    calls_per_active_tick: float
    rollout_cpu: float | None = None
    """Seconds of the controller's processor time per rollout."""
    calls_per_idle_tick: float = 12.0


_PEERS: Final[Mapping[int, Peer]] = {
    50: Peer(
        canaries=50,
        initialized=17,
        noticed_p50=7.1,
        rollout=87,
        step_late_p99=0.2,
        bad_p50=60,
        controller_cpu=4.6,
        cluster_cpu=25,
        calls_per_rollout=171,
        memory=72,
        calls_per_active_tick=17,
    ),
    200: Peer(
        canaries=200,
        initialized=28,
        noticed_p50=7.8,
        rollout=88,
        step_late_p99=0.6,
        bad_p50=60,
        controller_cpu=4.6,
        cluster_cpu=20,
        calls_per_rollout=171,
        memory=90,
        calls_per_active_tick=17,
        rollout_cpu=0.041,
    ),
    500: Peer(
        canaries=500,
        initialized=59,
        noticed_p50=8.7,
        rollout=90,
        step_late_p99=1.9,
        bad_p50=61,
        controller_cpu=4.6,
        cluster_cpu=19,
        calls_per_rollout=171,
        memory=119,
        calls_per_active_tick=17,
        rollout_cpu=0.042,
    ),
    1000: Peer(
        canaries=1000,
        initialized=113,
        noticed_p50=14.7,
        rollout=140,
        step_late_p99=10.9,
        bad_p50=55,
        controller_cpu=4.7,
        cluster_cpu=18,
        calls_per_rollout=219,
        memory=164,
        calls_per_active_tick=15,
        rollout_cpu=0.066,
    ),
}


def nearest(canaries: int) -> Peer:
    """The measurement with the nearest number of canaries, by ratio."""
    return min(_PEERS.values(), key=lambda peer: abs(math.log(peer.canaries / max(canaries, 1))))
