"""Every strategy, at every moment of a rollout, and everything that may happen there.

A rollout is walked to each moment at which something was decided, something happens, and the rest
is walked: it ends where it should, and no split was ever there that is not of the plan. Left out:
writers and messages (tests/scenarios).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import pytest

from analysis.phases import Phase
from analysis.verdicts import Effect
from config.api.canary import Canary
from config.traffic import ALL_TO_CANARY, ALL_TO_PRIMARY, TrafficSplit
from tests.unit.analysis import simulation, worlds
from tests.unit.analysis.simulation import Simulation
from tests.unit.analysis.worlds import NEW, NEWER, OLD

MATCH: Final = [{"headers": {"x-user": {"exact": "insider"}}}]
PINNED: Final = [{"header": {"name": "x-beta", "value": {"exact": "1"}}}]
STRATEGIES: Final[Mapping[str, Canary]] = {
    "weights": worlds.a_canary(stepWeight=30),
    "weights back by steps": worlds.a_canary(stepWeight=30, stepWeightPromotion=40),
    "weights after copies": worlds.a_canary(stepWeight=30, mirror=True),
    "weights of chosen requests": worlds.a_canary(stepWeight=30, match=MATCH),
    "weights beside pinned requests": worlds.a_canary(stepWeight=30, a_b_test=PINNED),
    "weights with cookies": worlds.a_canary(stepWeight=30, sessionAffinity={"cookieName": "c"}),
    "blue/green": worlds.iterating(2),
    "blue/green with copies": worlds.iterating(2, mirror=True),
    "A/B testing": worlds.iterating(2, match=MATCH),
}
LONG: Final = 7200.0
Event = Callable[[Simulation], None]


def started(canary: Canary) -> Simulation:
    """A rollout of `NEW` that has just begun."""
    world = simulation.initialized(canary)
    world.release(NEW)
    return world


def moments(canary: Canary) -> Iterator[float]:
    """The seconds at which an undisturbed rollout decides something, each once."""
    yield from sorted({at for at, _ in started(canary).run(LONG).decisions})


def splits(world: Simulation) -> set[TrafficSplit]:
    """All splits that were wanted, without their cookies."""
    return {replace(done.state.route.split, affinity=None) for _, done in world.decisions}


def bad(world: Simulation) -> None:
    """From now on no check passes."""
    world.check = lambda _: (worlds.a_check(Effect.COUNTS, "Halt cart.shop advancement bad"),)


def revert(world: Simulation) -> None:
    """The user undoes the release."""
    world.release(OLD)


def renew(world: Simulation) -> None:
    """The user releases something newer."""
    world.release(NEWER)


def delete(world: Simulation) -> None:
    """The user deletes the target."""
    world.target = None


def die(world: Simulation) -> None:
    """The pods of the release die, and never come up again."""
    world.dead = frozenset({NEW})
    world.release(NEW)


def doom(world: Simulation) -> None:
    """Pods of the release that are made from now on never come up: those of its primary."""
    world.dead = frozenset({NEW})


ENDS: Final[Mapping[str, tuple[Event, frozenset[Phase]]]] = {
    "its state is lost": (Simulation.forget, frozenset({Phase.SUCCEEDED})),
    "something newer is released": (renew, frozenset({Phase.SUCCEEDED})),
    "its checks fail": (bad, frozenset({Phase.FAILED, Phase.SUCCEEDED})),
    "it is undone": (revert, frozenset({Phase.FAILED, Phase.SUCCEEDED})),
    "its target is deleted": (delete, frozenset({Phase.FAILED, Phase.SUCCEEDED})),
    "its pods die": (die, frozenset({Phase.FAILED, Phase.SUCCEEDED})),
    "its further pods do not start": (
        doom,
        frozenset({Phase.PROMOTION_FAILED, Phase.SUCCEEDED}),
    ),
}


@pytest.mark.parametrize("event", ENDS)
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_rollout_reaches_an_end_whatever_happens_at_whatever_moment(
    name: str, event: str
) -> None:
    """With every request at one side that has pods, and no split on the way beyond the plan.

    Each of the ends is that of some moment.
    """
    canary, (happens, ends) = STRATEGIES[name], ENDS[event]
    planned = splits(started(canary).run(LONG)) | {ALL_TO_PRIMARY}
    phases = set()
    for at in moments(canary):
        world = started(canary)
        world.run(at)
        happens(world)
        world.run(LONG)
        assert world.state
        phases.add(world.phase)
        rest = replace(world.state.route.split, affinity=None)
        assert world.phase in ends, at
        assert rest == (ALL_TO_CANARY if world.phase is Phase.PROMOTION_FAILED else ALL_TO_PRIMARY)
        assert splits(world) <= planned | {rest}, at
    assert phases == ends


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_release_whose_checks_never_pass_meets_its_first_step_alone(name: str) -> None:
    """Rolled back in the tick of the last failed check, from the first split or from none."""
    canary = STRATEGIES[name]
    walked = [done.state.route.split for _, done in started(canary).run(LONG).decisions]
    first = next(
        (replace(each, affinity=None) for each in walked if each.reaches_canary), ALL_TO_PRIMARY
    )
    world = started(canary)
    bad(world)
    world.run(LONG)

    assert world.phase is Phase.FAILED
    assert world.measured == 3
    first = ALL_TO_PRIMARY if name == "blue/green" else first
    assert splits(world) == {ALL_TO_PRIMARY, first}


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_state_that_is_lost_at_every_moment_is_lost_for_nothing(name: str) -> None:
    """Forgotten again and again, the rollout still ends, with the checks of its plan at least."""
    canary = STRATEGIES[name]
    undisturbed = started(canary).run(LONG)
    world = started(canary)
    for before, at in zip([0.0, *moments(canary)], moments(canary), strict=False):
        world.run(at - before)
        world.forget()
    world.run(LONG)

    assert world.phase is Phase.SUCCEEDED
    assert world.measured >= undisturbed.measured
    assert splits(world) <= splits(undisturbed)
