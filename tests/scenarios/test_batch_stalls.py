"""Whoever works on several canaries at once may stall or die, with all of them in its hands.

The same stalls as in test_random_stalls.py, of jobs that carry up to five canaries: between two
round trips, and with one on its way, of which Redis may have carried out the first part only. Users
do nothing here; some revisions are good and some bad, and each has its own end.

`COALMINE_STALLS=1000` tries as many runs.
"""

import os
import random
from collections import Counter
from datetime import timedelta
from typing import Final

from analysis.findings import Measurement
from analysis.metrics.checks import Check
from config.refs import CanaryRef
from tests.stage import fleet, hands, measuring
from tests.stage.stage import REF, Stage
from tests.stage.troubled import TroubledStage
from tests.stage.watchman import Watchman, try_all
from tests.unit.analysis.worlds import a_manifest

NAMES: Final = fleet.NAMES[:5]
LONGEST: Final = timedelta(minutes=15)
"""From the end of all trouble to the end of all rollouts: thirty intervals."""


def ended(stage: Stage) -> bool:
    """Whether all rollouts are over, and their statuses say so."""
    return set(fleet.phases(stage).values()) <= {"Succeeded", "Failed"}


def play(seed: int) -> Counter[str]:
    """One run; how often what was asserted."""
    chance = random.Random(seed)
    random.seed(seed)
    stage = TroubledStage(chance, batches=True)
    bad = {fleet.target(name) for name in chance.sample(NAMES, 2)}

    def source(check: Check) -> Measurement:
        is_bad = check.subject.target in bad
        return measuring.failing(check) if is_bad else measuring.healthy(check)

    fleet.deployed(stage, a_manifest(), NAMES)
    initialized = dict.fromkeys(NAMES, "Initialized")
    stage.run(lambda on: fleet.phases(on) == initialized, within=timedelta(minutes=2))
    stage.source = source
    watchmen = [
        Watchman(stage, CanaryRef(REF.namespace, name), fleet.target(name)) for name in NAMES
    ]

    def look(leapt: bool) -> None:
        for each in watchmen:
            each.look(leapt)

    stage.watchman = look
    stage.share = chance.choice([0.2, 0.4, 0.6])
    try:
        fleet.released(stage, NAMES)
        for _ in range(chance.randrange(2, 6)):
            hands.pass_time(stage)
            chance.choice(hands.ALL)(stage)
        stage.share = 0
        stage.door.faults.clear()
        stage.run(ended, within=LONGEST)
        stage.wait(timedelta(seconds=15))
        judge(stage, bad)
    finally:
        stage.workers.close()
    first, *others = (each.counts for each in watchmen)
    landed = Counter({name: first[name] for name in ("landed", "late")})
    per_canary = ("stood", "promotions", "failed checks")
    return landed + Counter({name: sum(c[name] for c in (first, *others)) for name in per_canary})


def judge(stage: TroubledStage, bad: set[str]) -> None:
    """Every good revision is promoted and every bad one rolled back, and all say so."""
    good = {name for name in NAMES if fleet.target(name) not in bad}
    ends = {name: "Succeeded" if name in good else "Failed" for name in NAMES}
    assert fleet.phases(stage) == ends
    assert fleet.promoted(stage) == good
    assert {stage.weight_of(fleet.target(name)) for name in NAMES} == {0}


EXAMPLES: Final = int(os.environ.get("COALMINE_STALLS", "3"))
REACHED: Final = {"landed": 0.5, "promotions": 3.0, "failed checks": 4.0, "stood": 0.3}
"""How often something is reached at least, per run."""


def test_whoever_stalls_with_a_batch_each_canary_comes_to_its_own_end() -> None:
    """Late writes are put right within a second; the good are promoted, the bad rolled back."""
    try_all(play, range(EXAMPLES), REACHED)
