"""`python -m loadtester.hey`: makes the load and prints the report, as hey does."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clients.clock import SystemClock
from loadtester.hey import arguments, generator, report
from loadtester.hey.arguments import Plan


def main(words: Sequence[str]) -> int:
    """The exit code: 1 for options that cannot be used, 0 whatever the requests came to."""
    try:
        plan = _with_body(arguments.parse(words))
    except (arguments.UsageError, OSError) as error:
        sys.stderr.write(f"hey: {error}\n")
        return 1
    if plan.ignored:
        sys.stderr.write(f"hey: not read, as it stands behind the URL: {' '.join(plan.ignored)}\n")
    sys.stdout.write(asyncio.run(_report(plan)))
    return 0


def _with_body(plan: Plan) -> Plan:
    if not plan.body_file:
        return plan
    with Path(plan.body_file).open("rb") as file:
        return replace(plan, body=file.read(arguments.LARGEST_BODY))


async def _report(plan: Plan) -> str:
    """Ctrl-C ends the run early, with a report."""
    clock, stop = SystemClock(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    began = clock.monotonic()
    results = await generator.run(plan, stop, clock)
    return report.summary(results, clock.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
