"""What a measurement needs of a cluster, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.calls import Calls


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster; `admin` is the kubeconfig of who measures."""

    name: str
    admin: Path
    kubeconfigs: Mapping[str, Path]
    """By role of process."""
    calls: Calls
    pids: Mapping[str, tuple[int, ...]]
    """Its processes by name."""
    etcd: str = ""
    """The URL of its etcd, if it has one."""
