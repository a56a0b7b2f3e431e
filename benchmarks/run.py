"""`python -m benchmarks.run --canaries N`: measures the whole process set and prints the figures.

What is measured and how: docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from benchmarks import control_plane, crew, fleet, meters, profiler, report, sandboxed
from benchmarks.cluster import Cluster
from benchmarks.measuring import Bench
from benchmarks.usage import Gauge
from cli.up import ProcessSet
from clients.redis.embedded import EmbeddedValkey
from clients.redis.store import connect_store
from config.settings.groups import RedisSettings

READY_AFTER_SECONDS: Final = 0.5
QPS: Final = 2000
"""Requests per second that each process may make: Flagger's figures are those of raised limits."""
_CLUSTERS: Final = {"control-plane": control_plane.running, "sandbox": sandboxed.running}
_TOP: Final = 40


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 1 when the canaries did not get where they should, 130 for Ctrl-C."""
    given = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="coalmine-bench-") as temporary:
        folder = Path(given.keep_logs or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with _set_up(given, folder) as (bench, cluster, members):
                found = bench.measure(idle_seconds=given.idle, bad=given.bad)
                roles = tuple(bench.gauge.pids)
                print(report.text(found, cluster.name, roles), flush=True)
                if given.json:
                    document = report.document(found, cluster.name, roles)
                    given.json.write_text(json.dumps(document, indent=1), "utf-8")
                if given.profile:
                    print(_costs(members.profiles(), found.rollouts.active_ticks))
        except (fleet.Overdue, crew.NotStarted) as failure:
            print(f"bench: {failure}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


@contextlib.contextmanager
def _set_up(given: argparse.Namespace, folder: Path) -> Iterator[tuple[Bench, Cluster, crew.Crew]]:
    """Everything, running for the length of the block."""
    name = given.cluster or ("control-plane" if control_plane.is_present() else "sandbox")
    with (
        _CLUSTERS[name](folder, READY_AFTER_SECONDS) as cluster,
        EmbeddedValkey() as valkey,
        meters.running() as measured,
        fleet.watched(cluster.admin, given.canaries) as canaries,
    ):
        settings = {
            "COALMINE_REDIS_URL": valkey.url,
            "COALMINE_METRICS_SERVER": measured.url,
            "COALMINE_KUBECONFIG_QPS": str(QPS),
            "COALMINE_KUBECONFIG_BURST": str(2 * QPS),
        }
        wanted = ProcessSet(
            analysis=given.analysis_workers,
            routing=given.routing_workers,
            report=given.report_workers,
        )
        store = connect_store(RedisSettings(url=SecretStr(valkey.url)))
        with crew.at_work(cluster, folder, wanted, settings, given.profile) as members:
            own = {"valkey": (valkey.pid,), report.BENCH: (os.getpid(),)}
            pids = {**members.pids(), **cluster.pids, **own}
            gauge = Gauge(pids, store, cluster.calls.counts, lambda: measured.queries)
            profiled = members.pids().get(given.profile, ())

            def window(begins: bool) -> None:  # noqa: FBT001 - its only meaning
                for pid in profiled:
                    os.kill(pid, profiler.BEGIN if begins else profiler.END)

            yield Bench(canaries, store, gauge, measured, window), cluster, members


def _costs(files: Sequence[Path], ticks: int) -> str:
    """The dearest functions of a profiled role, per active tick."""
    costs = profiler.read(files)
    own: dict[str, float] = {}
    for place, cost in costs.items():
        package = place.partition("/")[0]
        own[package] = own.get(package, 0.0) + cost.own
    rows = sorted(own.items(), key=lambda row: -row[1])[:15]
    lines = ["", "CPU ms per tick by package, in itself"]
    lines += [f"  {package:<40}{seconds * 1000 / ticks:>8.3f}" for package, seconds in rows]
    for title, key in (("with all it calls", "whole"), ("in itself", "own")):
        ranked = sorted(costs.items(), key=lambda row: -getattr(row[1], key))[:_TOP]
        lines += ["", f"CPU ms and calls per tick by function, {title}"]
        lines += [
            f"  {getattr(cost, key) * 1000 / ticks:>8.3f} {cost.calls / ticks:>7.2f}  {place}"
            for place, cost in ranked
        ]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    add = parser.add_argument
    add("--canaries", type=int, default=100, metavar="N", help="how many [default 100]")
    text = "where [default: control-plane if its programs are here, else sandbox]"
    add("--cluster", choices=sorted(_CLUSTERS), help=text)
    add("--idle", type=float, default=60.0, metavar="S", help="seconds without a rollout")
    add("--bad", action="store_true", help="release a bad revision as well")
    for role in ("analysis", "routing", "report"):
        default = getattr(ProcessSet(), role)
        text = f"number of {role} workers [default {default}]"
        add(f"--{role}-workers", type=int, default=default, metavar="N", help=text)
    add("--profile", choices=report.OURS, help="also trace where this role spends its time")
    add("--json", type=Path, metavar="FILE", help="write the figures there as well")
    add("--keep-logs", type=Path, metavar="FOLDER", help="where all logs go [default: nowhere]")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
