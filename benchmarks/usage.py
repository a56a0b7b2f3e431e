"""What everything has used so far: processor time, memory, requests, queries, commands."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.calls import Call
from clients.redis.store import Store

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_KIB_PER_MIB: Final = 1024

Pids = Mapping[str, tuple[int, ...]]
"""Process ids by role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Running totals, or with `since` what was used in between.

    `commands` are those that Redis carried out, by name; `commanded` are the same by the role
    that asked for them. What a script calls is counted as well.
    """

    at: float
    cpu: Mapping[str, float]
    calls: Counter[Call]
    queries: int
    commands: Counter[str]
    commanded: Counter[str]

    def since(self, earlier: Usage) -> Usage:
        """What was used between the two; `at` is the length in seconds."""
        return Usage(
            at=self.at - earlier.at,
            cpu={role: self.cpu[role] - earlier.cpu.get(role, 0.0) for role in self.cpu},
            calls=self.calls - earlier.calls,
            queries=self.queries - earlier.queries,
            commands=self.commands - earlier.commands,
            commanded=self.commanded - earlier.commanded,
        )


@dataclass(frozen=True, slots=True)
class Gauge:
    """Reads all totals at once."""

    pids: Pids
    store: Store
    calls: Callable[[], Counter[Call]]
    queries: Callable[[], int]

    def read(self) -> Usage:
        """The totals now."""
        return Usage(
            at=time.monotonic(),
            cpu={role: sum(map(cpu_seconds, pids)) for role, pids in self.pids.items()},
            calls=self.calls(),
            queries=self.queries(),
            commands=_commands(self.store),
            commanded=_commanded(self.store, self.pids),
        )

    def peak_memory(self) -> dict[str, float]:
        """The most memory that the processes of each role have had, in MiB."""
        return {role: sum(map(peak_mib, pids)) for role, pids in self.pids.items()}


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its threads, in steps of 10 ms; 0 when it is gone."""
    # After the name, which may hold blanks and brackets: utime and stime are fields 14 and 15.
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND if fields else 0.0


def peak_mib(pid: int) -> float:
    """The most resident memory a process has had, in MiB."""
    lines = _text(f"/proc/{pid}/status").splitlines()
    found = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(next(found, "0")) / _KIB_PER_MIB


def _commands(store: Store) -> Counter[str]:
    stats: Mapping[str, Any] = store.client.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): stats[name]["calls"] for name in stats})


def _commanded(store: Store, pids: Pids) -> Counter[str]:
    """Commands by role: connections are told apart by the port they come from."""
    owners = {port: role for role, each in pids.items() for port in _ports(each)}
    found: Counter[str] = Counter()
    for client in store.client.client_list():
        port = int(client["addr"].rpartition(":")[2])
        found[owners.get(port, "others")] += int(client.get("tot-cmds", 0))
    return found


def _ports(pids: Iterable[int]) -> set[int]:
    """The local ports of the TCP connections of `pids`."""
    sockets = {_target(link) for pid in pids for link in Path(f"/proc/{pid}/fd").glob("*")}
    rows = [line.split() for line in _text("/proc/net/tcp").splitlines()[1:]]
    return {int(row[1].partition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in sockets}


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""
