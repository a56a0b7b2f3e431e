"""How many pods of a side can take traffic, by what its workload shows."""

from dataclasses import replace

import pytest

from analysis.decisions import Case
from analysis.findings import Findings
from analysis.observation import Observation
from analysis.rules import pods
from tests.unit.analysis import worlds
from tests.unit.analysis.worlds import OLD


def case(seen: Observation) -> Case:
    """What rules are given."""
    assert seen.canary
    assert seen.strategy
    assert seen.state
    return Case(seen, Findings(), seen.canary, seen.strategy, seen.state)


STANDING = worlds.a_workload(OLD, available=2)


@pytest.mark.parametrize(
    ("seen", "available"),
    [
        (worlds.seen(worlds.progressing(20), primary=STANDING), 2),
        (worlds.seen(worlds.progressing(20), primary=replace(STANDING, replicas=0)), 0),
        (worlds.seen(worlds.progressing(20), primary=None), 0),
    ],
)
def test_the_pods_of_the_primary_that_can_take_traffic(seen: Observation, available: int) -> None:
    """Those of a workload at zero are on their way out; what is gone has none."""
    assert pods.primary(case(seen)).available == available


def test_the_pods_of_a_view_older_than_our_own_write_are_not_known() -> None:
    """It is there, but what it showed may have changed with what we wrote."""
    confirmed = replace(worlds.seen(worlds.progressing(20)).confirmed, primary_generation=2)
    seen = worlds.seen(worlds.progressing(20), primary=STANDING, confirmed=confirmed)
    assert pods.primary(case(seen)).available is None
