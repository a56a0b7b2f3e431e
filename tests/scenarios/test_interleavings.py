"""Invariants 2, 4 and 6 of the design, as properties of whole rollouts.

Messages are lost, repeated and reordered at will while a rollout runs; then the queue behaves
again. Whatever happened, the rollout ends as the undisturbed one, never shows a weight that is not
in its plan, and never raises one on a bad check. Not here: dying processes (`tests/chaos`).
`COALMINE_STALLS=1000` tries as many runs; `tests/model` has every order of a shorter rollout.
"""

import itertools
import os
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.findings import Measurement
from analysis.metrics.checks import Check
from clients.kube import resources
from config.traffic import TrafficSplit
from tests.stage import measuring
from tests.stage.bag import Bag
from tests.stage.stage import REF, Stage, initialized
from tests.unit.analysis.worlds import a_manifest

PLAN: Final = [0, 20, 40, 60, 0]
LONG: Final = timedelta(minutes=30)
ENDED: Final = {"Succeeded", "Failed"}
EXAMPLES: Final = int(os.environ.get("COALMINE_STALLS", "12"))


def disturbed(stage: Stage, chance: random.Random, moves: int) -> None:
    """Runs `stage` for `moves` steps during which anything may happen to messages and time."""
    for _ in range(moves):
        stage.kubelet.step()
        stage.observe()
        stage.claim()
        choice = chance.choice(["first", "any", "twice", "lose", "wait", "late"])
        _happen(stage, stage.bag, choice, chance)


def _happen(stage: Stage, bag: Bag, choice: str, chance: random.Random) -> None:
    if choice == "wait" or not bag.messages:
        stage.clock.advance(timedelta(milliseconds=chance.choice([1, 400, 2500, 9000])))
        return
    at = 0 if choice == "first" else chance.randrange(len(bag.messages))
    message = bag.messages[at]
    if choice in {"first", "any", "lose"}:
        bag.messages.pop(at)
    if choice == "late":
        stage.clock.advance(timedelta(seconds=1))
    if choice != "lose":
        stage.deliver(message)


def outcome(stage: Stage) -> dict[str, Any]:
    """What must not depend on what happened to messages on the way."""
    status = {
        key: value
        for key, value in stage.status.items()
        if key in {"phase", "canaryWeight", "iterations", "lastAppliedSpec", "lastPromotedSpec"}
    }
    return {
        "status": status,
        "split": stage.split,
        "primary": stage.image("cart-app-primary"),
        "target replicas": stage.deployment("cart-app")["spec"]["replicas"],
        "apex": _service(stage, "cart-app"),
        "canary": _service(stage, "cart-app-canary"),
    }


def _service(stage: Stage, name: str) -> dict[str, Any]:
    selector: dict[str, Any] = stage.kube.get(resources.SERVICES, REF.namespace, name)["spec"]
    return selector["selector"]  # type: ignore[no-any-return]


def finished(stage: Stage) -> bool:
    """Whether the rollout has ended and been reported."""
    return stage.phase() in ENDED and stage.state.phase.value in ENDED


def quiet(stage: Stage) -> None:
    """Lets everything that is left come to its end: what was lost is noticed in seconds."""
    end = stage.clock.now() + timedelta(seconds=60)
    while stage.clock.now() < end:
        stage.advance()
        stage.settle()


SOURCES: Final = {"good": measuring.healthy, "bad": measuring.failing, "silent": measuring.silent}


def clean(source: measuring.Source) -> dict[str, Any]:
    """The outcome of the undisturbed rollout."""
    stage = initialized(a_manifest())
    stage.meters.source = source
    stage.release("cart:2")
    stage.run(finished, within=LONG)
    quiet(stage)
    return outcome(stage)


@pytest.fixture(scope="module")
def undisturbed() -> Callable[[str], dict[str, Any]]:
    """The outcome of each kind of rollout without disturbance."""
    known = {name: clean(source) for name, source in SOURCES.items()}
    return lambda name: known[name]


@pytest.mark.parametrize("kind", sorted(SOURCES))
@given(seed=st.integers(0, 2**32 - 1), moves=st.integers(1, 150))
@settings(max_examples=EXAMPLES)
def test_lost_repeated_and_reordered_messages_change_nothing_in_the_end(
    undisturbed: Callable[[str], dict[str, Any]], kind: str, seed: int, moves: int
) -> None:
    """Invariants 2 and 4: messages are nudges; the end is that of the clean run."""
    stage = initialized(a_manifest())
    stage.meters.source = SOURCES[kind]
    stage.release("cart:2")

    disturbed(stage, random.Random(seed), moves)
    stage.run(finished, within=LONG)
    quiet(stage)

    assert outcome(stage) == undisturbed(kind)
    assert set(stage.weights) <= set(PLAN)


@given(seed=st.integers(0, 2**32 - 1), moves=st.integers(1, 200))
@settings(max_examples=2 * EXAMPLES)
def test_the_weight_never_rises_in_a_tick_with_a_bad_check(seed: int, moves: int) -> None:
    """Invariant 6: with checks good or bad at random, each rise but the first has passed some."""
    stage = initialized(a_manifest())
    chance = random.Random(seed)

    def fickle(check: Check) -> Measurement:
        return SOURCES[chance.choice(sorted(SOURCES))](check)

    stage.meters.source = fickle
    stage.release("cart:2")

    disturbed(stage, chance, moves)

    decided = stage.store.timeline(REF, 1000)
    for before, after in itertools.pairwise(decided):
        if _weight(after) > _weight(before):
            assert after["checks"] or _weight(before) == 0
            assert all(check["effect"] == "passes" for check in after["checks"])


@given(seed=st.integers(0, 2**32 - 1), moves=st.integers(1, 120))
@settings(max_examples=EXAMPLES)
def test_a_rollout_survives_the_loss_of_redis_at_any_moment(seed: int, moves: int) -> None:
    """Invariant 7: rebuilt from status, route and workload, it ends; no weight leaves the plan."""
    stage = initialized(a_manifest())
    stage.release("cart:2")

    disturbed(stage, random.Random(seed), moves)
    stage.forget_everything()
    stage.run(finished, within=LONG)
    quiet(stage)

    assert stage.phase() in ENDED
    if stage.phase() == "Succeeded":
        assert stage.image("cart-app-primary") == "cart:2"
    assert stage.split == TrafficSplit(100, 0)
    assert stage.deployment("cart-app")["spec"]["replicas"] == 0
    assert set(stage.weights) <= set(PLAN)


def _weight(entry: Any) -> int:
    return int(str(entry["split"]).partition("/")[2])
