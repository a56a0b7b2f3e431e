"""Traffic never moves from a side with available pods to one without: the guard of all decisions.

Of requests that are chosen or pinned as of weights; which moves give a side more, tests/unit/config
says. Left out: what the rules decide by themselves.
"""

from dataclasses import replace
from typing import Final

import pytest

from analysis.decisions import Case, Decision
from analysis.findings import Findings
from analysis.phases import Phase
from analysis.rules import failover
from config import requests
from config.scaling import CanaryScale
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY, Mirror, TrafficSplit
from tests.unit.analysis import worlds
from tests.unit.analysis.worlds import NEW, OLD

MATCH: Final = [{"headers": {"x-user": {"exact": "insider"}}}]
PINNED: Final = [{"header": {"name": "x-beta", "value": {"exact": "1"}}}]
INSIDERS: Final = replace(ALL_TO_CANARY, match=requests.matched(worlds.a_canary(match=MATCH)))
BETA: Final = replace(ALL_TO_PRIMARY, pinned=requests.pinned(worlds.a_canary(a_b_test=PINNED)))
COPIES: Final = TrafficSplit.of(0, mirror=Mirror())
PODS, NONE = 2, 0

MOVES: Final[dict[str, tuple[TrafficSplit, TrafficSplit, int, int, bool]]] = {
    "everybody follows chosen users to no pods": (INSIDERS, ALL_TO_CANARY, PODS, NONE, False),
    "everybody follows chosen users to pods": (INSIDERS, ALL_TO_CANARY, PODS, PODS, True),
    "chosen users return to no pods": (INSIDERS, ALL_TO_PRIMARY, NONE, PODS, False),
    "all but chosen users return to no pods": (ALL_TO_CANARY, INSIDERS, NONE, PODS, False),
    "pinned users are led to no pods": (ALL_TO_PRIMARY, BETA, PODS, NONE, False),
    "pinned users return to no pods": (BETA, ALL_TO_PRIMARY, NONE, PODS, False),
    "pinned users return to pods": (BETA, ALL_TO_PRIMARY, PODS, NONE, True),
    "copies end, which were nobody's requests": (COPIES, ALL_TO_PRIMARY, NONE, PODS, True),
    "nobody has pods": (INSIDERS, ALL_TO_PRIMARY, NONE, NONE, True),
}


@pytest.mark.parametrize(
    ("before", "after", "primary", "canary", "is_made"), MOVES.values(), ids=MOVES
)
def test_a_move_to_a_side_without_pods_waits(
    before: TrafficSplit, after: TrafficSplit, primary: int, canary: int, is_made: bool
) -> None:
    """Invariant 12; where neither side has pods a move harms nobody."""
    state = worlds.a_state(Phase.PROGRESSING, 0, CanaryScale.RUNNING, applied=NEW)
    state = replace(state, route=replace(state.route, split=before))
    seen = worlds.seen(
        state,
        target=worlds.a_workload(NEW, available=canary),
        primary=worlds.a_workload(OLD, available=primary),
    )
    assert seen.canary
    assert seen.strategy
    case = Case(seen, Findings(), seen.canary, seen.strategy, state)
    wish = Decision("Moved", "", replace(state, route=state.routed(after)))
    assert (failover.guarded(case, wish) == wish) is is_made
