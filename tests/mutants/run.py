"""Tries a fixed sample of defects with both cores, and tells which ones no test noticed.

The exit code is 0 when at least `--share` percent of those that are not equivalent are killed.
"""

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tests.mutants import equivalent, trial
from tests.mutants.areas import AREAS, Area
from tests.mutants.python_mutants import Mutant
from tests.mutants.trial import Fate

CHECKOUT: Final = Path(__file__).resolve().parents[2]
SEED: Final = 20260301
SAMPLE: Final = 40
"""Mutants per area: what two cores try in about a quarter of an hour."""

Job = tuple[Area, Mutant]


def main() -> None:
    """Runs the sample and reports."""
    options = _options()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        _check_unharmed(Path(folder), options.area)
        results = _tried(list(_jobs(options)), Path(folder))
    _say(f"{len(results)} mutants in {time.monotonic() - started:.0f} s, seed {options.seed}")
    sys.exit(0 if _report(results) >= options.share else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="of the sample")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="mutants per area; 0 for all")
    parser.add_argument("--share", type=float, default=95.0, help="percent that must be killed")
    parser.add_argument("--area", choices=[area.name for area in AREAS], help="this one only")
    parser.add_argument("--only", default="", help="mutants whose description contains this text")
    return parser.parse_args()


def _jobs(options: argparse.Namespace) -> Iterator[Job]:
    """The sample of each area, without those that are known to be equivalent."""
    for area in AREAS:
        if options.area not in {None, area.name}:
            continue
        every = [each for each in area.mutants(CHECKOUT) if options.only in str(each)]
        count = min(options.sample or len(every), len(every))
        for mutant in sorted(random.Random(options.seed).sample(every, count)):
            source = (CHECKOUT / mutant.path).read_text("utf-8")
            if not equivalent.is_equivalent(mutant, source):
                yield area, mutant


def _check_unharmed(folder: Path, only: str | None) -> None:
    """Ends the run when tests fail without any defect: each mutant would pass for killed."""
    trial.load_libraries()
    copy = trial.copy_of(CHECKOUT, folder / "unharmed")
    for area in AREAS:
        if only in {None, area.name} and not trial.passes(copy, area.tests):
            log = trial.log_of(copy).read_text("utf-8", errors="replace")
            sys.exit(f"tests of {area.name} fail without a defect:\n{log[-3000:]}")


def _tried(jobs: list[Job], folder: Path) -> list[tuple[Job, Fate]]:
    """What became of each, told as it happens."""
    workers = os.cpu_count() or 1
    context = multiprocessing.get_context("fork")
    results: list[tuple[Job, Fate]] = []
    with context.Pool(workers, initializer=partial(_prepare, folder)) as pool:
        for job, fate in pool.imap_unordered(_try, jobs):
            results.append((job, fate))
            if fate is Fate.SURVIVED:
                _say(f"survived: {job[1]}")
    return results


_copy = Path()


def _prepare(folder: Path) -> None:
    """Gives this worker its own copy of the checkout."""
    global _copy  # noqa: PLW0603 - a worker of a pool has no other place for what is its own
    _copy = trial.copy_of(CHECKOUT, folder / str(os.getpid()))


def _try(job: Job) -> tuple[Job, Fate]:
    area, mutant = job
    return job, trial.attempt(_copy, mutant, area.tests)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _report(results: list[tuple[Job, Fate]]) -> float:
    """Percent killed; prints it for each area."""
    tried = Counter(area.name for (area, _), _ in results)
    killed = Counter(area.name for (area, _), fate in results if fate is Fate.KILLED)
    for name, count in tried.items():
        _say(f"{name:10} {killed[name]:4} of {count:4} killed, {killed[name] / count:.0%}")
    share = 100 * killed.total() / max(tried.total(), 1)
    _say(f"{'all':10} {killed.total():4} of {tried.total():4} killed, {share:.1f}%")
    return share


if __name__ == "__main__":
    main()
