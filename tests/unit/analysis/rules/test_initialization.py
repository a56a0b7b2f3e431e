"""NEW and INITIALIZING: from a bare workload to a primary that serves everything.

Source: lifecycle 4, 5; defect D-6. Readiness is awaited with skipAnalysis too, on purpose.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis import state as states
from analysis.findings import Findings
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.state import RolloutState
from clients.documents.confirmed import Confirmed
from config.scaling import CanaryScale, WorkloadIntent
from config.traffic import ALL_TO_PRIMARY, RouteIntent, RouteStage
from tests.unit.analysis import tables, worlds
from tests.unit.analysis.tables import Answer, Asks, Decided, Rests
from tests.unit.analysis.worlds import NEW, NOW, OLD

SKIPPED = worlds.a_canary(spec={"skipAnalysis": True})
NEWBORN = states.unborn("u1", 1, NOW)
UNDONE = Confirmed(route_seq=5, workload_seq=4)
UNROUTED = Confirmed(route_seq=4, workload_seq=5)


def initializing(
    stage: RouteStage, canary: CanaryScale = CanaryScale.LEAVE, **changes: Any
) -> RolloutState:
    """On the way, traffic objects in `stage`."""
    return worlds.a_state(
        Phase.INITIALIZING,
        applied="",
        promoted="",
        route=RouteIntent(5, stage, ALL_TO_PRIMARY),
        workload=WorkloadIntent(5, canary),
        **changes,
    )


HIDDEN = initializing(RouteStage.SERVICES)
EXPOSED = initializing(RouteStage.EXPOSED)
PARKED = initializing(RouteStage.EXPOSED, CanaryScale.ZERO)
UNREADY = worlds.a_workload(OLD, readiness=worlds.unready())
TOLD = "cart-app-primary.shop not ready: waiting for rollout to finish: x"

TABLE: dict[str, tuple[Observation, Findings | None, Answer]] = {
    "the metric servers are probed first": (
        worlds.seen(NEWBORN, target=worlds.a_workload(OLD), primary=None),
        None,
        Asks("initialize", "providers"),
    ),
    "an accepted canary with a target is initialized, and told of available servers": (
        worlds.seen(NEWBORN, target=worlds.a_workload(OLD), primary=None),
        Findings(backends=()),
        Decided(
            "initialize", "Initializing", "100/0", ["all the metrics providers are available!"]
        ),
    ),
    "a server that does not answer never ends the initialization": (
        worlds.seen(NEWBORN, target=worlds.a_workload(OLD), primary=None),
        Findings(backends=("connection refused",)),
        Decided(
            "initialize",
            "Initializing",
            "100/0",
            ["Error checking metric providers: connection refused"],
        ),
    ),
    "with skipAnalysis nothing is probed": (
        worlds.seen(NEWBORN, SKIPPED, target=worlds.a_workload(OLD), primary=None),
        None,
        Decided("initialize", "Initializing", "100/0"),
    ),
    "without a target there is nothing to initialize, and that is told": (
        worlds.seen(NEWBORN, target=None, primary=None),
        None,
        Decided(
            "initialize",
            "",
            "100/0",
            ["cart.shop waits for its target: deployment cart-app.shop not found"],
            300,
        ),
    ),
    "a primary that is being created is waited for": (
        worlds.seen(HIDDEN, primary=None, confirmed=UNDONE),
        None,
        Rests("restore_primary", 2),
    ),
    "a primary that is not ready is told": (
        worlds.seen(HIDDEN, primary=UNREADY),
        None,
        Decided("await_primary", "Initializing", "100/0", [TOLD], 300),
    ),
    "but not in its first ten seconds": (
        worlds.seen(replace(HIDDEN, since=NOW - timedelta(seconds=9)), primary=UNREADY),
        None,
        Rests("await_primary", 1),
    ),
    "from then on it is": (
        worlds.seen(replace(HIDDEN, since=NOW - timedelta(seconds=10)), primary=UNREADY),
        None,
        Decided("await_primary", "Initializing", "100/0", [TOLD], 300),
    ),
    "and not told again a minute later": (
        worlds.seen(replace(HIDDEN, waiting=worlds.a_wait(TOLD)), primary=UNREADY),
        None,
        Rests("await_primary", 240),
    ),
    "but five minutes later": (
        worlds.seen(replace(HIDDEN, waiting=worlds.a_wait(TOLD, seconds_ago=300)), primary=UNREADY),
        None,
        Decided("await_primary", "Initializing", "100/0", [TOLD], 300),
    ),
    "with skipAnalysis too the primary must be ready": (
        worlds.seen(HIDDEN, SKIPPED, primary=UNREADY),
        None,
        Decided("await_primary", "Initializing", "100/0", [TOLD], 300),
    ),
    "a primary deleted meanwhile is made anew": (
        worlds.seen(HIDDEN, primary=None),
        None,
        Decided(
            "restore_primary",
            "Initializing",
            "100/0",
            ["cart-app-primary.shop not found, creating it anew from cart-app.shop"],
        ),
    ),
    "a ready primary is exposed": (
        worlds.seen(HIDDEN),
        None,
        Decided("expose", "Initializing", "100/0"),
    ),
    "the target keeps its pods until the route is in force": (
        worlds.seen(EXPOSED, confirmed=UNROUTED),
        None,
        Rests("await_route", 2),
    ),
    "then the target is scaled down": (
        worlds.seen(EXPOSED),
        None,
        Decided("park_target", "Initializing", "100/0"),
    ),
    "the end waits for that": (
        worlds.seen(PARKED, confirmed=UNDONE),
        None,
        Rests("initialized", 2),
    ),
    "then the canary is initialized": (
        worlds.seen(PARKED),
        None,
        Decided("initialized", "Initialized", "100/0", ["Initialization done! cart.shop"], 0),
    ),
}


@pytest.mark.parametrize(("seen", "found", "expected"), TABLE.values(), ids=TABLE)
def test_an_initialization(seen: Observation, found: Findings | None, expected: Answer) -> None:
    """Each world has one answer, given by one rule of the composed chain."""
    assert tables.answer(seen, found) == expected


def test_a_canary_with_a_blocking_problem_is_not_initialized() -> None:
    """Nothing is created for a manifest that will not be carried out."""
    problem = worlds.a_problem("spec.provider: smi")
    newborn = tables.decision(worlds.seen(NEWBORN, problems=(problem,), primary=None))
    assert newborn.rule == "acceptance"
    told = worlds.seen(newborn.state, problems=(problem,), primary=None)
    held = "cart.shop is not accepted: nothing starts, steps up or is promoted until its manifest "
    said = [f"{held}is corrected: {problem.message}"]
    assert tables.answer(told) == Decided("hold", "", "100/0", said, 300)


def test_what_counts_as_promoted_is_what_the_primary_runs() -> None:
    """D-6: the target may hold another revision by now; that one is still to be analysed."""
    seen = worlds.seen(PARKED, target=worlds.a_workload(NEW, replicas=0))
    state = tables.decision(seen).state
    assert (state.applied, state.promoted) == (OLD, OLD)


def test_initialization_asks_for_services_first_and_the_apex_later() -> None:
    """Users do not notice before the primary is ready: order of lifecycle 5."""
    newborn = worlds.seen(NEWBORN, target=worlds.a_workload(OLD), primary=None)
    born = tables.decision(newborn, Findings(backends=())).state
    assert (born.route.stage, born.workload.canary) == (RouteStage.SERVICES, CanaryScale.LEAVE)
    assert (born.route.seq, born.workload.seq) == (1, 1)
    exposed = tables.decision(worlds.seen(HIDDEN)).state
    assert exposed.route == RouteIntent(6, RouteStage.EXPOSED, ALL_TO_PRIMARY)
    assert exposed.workload.canary is CanaryScale.LEAVE
