"""The types of tasks: each by what `metadata.type` says, as a function from payloads to jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from loadtester.jobs import Job, Refused
from loadtester.kinds import ngrinder
from loadtester.kinds.commands import Commands
from loadtester.kinds.concord import Concord
from loadtester.payload import Payload

Prepare = Callable[[Payload], Job]
"""The job that a payload asks for. Raises Refused."""

DEFAULT: Final = "cmd"


def registry(commands: Commands, processes: Concord, limit: timedelta) -> Mapping[str, Prepare]:
    """Every type there is; `limit` is the time of a test of nGrinder."""
    return {
        "cmd": commands.load,
        "bash": commands.check,
        "helm": partial(commands.tool, "helm"),
        "helmv3": partial(commands.tool, "helm"),
        "kubectl": partial(commands.tool, "kubectl"),
        "concord": processes.job,
        "ngrinder": partial(ngrinder.job, limit),
    }


def job(known: Mapping[str, Prepare], payload: Payload) -> Job:
    """The job that `payload` asks for. Raises Refused."""
    if not payload.metadata:
        raise Refused("metadata not found in payload")
    kind = payload.metadata.get("type") or DEFAULT
    if kind not in known:
        raise Refused(f"unknown task type {kind}; allowed: {', '.join(sorted(known))}")
    return known[kind](payload)
