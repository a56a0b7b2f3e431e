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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from benchmarks import control_plane, fleet, meters, processes, profiler, report, sandboxed
from benchmarks.cluster import Cluster
from benchmarks.measuring import Bench, Protocol
from benchmarks.usage import Gauge
from cli.up import SMALL, ProcessSet
from clients.redis.embedded import EmbeddedValkey
from clients.redis.store import connect_store
from config.settings.groups import RedisSettings

READY_AFTER_SECONDS: Final = 0.5
SLOW: Final = (0.2, 0.5)
"""Seconds that a query and a webhook take with `--slow`."""
QPS: Final = 2000
"""Requests per second that each process may make: Flagger's figures are those of raised limits."""
_CLUSTERS: Final = {"control-plane": control_plane.running, "sandbox": sandboxed.running}
_TOP: Final = 40
_CHOSEN: Final = ("analysis", "routing", "report")
FEW: Final = 200
"""Canaries that are measured with one worker by default; more are with two."""


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 1 when the canaries did not get where they should, 130 for Ctrl-C."""
    given = _parser().parse_args(argv)
    for workers in given.workers or [given.analysis_workers]:
        given.analysis_workers = workers
        if failed := _run(given):
            return failed
    return 0


def _protocol(given: argparse.Namespace) -> Protocol:
    stagger = float(fleet.INTERVAL_SECONDS) if given.stagger else 0.0
    return Protocol(rest=given.rest, stagger=stagger, bad=given.bad, only_rest=bool(given.idle))


def _run(given: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="coalmine-bench-") as temporary:
        folder = Path(given.keep_logs or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with _set_up(given, folder) as (bench, cluster, members):
                found = bench.measure(_protocol(given))
                roles = tuple(bench.gauge.pids)
                print(report.text(found, cluster.name, roles), flush=True)
                if given.json:
                    document = report.document(found, cluster.name, roles)
                    given.json.write_text(json.dumps(document, indent=1), "utf-8")
                if given.profile and found.rollouts.active_ticks:
                    print(_costs(members.profiles(), found.rollouts.active_ticks))
        except (fleet.Overdue, processes.NotStarted) as failure:
            print(f"bench: {failure}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    return 0


@contextlib.contextmanager
def _set_up(
    given: argparse.Namespace, folder: Path
) -> Iterator[tuple[Bench, Cluster, processes.Processes]]:
    """Everything, running for the length of the block."""
    name = given.cluster or ("control-plane" if control_plane.is_present() else "sandbox")
    with (
        _CLUSTERS[name](folder, READY_AFTER_SECONDS) as cluster,
        EmbeddedValkey() as valkey,
        meters.running(fleet.namespace_of, SLOW if given.slow else (0.0, 0.0)) as measured,
        fleet.watched(
            cluster.admin,
            given.idle or given.canaries,
            measured.url + meters.HOOK if given.slow else "",
            _also(given.analysis, measured.url + meters.HOOK),
            cluster.etcd if given.idle else "",
        ) as canaries,
    ):
        settings = {
            "COALMINE_REDIS_URL": valkey.url,
            "COALMINE_METRICS_SERVER": measured.url,
            "COALMINE_KUBECONFIG_QPS": str(QPS),
            "COALMINE_KUBECONFIG_BURST": str(2 * QPS),
        }
        wanted = _process_set(given)
        store = connect_store(RedisSettings(url=SecretStr(valkey.url)))
        with processes.at_work(cluster, folder, wanted, settings, given.profile) as members:
            own = {"valkey": (valkey.pid,), report.BENCH: (os.getpid(),)}
            pids = {**members.pids(), **cluster.pids, **own}
            gauge = Gauge(pids, store, cluster.calls.counts, lambda: measured.queries)
            profiled = members.pids().get(given.profile, ())

            def window(begins: bool) -> None:  # noqa: FBT001 - its only meaning
                for pid in profiled:
                    os.kill(pid, profiler.BEGIN if begins else profiler.END)

            yield Bench(canaries, store, gauge, measured, window), cluster, members


def _also(kind: str, hook: str) -> Mapping[str, Any]:
    """The fields by which the analysis of a kind differs from that of weights and checks alone."""
    gate = {"name": "gate", "type": "confirm-traffic-increase", "url": hook}
    match kind:
        case "gates":
            return {"webhooks": [gate]}
        case "mirror":
            return {"mirror": True, "mirrorWeight": 50}
        case _:
            return fleet.PLAIN


def _process_set(given: argparse.Namespace) -> ProcessSet:
    """What `coalmine up` runs: workers for all queues, unless numbers of roles are asked for."""
    asked = {role: getattr(given, f"{role}_workers") for role in _CHOSEN}
    if numbers := {role: number for role, number in asked.items() if number is not None}:
        return ProcessSet(of_role={**ProcessSet().of_role, **numbers})
    return replace(SMALL, workers=1 if (given.idle or given.canaries) <= FEW else 2)


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
    add("--rest", type=float, default=60.0, metavar="S", help="seconds without a rollout")
    text = "only rest, of so many (copies of ten in etcd), and some lone releases"
    add("--idle", type=int, metavar="N", help=text)
    add("--stagger", action="store_true", help="release over an interval, not all at once")
    add("--slow", action="store_true", help="metrics of 200 ms, six of them, two hooks of 500 ms")
    add("--bad", action="store_true", help="release a bad revision as well")
    text = "also a gate before each step, or a mirror step [default plain]"
    add("--analysis", choices=("plain", "gates", "mirror"), default="plain", help=text)
    text = "measure with so many analysis workers each, as in 1,2,4"
    add("--workers", type=_numbers, metavar="N,…", help=text)
    for role in _CHOSEN:
        default = ProcessSet().of_role[role]
        text = f"number of {role} workers [default {default}, if another is given]"
        add(f"--{role}-workers", type=int, metavar="N", help=text)
    add("--profile", choices=report.OURS, help="also trace where this role spends its time")
    add("--json", type=Path, metavar="FILE", help="write the figures there as well")
    add("--keep-logs", type=Path, metavar="FOLDER", help="where all logs go [default: nowhere]")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
