"""What is looked up at a scrape: of this process, and of the fleet, which the leader alone tells.

The figures that are told by whoever works are in `clients.instruments`.
"""

from __future__ import annotations

from typing import Final

from clients.documents import tally
from clients.instruments import Kind, Metric


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"coalmine_{name}", Kind.GAUGE, meaning, labels)


INFO: Final = _gauge("info", "1, with the version and the name of the process.", "version", "role")

TAKES: Final = _gauge("worker_takes_jobs", "1 while the worker takes jobs from its queues.")
OF_WORKERS: Final = (TAKES,)

LEADING: Final = _gauge("leading", "1 while this beat leads its shard, 0 for a standby.", "shard")
SYNCED: Final = _gauge(
    "synced", "1 when the leader has listed all it can, and stored and confirmed it.", "shard"
)
CLAIM_AGE: Final = _gauge(
    "agenda_read_age_seconds", "Since this leader last read the agenda.", "shard"
)
OF_BEATS: Final = (LEADING, SYNCED, CLAIM_AGE)

PHASES: Final = _gauge(
    "canaries", "Canaries of a shard by phase; other for a foreign word.", "shard", "phase"
)
UNAPPLIED: Final = _gauge(
    "unapplied_canaries",
    "Canaries of which something that was decided is not in force, by lane: route, workload or "
    "status.",
    *("shard", "lane"),
)
UNAPPLIED_AGE: Final = _gauge(
    "unapplied_age_seconds",
    "Since the oldest of these intents was decided, by lane: route or workload.",
    *("shard", "lane"),
)
OF_SHARDS: Final = (PHASES, UNAPPLIED, UNAPPLIED_AGE)

QUEUED: Final = _gauge("queue_messages", "Messages that wait in a queue.", "queue")
OVERDUE: Final = _gauge(
    "overdue_canaries",
    "Canaries that are due and for which no tick is queued yet, by urgency.",
    "rank",
)
OVERDUE_AGE: Final = _gauge(
    "overdue_age_seconds", "Since when the first of these is due, 0 without any.", "rank"
)
QUEUED_TICKS: Final = _gauge(
    "queued_ticks", "Canaries whose tick waits in the queue, by urgency.", "rank"
)
QUEUED_AGE: Final = _gauge(
    "queued_tick_age_seconds", "How long the first of these has waited, 0 without any.", "rank"
)
OF_FLEET: Final = (QUEUED, OVERDUE, OVERDUE_AGE, QUEUED_TICKS, QUEUED_AGE)
"""From the leader of the first shard alone: all shards have these in common."""

FLAGGER_INFO: Final = Metric("flagger_info", Kind.GAUGE, "1.", ("version", "mesh_provider"))
CANARY_TOTAL: Final = Metric(
    "flagger_canary_total", Kind.GAUGE, "Canaries by namespace.", ("namespace",)
)
CANARY_STATUS: Final = Metric(
    "flagger_canary_status",
    Kind.GAUGE,
    "0 while the canary is progressing, 2 when it has failed, 1 in every other phase; `name` is "
    "that of the target.",
    ("name", "namespace"),
)
CANARY_WEIGHT: Final = Metric(
    "flagger_canary_weight",
    Kind.GAUGE,
    "The share of requests in percent; `workload` is the target, or its primary.",
    ("workload", "namespace"),
)
METRIC_ANALYSIS: Final = Metric(
    "flagger_canary_metric_analysis",
    Kind.GAUGE,
    "The last value of a check, durations in seconds.",
    ("name", "namespace", "metric"),
)
DURATION: Final = Metric(
    "flagger_canary_duration_seconds",
    Kind.HISTOGRAM,
    "How long an analysis of the canary took, from reading its state to the decision.",
    ("name", "namespace"),
    tally.BOUNDS,
)
_ENDS: Final = ("name", "namespace", "deployment_strategy", "analysis_status")
SUCCESSES: Final = Metric(
    "flagger_canary_successes_total",
    Kind.COUNTER,
    "Rollouts that were promoted; `analysis_status` is completed or skipped.",
    _ENDS,
)
FAILURES: Final = Metric(
    "flagger_canary_failures_total",
    Kind.COUNTER,
    "Rollouts that were rolled back, or could not be promoted.",
    _ENDS,
)
FLAGGERS: Final = (
    FLAGGER_INFO,
    CANARY_TOTAL,
    CANARY_STATUS,
    CANARY_WEIGHT,
    METRIC_ANALYSIS,
    DURATION,
    SUCCESSES,
    FAILURES,
)
"""From the leader of each shard, about its own canaries."""
