"""The dashboard of a whole installation: lateness, queues, outcomes, writes.

Figures that only the leader tells are read with `max`: when leaders change, Prometheus has both for
a moment.
"""

from __future__ import annotations

from typing import Final

from exporter import panels
from exporter.grafana import Dashboard, Panel, Query, Section

_LATE: Final = "coalmine_tick_late_seconds"

FLEET: Final = Dashboard(
    "coalmine-fleet",
    "Coalmine: Fleet",
    "30m",
    (
        Section(
            "Now",
            (
                panels.number(
                    "Leaders",
                    "sum(max by (shard) (coalmine_leading))",
                    meaning="One for each shard; none means that nothing is looked at.",
                ),
                panels.number("Canaries", "sum(max by (namespace) (flagger_canary_total))"),
                panels.number(
                    "Progressing", 'sum(max by (shard) (coalmine_canaries{phase="Progressing"}))'
                ),
                panels.number("Failed", 'sum(max by (shard) (coalmine_canaries{phase="Failed"}))'),
                panels.number(
                    "Steps late (p99)",
                    panels.quantile(0.99, _LATE),
                    "s",
                    "How long after its time an analysis was decided.",
                ),
                panels.number("Workers at work", "sum(coalmine_worker_takes_jobs)"),
            ),
        ),
        Section(
            "Queues and lateness",
            (
                panels.seconds("Analyses late", _LATE, meaning="Decided so long after their time."),
                panels.lines(
                    "Messages in queues", "max by (queue) (coalmine_queue_messages)", "{{queue}}"
                ),
                panels.lines(
                    "Due and not queued, since",
                    "max by (rank) (coalmine_overdue_age_seconds)",
                    "{{rank}}",
                    "s",
                    "More than seconds: beat does not keep up, or as much is queued as may be.",
                ),
                panels.lines(
                    "Queued and not begun, since",
                    "max by (rank) (coalmine_queued_tick_age_seconds)",
                    "{{rank}}",
                    "s",
                    "More than seconds: there are too few analysis workers.",
                ),
                panels.seconds("Ticks take", "coalmine_tick_seconds"),
                Panel(
                    title="Canaries per job",
                    queries=(
                        Query(
                            f"sum by (task) ({panels.rate('coalmine_job_canaries_sum')}) / "
                            f"sum by (task) ({panels.rate('coalmine_job_canaries_count')})",
                            "{{task}}",
                        ),
                    ),
                ),
            ),
        ),
        Section(
            "Outcomes",
            (
                panels.lines(
                    "Canaries by phase",
                    "sum by (phase) (max by (shard, phase) (coalmine_canaries)) > 0",
                    "{{phase}}",
                ),
                Panel(
                    title="Rollouts ended in an hour",
                    queries=tuple(
                        Query(f"sum(increase(flagger_canary_{end}_total[1h]))", end)
                        for end in ("successes", "failures")
                    ),
                ),
                panels.per_second("Ticks", "coalmine_ticks_total", "outcome"),
                panels.per_second(
                    "Decisions by rule",
                    "coalmine_ticks_total",
                    "rule",
                    where='{outcome="committed"}',
                ),
                panels.per_second("Checks by verdict", "coalmine_checks_total", "verdict"),
                panels.per_second("Jobs", "coalmine_job_seconds_count", "task, outcome"),
            ),
        ),
        Section(
            "Writes",
            (
                panels.lines(
                    "Decided and not in force, since",
                    "max by (lane) (coalmine_unapplied_age_seconds)",
                    "{{lane}}",
                    "s",
                    "Routes: seconds mean that writes are refused, or that no routing worker runs.",
                ),
                panels.seconds("Writers take", "coalmine_reconcile_seconds", "lane"),
                panels.per_second("Writers", "coalmine_reconcile_seconds_count", "lane, outcome"),
            ),
        ),
        Section(
            "API server",
            (
                panels.per_second("Calls", "coalmine_api_call_seconds_count", "verb, resource"),
                panels.per_second("Calls by outcome", "coalmine_api_call_seconds_count", "outcome"),
                panels.seconds("Calls take", "coalmine_api_call_seconds", "verb"),
            ),
        ),
        Section(
            "Metrics servers, webhooks, channels",
            (
                panels.per_second(
                    "Queries", "coalmine_metric_query_seconds_count", "backend, outcome"
                ),
                panels.seconds("Queries take", "coalmine_metric_query_seconds", "backend"),
                panels.per_second("Webhooks", "coalmine_hook_seconds_count", "type, outcome"),
                panels.per_second("Notices", "coalmine_notices_total", "channel, outcome"),
            ),
        ),
        Section(
            "Processes",
            (
                panels.lines(
                    "CPU",
                    f"sum by (role) ({panels.rate('process_cpu_seconds_total')} "
                    "* on (job, instance) group_left (role) coalmine_info)",
                    "{{role}}",
                    "percentunit",
                ),
                panels.lines(
                    "Memory",
                    "sum by (role) (process_resident_memory_bytes "
                    "* on (job, instance) group_left (role) coalmine_info)",
                    "{{role}}",
                    "bytes",
                ),
                panels.lines(
                    "Leads", "max by (shard, instance) (coalmine_leading)", "{{instance}} {{shard}}"
                ),
            ),
        ),
    ),
)
