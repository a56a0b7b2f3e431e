"""The figures as people read them, and as JSON."""

from __future__ import annotations

import math
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import peer as peers
from benchmarks.calls import Call
from benchmarks.measuring import Figures, p
from benchmarks.peer import Peer
from benchmarks.usage import Usage
from config import roles

OURS: Final = (*roles.ALL, "worker")
"""The roles of our own processes; the rest is what they use."""
BENCH: Final = "bench"
_SECONDS_PER_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Line:
    """One figure beside Flagger's; less is better for all but the ticks per second."""

    name: str
    ours: float
    theirs: float | None = None


def comparison(figures: Figures, cluster: Sequence[str]) -> Iterator[Line]:
    """The main figures; `cluster` names the processes that make up the API server."""
    theirs = peers.nearest(figures.canaries)
    yield Line("all Initialized, s", figures.initialized, theirs.initialized)
    yield from _called(figures, theirs)
    yield from _times(figures, theirs)
    yield from _spent(figures, theirs, cluster)
    active, per_tick = figures.rollouts.active, _per_tick(figures)
    yield Line("Prometheus queries per active tick", active.queries * per_tick)
    yield Line("Celery jobs per active tick", active.commands["lpush"] * per_tick)
    yield Line("Redis commands per active tick", active.commands.total() * per_tick)


def _called(figures: Figures, theirs: Peer) -> Iterator[Line]:
    """Requests to the API server."""
    idle, active, whole = (
        sum(_ours(each).values())
        for each in (figures.idle, figures.rollouts.active, figures.rollouts.whole)
    )
    yield Line(
        "Kubernetes calls per idle canary and minute",
        _per_minute(figures.idle, idle) / figures.canaries,
        theirs.calls_per_idle_tick * 6,
    )
    per_tick = active * _per_tick(figures)
    yield Line("Kubernetes calls per active tick", per_tick, theirs.calls_per_active_tick)
    per_rollout = whole * _per_rollout(figures)
    yield Line("Kubernetes calls per rollout", per_rollout, theirs.calls_per_rollout)


def _times(figures: Figures, theirs: Peer) -> Iterator[Line]:
    """How soon things happen."""
    rollouts = figures.rollouts
    yield Line("new image noticed, p50 s", p(rollouts.noticed, 50), theirs.noticed_p50)
    yield Line("new image noticed, p99 s", p(rollouts.noticed, 99))
    yield Line("new image of one among many noticed, p99 s", p(figures.lone, 99))
    yield Line("tick late, p50 s", p(rollouts.tick_late, 50))
    yield Line("tick late, p99 s", p(rollouts.tick_late, 99))
    yield Line("weight step late, p50 s", p(rollouts.step_late, 50))
    yield Line("weight step late, p99 s", p(rollouts.step_late, 99), theirs.step_late_p99)
    yield Line("release to last Succeeded, s", rollouts.seconds, theirs.rollout)
    if figures.bad:
        served, released = figures.bad.served, figures.bad.released
        yield Line("bad revision's first weight to 0, p50 s", p(served, 50), theirs.bad_p50)
        yield Line("bad revision's first weight to 0, p99 s", p(served, 99))
        yield Line("bad revision's release to weight 0, p50 s", p(released, 50))


def _spent(figures: Figures, theirs: Peer, cluster: Sequence[str]) -> Iterator[Line]:
    """Processor time and memory."""
    active, whole = figures.rollouts.active, figures.rollouts.whole
    ours, everybody = (*OURS, "valkey"), (*OURS, "valkey", *cluster)
    per_tick, per_rollout = 1000 * _per_tick(figures), _per_rollout(figures)
    own, all_of_it = (_cpu(active, roles) * per_tick for roles in (ours, everybody))
    yield Line("own CPU per active tick (with Redis), ms", own, theirs.controller_cpu)
    yield Line("CPU per active tick with API server and etcd, ms", all_of_it, theirs.cluster_cpu)
    own, all_of_it = (_cpu(whole, roles) * per_rollout for roles in (ours, everybody))
    yield Line("own CPU per rollout (with Redis), s", own, theirs.rollout_cpu)
    yield Line("CPU per rollout with API server and etcd, s", all_of_it)
    at_rest = _cpu(figures.idle, ours) / figures.idle.at * 100
    yield Line("own CPU at rest (with Redis), % of a core", at_rest)
    yield Line("active ticks per second", figures.rollouts.active_ticks / (active.at or math.nan))
    memory = sum(figures.memory.get(role, 0.0) for role in ours)
    yield Line("peak RSS, MiB", memory, theirs.memory)


def _cpu(usage: Usage, roles: Sequence[str]) -> float:
    return sum(usage.cpu.get(role, 0.0) for role in roles)


