"""Views older than our own last write: of whatever they show, nothing is believed."""

from dataclasses import replace
from typing import Final

import pytest

from analysis import decide
from analysis.findings import Findings
from analysis.observation import Observation, Workload
from analysis.phases import Phase
from config.scaling import CanaryScale, WorkloadIntent
from tests.unit.analysis import arbitrary, tables, worlds
from tests.unit.analysis.properties import holds
from tests.unit.analysis.worlds import NEW, NEWER, OLD

WRITTEN: Final = 3
"""The generation that our own last write of each workload made."""


def aged(view: Workload | None) -> Workload | None:
    """`view` as it was one write of ours ago."""
    return replace(view, generation=WRITTEN - 1) if view else None


@holds(
    least=33,
    seen=arbitrary.accepted() | arbitrary.moving(),
    found=arbitrary.findings,
    target=arbitrary.workloads,
    primary=arbitrary.workloads,
)
def test_no_rule_concludes_from_a_view_older_than_our_own_write(
    seen: Observation, found: Findings, target: Workload, primary: Workload
) -> bool:
    """Whatever such a view shows, the same is done: its revision, replicas and pods mean nothing.

    Only that there is a workload at all is believed. Left out is a state that was lost: with it,
    what we wrote was forgotten.
    """
    confirmed = replace(
        seen.confirmed, target_generation=WRITTEN, primary_generation=WRITTEN, status_version=0
    )
    stale = replace(
        seen, confirmed=confirmed, target=aged(seen.target), primary=aged(seen.primary), status=None
    )
    other = replace(
        stale,
        target=aged(target) if seen.target else None,
        primary=aged(primary) if seen.primary else None,
    )
    assert decide.decide(stale, found) == decide.decide(other, found)
    return stale != other


ROLLED_BACK = worlds.a_state(Phase.FAILED, applied=NEW)
PROMOTION_FAILED = worlds.a_state(
    Phase.PROMOTION_FAILED, 100, applied=NEW, workload=WorkloadIntent(5, CanaryScale.RUNNING, NEW)
)


@pytest.mark.parametrize(
    ("rule", "seen"),
    [
        ("reverted", worlds.seen(worlds.progressing(20), target=worlds.a_workload(OLD))),
        ("revision_changed", worlds.seen(worlds.progressing(20), target=worlds.a_workload(NEWER))),
        ("copied_after_all", worlds.seen(worlds.progressing(20, copying=OLD))),
        ("settle", worlds.seen(ROLLED_BACK, target=worlds.a_workload(OLD))),
        ("new_revision", worlds.seen(worlds.a_state(Phase.SUCCEEDED))),
        ("repair_primary", worlds.seen(PROMOTION_FAILED, target=worlds.a_workload(NEWER))),
        ("primary_recovered", worlds.seen(PROMOTION_FAILED, primary=worlds.a_workload(NEW))),
    ],
)
def test_each_of_these_rules_speaks_of_a_current_view_only(rule: str, seen: Observation) -> None:
    """The world in which it decides, and the same seen one write too late."""
    assert tables.decision(seen).rule == rule
    late = replace(seen.confirmed, target_generation=2, primary_generation=2)
    assert decide.decide(replace(seen, confirmed=late), Findings()).rule != rule
