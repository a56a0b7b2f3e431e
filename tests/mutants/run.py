"""Tries a fixed sample of defects with all cores, and tells which ones no test noticed.

The exit code is 0 when at least `--share` percent of those that are not equivalent are killed.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import hypothesis
import pytest

from tests.mutants import areas, equivalent, forks, trial
from tests.mutants.areas import AREAS, Area
from tests.mutants.python_mutants import Mutant
from tests.mutants.reach import Function, Reach, Tracer

CHECKOUT: Final = Path(__file__).resolve().parents[2]
SEED: Final = 20260301
SAMPLE: Final = 40
"""Mutants per area: what two cores try in a few minutes."""

Job = tuple[Area, Mutant]


def main() -> None:
    """Runs the sample and reports."""
    options = _options()
    hypothesis.settings.register_profile(
        "mutants",
        deadline=None,
        database=None,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
        trials = Trials(options, Path(folder))
        pytest.main(
            [*trial.OPTIONS, *(options.tests or areas.TESTS), f"--ignore={areas.GENERATED}"],
            plugins=[trials],
        )
    sys.exit(0 if trials.share >= options.share else 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="of the sample")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="mutants per area; 0 for all")
    parser.add_argument("--share", type=float, default=95.0, help="percent that must be killed")
    parser.add_argument("--area", choices=[area.name for area in AREAS], help="this one only")
    parser.add_argument("--only", nargs="+", default=[""], help="mutants named by one of these")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="trials at once")
    parser.add_argument("--reach", type=Path, help="keeps what tests reach here, for the next run")
    parser.add_argument("--tests", nargs="+", help="all of these; no others")
    parser.add_argument("-v", action="store_true", help="tells which test killed each")
    return parser.parse_args()


class Trials:
    """The plug-in that runs trials in the place of tests, once pytest has collected them."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options, self._folder = options, folder
        self._started = time.monotonic()
        self.share = 0.0
        self._tracer = Tracer(CHECKOUT)
        self._tracer.start()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Writes why a test failed into the log of its fork."""
        if report.failed:
            sys.stdout.write(f"{report.nodeid}\n{report.longreprtext}\n")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Tries the sample."""
        imported = self._tracer.stop()
        if session.testsfailed:
            sys.exit("the tests cannot be collected")
        known = self._reach(session, imported)
        self._say(f"{len(known.seconds)} tests take {sum(known.seconds.values()):.0f} s")
        results = dict(self._tried(session, known))
        self.share = _report(results)
        self._say(f"{len(results)} mutants tried, seed {self._options.seed}")
        return True

    def _reach(self, session: pytest.Session, imported: set[Function]) -> Reach:
        """What each test reaches. Ends the run if one fails: each mutant would pass for killed."""
        kept: Path | None = self._options.reach
        if self._options.tests and kept is None:
            return Reach({item.nodeid: 0.0 for item in session.items}, imported=imported)
        if kept is not None and kept.exists():
            return Reach.loaded(kept.read_text("utf-8"))

        def record(part: int) -> str:
            return trial.recorded(session, items[part], self._tracer).dumped()

        items = trial.parts(session, self._options.jobs)
        known = Reach(imported=imported)
        for _, text in forks.answers([*range(len(items))], record, self._folder, len(items)):
            if not text:
                logs = (log.read_text("utf-8", "replace") for log in self._folder.glob("*.log"))
                sys.exit("a test fails without a defect:\n" + "\n".join(logs)[-3000:])
            known.add(Reach.loaded(text))
        if kept is not None:
            kept.write_text(known.dumped(), "utf-8")
        return known

    def _tried(self, session: pytest.Session, known: Reach) -> Iterator[tuple[Job, bool]]:
        """Whether each mutant was killed, told as it happens."""

        def attempt(job: Job) -> str:
            return trial.killer(session, job[1], known) or ""

        jobs = list(_jobs(self._options))
        for job, killer in forks.answers(jobs, attempt, self._folder, self._options.jobs):
            if killer == "":
                self._say(f"survived: {job[1]}")
            elif self._options.v:
                self._say(f"killed: {job[1]} by {killer or 'a loop without an end'}")
            yield job, killer != ""

    def _say(self, line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self._started:5.0f} s  {line}\n")
        sys.stdout.flush()


def _jobs(options: argparse.Namespace) -> Iterator[Job]:
    """The sample of each area, without those that are known to be equivalent.

    What is drawn depends on the seed and on each mutant's own line: an edit changes little of it.
    """

    def draw(mutant: Mutant) -> bytes:
        named = options.seed, equivalent.key(mutant, _source(mutant)), mutant.text
        return hashlib.sha256(repr(named).encode()).digest()

    for area in AREAS:
        if options.area not in {None, area.name}:
            continue
        found = area.mutants(CHECKOUT)
        every = [each for each in found if any(text in str(each) for text in options.only)]
        for mutant in sorted(sorted(every, key=draw)[: options.sample or len(every)]):
            if not equivalent.is_equivalent(mutant, _source(mutant)):
                yield area, mutant


def _source(mutant: Mutant) -> str:
    return (CHECKOUT / mutant.path).read_text("utf-8")


def _report(results: dict[Job, bool]) -> float:
    """Percent killed; prints it for each area."""
    tried = Counter(area.name for area, _ in results)
    killed = Counter(area.name for (area, _), is_killed in results.items() if is_killed)
    for name, count in tried.items():
        sys.stdout.write(f"{name:10} {killed[name]:4} of {count:4} killed\n")
    share = 100 * killed.total() / max(tried.total(), 1)
    sys.stdout.write(f"{'all':10} {killed.total():4} of {tried.total():4} killed, {share:.1f}%\n")
    return share


if __name__ == "__main__":
    main()