def text(figures: Figures, cluster: str, pids: Sequence[str]) -> str:
    """All figures as a page."""
    processes = [role for role in pids if role not in (*OURS, "valkey", BENCH)]
    theirs = peers.nearest(figures.canaries)
    rollouts, idle = figures.rollouts, figures.idle.at
    interpreter = f"Python {platform.python_version()} of {Path(sys.executable).resolve().parent}"
    head = (
        f"{figures.canaries} canaries on {cluster}; {os.cpu_count()} cores, load {_load()}",
        interpreter,
        f"active: {rollouts.active_ticks} ticks in {rollouts.active.at:.0f} s; idle: {idle:.0f} s",
        "",
        f"{'':<52}{'Coalmine':>10}{f'Flagger {theirs.canaries}':>14}{'ratio':>8}",
        *(_row(line) for line in comparison(figures, processes) if not math.isnan(line.ours)),
    )
    tables = (head, _calls(figures), _roles(figures), _askers(figures), _commands(figures))
    return "\n\n".join("\n".join(table) for table in tables)


def document(figures: Figures, cluster: str, pids: Sequence[str]) -> dict[str, Any]:
    """All figures as JSON-ready data."""
    processes = [role for role in pids if role not in (*OURS, "valkey", BENCH)]
    return {
        "cluster": cluster,
        "canaries": figures.canaries,
        "activeTicks": figures.rollouts.active_ticks,
        "figures": {
            line.name: {"coalmine": _finite(line.ours), "flagger": line.theirs}
            for line in comparison(figures, processes)
        },
        "memoryMiB": dict(figures.memory),
        "idle": _usage(figures.idle),
        "active": _usage(figures.rollouts.active),
        "whole": _usage(figures.rollouts.whole),
    }


def _calls(figures: Figures) -> Iterator[str]:
    yield (f"{'Kubernetes calls, by role':<52}{'idle/min':>10}{'per tick':>10}{'per rollout':>13}")
    idle, active, whole = (
        _ours(each) for each in (figures.idle, figures.rollouts.active, figures.rollouts.whole)
    )
    for call in sorted(idle.keys() | active.keys() | whole.keys()):
        name = f"  {call.role} {call.verb} {call.resource}"
        yield (
            f"{name:<52}{_per_minute(figures.idle, idle[call]):>10.1f}"
            f"{active[call] * _per_tick(figures):>10.2f}{whole[call] / figures.canaries:>13.2f}"
        )


def _roles(figures: Figures) -> Iterator[str]:
    head = f"{'CPU ms, by role':<32}{'idle/min':>10}{'per tick':>10}{'net':>8}{'per rollout':>13}"
    yield f"{head}{'RSS MiB':>10}"
    for role, seconds in figures.rollouts.active.cpu.items():
        idle = figures.idle.cpu[role] / figures.idle.at
        net = (seconds - idle * figures.rollouts.active.at) * 1000 * _per_tick(figures)
        yield (
            f"  {role:<30}{idle * 1000 * _SECONDS_PER_MINUTE:>10.0f}"
            f"{seconds * 1000 * _per_tick(figures):>10.2f}{net:>8.2f}"
            f"{figures.rollouts.whole.cpu.get(role, 0.0) * 1000 / figures.canaries:>13.1f}"
            f"{figures.memory.get(role, 0.0):>10.0f}"
        )


def _askers(figures: Figures) -> Iterator[str]:
    yield f"{'Redis commands, by role':<32}{'idle/min':>10}{'per tick':>10}"
    for role in (*OURS, "others"):
        yield _both(
            figures, role, figures.idle.commanded[role], figures.rollouts.active.commanded[role]
        )


def _commands(figures: Figures) -> Iterator[str]:
    yield f"{'Redis commands, by name':<32}{'idle/min':>10}{'per tick':>10}"
    for command, count in figures.rollouts.active.commands.most_common(15):
        yield _both(figures, command, figures.idle.commands[command], count)


def _both(figures: Figures, name: str, idle: float, active: float) -> str:
    per_minute = _per_minute(figures.idle, idle)
    return f"  {name:<30}{per_minute:>10.1f}{active * _per_tick(figures):>10.2f}"


def _row(line: Line) -> str:
    theirs = "" if line.theirs is None else f"{line.theirs:g}"
    ratio = "" if not line.theirs else f"{line.ours / line.theirs:.2f}"
    return f"{line.name:<52}{line.ours:>10.2f}{theirs:>14}{ratio:>8}"


def _ours(usage: Usage) -> Counter[Call]:
    """The requests of our own processes; a watch is counted when it begins."""
    return Counter({call: count for call, count in usage.calls.items() if call.role in OURS})


def _per_tick(figures: Figures) -> float:
    ticks = figures.rollouts.active_ticks
    return 1 / ticks if ticks else math.nan


def _per_rollout(figures: Figures) -> float:
    return 1 / figures.canaries if figures.rollouts.active_ticks else math.nan


def _per_minute(usage: Usage, count: float) -> float:
    return count / usage.at * _SECONDS_PER_MINUTE


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "seconds": usage.at,
        "cpuSeconds": dict(usage.cpu),
        "calls": [[*call, count] for call, count in sorted(usage.calls.items())],
        "queries": usage.queries,
        "redisCommands": dict(usage.commands),
        "redisCommandsByRole": dict(usage.commanded),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"
