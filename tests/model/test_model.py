"""Every order of events of a rollout of two steps, walked to the end: no invariant is broken.

Walked are looks with every answer, the writes of each lane, kills before and after each, time that
passes, other releases, deletion and a loss of Redis; see `tests.model.rollout`. Left out: pods that
come and go, which the scenarios have.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from analysis.phases import Phase
from tests.model import explorer, rollout
from tests.model.rollout import Model
from tests.unit.analysis import worlds

MOST: Final = 60_000
"""States of one walk; some 0.6 ms each."""

STRATEGIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "weights": {"stepWeights": [40, 80], "threshold": 2},
}
PLANS: Final = {"weights": {0, 40, 80, 100}}

SURPRISES: Final = {"nothing else": (0, 0), "Redis is lost": (0, 1), "another release": (1, 0)}


@pytest.mark.parametrize(("releases", "losses"), SURPRISES.values(), ids=SURPRISES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_order_of_events_breaks_an_invariant(
    strategy: str, releases: int, losses: int, record_property: Any
) -> None:
    """Nor leads anywhere from where no end can be reached."""
    canary = worlds.a_canary(**STRATEGIES[strategy])
    plan = PLANS[strategy]

    def wrong(before: Model, what: str, after: Model) -> str | None:
        return next((name for name, holds in _laws(before, what, after, plan) if not holds), None)

    beginning = replace(rollout.beginning(), releases=releases, losses=losses)
    walk = explorer.walk(beginning, lambda model: rollout.steps(model, canary), wrong, MOST)
    astray = walk.without_end(rollout.is_ended)
    assert not astray, "\n".join([f"{len(astray)} without an end", *walk.story(astray[0])])

    phases = Counter(model.state.phase for model in walk.came if model.state)
    assert {Phase.PROGRESSING, Phase.FAILED, Phase.SUCCEEDED} <= phases.keys()
    record_property("states", len(walk.came))
    print(f"{strategy}: {len(walk.came)} states, {walk.edges} steps")  # noqa: T201 # to be read


def _laws(before: Model, what: str, after: Model, plan: set[int]) -> tuple[tuple[str, bool], ...]:
    """Invariants 6, 7 and 12 of the design, and what a promotion is."""
    rises = False
    if before.state and after.state:
        rises = before.state.route.split.canary < after.state.route.split.canary
    return (
        ("a weight that is in no plan", after.live.canary in plan),
        ("traffic to a canary without pods", not after.live.reaches_canary or after.replicas > 0),
        ("a weight that rises with a failed check", not (rises and "checks fail" in what)),
        ("traffic for what has failed", not (rises and after.target in after.failed)),
        ("a promotion of what was not analysed", after.primary in after.passed),
    )
