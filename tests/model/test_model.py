"""Every order of events of a rollout of a step or two, walked to the end: no invariant is broken.

Walked are looks with every answer, the writes of each lane, kills before and after each, time that
passes, other releases, deletion and a loss of Redis; see `tests.model.rollout`. Left out: pods that
come and go, which the scenarios have.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import pytest

from analysis.phases import Phase
from tests.model import explorer, rollout
from tests.model.rollout import Model, Rollout
from tests.unit.analysis import worlds

MOST: Final = 60_000
"""States of one walk; some 0.6 ms each."""

CHOSEN: Final = [{"headers": {"cookie": {"exact": "canary"}}}]
GATES: Final = ("confirm-rollout", "confirm-traffic-increase", "confirm-promotion", "rollback")

ROLLOUTS: Final[Mapping[str, tuple[Mapping[str, Any], set[int]]]] = {
    "weights": ({"stepWeights": [40, 80]}, {0, 40, 80, 100}),
    "one weight": ({"stepWeights": [40]}, {0, 40, 100}),
    "weights after mirroring": ({"stepWeights": [40], "mirror": True}, {0, 40, 100}),
    "affinity": (
        {"stepWeights": [40, 80], "sessionAffinity": {"cookieName": "side"}},
        {0, 40, 80, 100},
    ),
    "A/B": ({"iterations": 2, "match": CHOSEN}, {0, 100}),
    "blue/green": ({"iterations": 1}, {0, 100}),
    "blue/green mirrored": ({"iterations": 1, "mirror": True}, {0, 100}),
    "gates": (
        {
            "stepWeights": [40],
            "webhooks": [{"name": kind, "type": kind, "url": "http://gate"} for kind in GATES],
        },
        {0, 40, 100},
    ),
}
"""The analysis of each, and the weights that its canary may have."""

LOSING: Final = ("weights", "A/B", "blue/green")
"""Walked with a loss of Redis; all that comes without one is in that walk."""

SURPRISES: Final = {
    "whatever comes": (ROLLOUTS.keys() - {*LOSING, "one weight"}, 0, 0),
    "Redis is lost": (LOSING, 0, 1),
    "another release": (("one weight",), 1, 0),
}


@pytest.mark.timeout(400)  # some of them take 20 s of an idle processor
@pytest.mark.parametrize(
    ("rollout_kind", "releases", "losses"),
    [
        pytest.param(kind, releases, losses, id=f"{kind}, {surprise}")
        for surprise, (kinds, releases, losses) in SURPRISES.items()
        for kind in sorted(kinds)
    ],
)
def test_no_order_of_events_breaks_an_invariant(
    rollout_kind: str, releases: int, losses: int
) -> None:
    """Nor leads anywhere from where no end can be reached."""
    analysis, plan = ROLLOUTS[rollout_kind]
    metrics = [{"name": "request-success-rate", "thresholdRange": {"min": 99}}]
    common = {"interval": "30s", "threshold": 2, "metrics": metrics}
    canary = worlds.a_canary(spec={"analysis": {**common, **analysis}})

    def wrong(before: Model, what: str, after: Model) -> str | None:
        return next((name for name, holds in _laws(before, what, after, plan) if not holds), None)

    course = Rollout(canary)
    beginning = course.normal(rollout.beginning()._replace(releases=releases, losses=losses))
    walk = explorer.walk(beginning, course.steps, wrong, MOST)
    astray = walk.without_end(rollout.is_ended)
    assert not astray, "\n".join([f"{len(astray)} without an end", *walk.story(astray[0])])

    phases = Counter(model.state.phase for model in walk.numbers if model.state)
    assert {Phase.PROGRESSING, Phase.FAILED, Phase.SUCCEEDED} <= phases.keys()
    print(f"{rollout_kind}: {len(walk.came)} states, {walk.edges} steps")  # noqa: T201 # is told


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
