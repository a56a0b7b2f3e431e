"""The judge of the chaos runs can find against a rollout: made-up records, one wrong each.

Not here: what a run does, and how its record is kept (`tests/chaos`, `tests/system/history.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import fakeredis
import pytest

from clients.redis import keys
from config.refs import CanaryRef
from tests.chaos import judge
from tests.chaos.judge import FIRST, SECOND, Rollout
from tests.services.cluster import Request
from tests.system.history import Sighting

BEFORE: Final = -60.0
"""Seconds before the release: everything is initialized."""


def versions(
    resource: str, *rows: tuple[float, Mapping[str, Any]], name: str = "app"
) -> list[Sighting]:
    """An object as it was from each moment on."""
    metadata = {"metadata": {"name": name}}
    return [Sighting(at, resource, {**metadata, **body}) for at, body in rows]


def routes(*rows: tuple[float, int]) -> list[Sighting]:
    """The route with the canary's weight since each moment."""

    def body(weight: int) -> dict[str, Any]:
        return {"spec": {"http": [{"route": [{"weight": 100 - weight}, {"weight": weight}]}]}}

    return versions("virtualservices", *((at, body(weight)) for at, weight in rows))


def primaries(*rows: tuple[float, str]) -> list[Sighting]:
    """The primary with its image since each moment."""

    def body(image: str) -> dict[str, Any]:
        return {"spec": {"template": {"spec": {"containers": [{"image": image}]}}}}

    return versions("deployments", *((at, body(image)) for at, image in rows))


def canaries(*rows: tuple[float, str, int, int, int]) -> list[Sighting]:
    """The Canary: since when it shows which phase, weight, failed checks and version."""

    def body(phase: str, weight: int, failed: int, version: int) -> dict[str, Any]:
        recorded = {"type": "Recorded", "status": "True", "reason": f"Version{version}"}
        numbers = {"canaryWeight": weight, "failedChecks": failed}
        return {"status": {"phase": phase, **numbers, "conditions": [recorded]}}

    return versions("canaries", *((at, body(*status)) for at, *status in rows))  # type: ignore[arg-type]


GOOD: Final = Rollout(
    name="app",
    namespace="shop",
    is_bad=False,
    released=0,
    losses=(),
    messages=frozenset(
        {
            "New revision detected! Scaling up app.shop",
            "Advance app.shop canary weight 40",
            "Advance app.shop canary weight 80",
            "Copying app.shop template spec to app-primary.shop",
            "Promotion completed! Scaling down app.shop",
        }
    ),
    routes=routes((BEFORE, 0), (1, 40), (4, 80), (8, 0)),
    canaries=canaries(
        (BEFORE, "Initialized", 0, 0, 3),
        (0.2, "Progressing", 0, 0, 4),
        (1.1, "Progressing", 40, 0, 5),
        (4.1, "Progressing", 80, 0, 6),
        (7.1, "Promoting", 80, 0, 7),
        (8.2, "Succeeded", 0, 0, 9),
    ),
    primaries=primaries((BEFORE, FIRST), (7.2, SECOND)),
)
BAD: Final = replace(
    GOOD,
    is_bad=True,
    messages=frozenset(
        {
            "Advance app.shop canary weight 40",
            "Rolling back app.shop failed checks threshold reached 3",
            "Canary failed! Scaling down app.shop",
        }
    ),
    routes=routes((BEFORE, 0), (1, 40), (10, 0)),
    canaries=canaries(
        (BEFORE, "Initialized", 0, 0, 3),
        (0.2, "Progressing", 0, 0, 4),
        (1.1, "Progressing", 40, 0, 5),
        (4.1, "Progressing", 40, 1, 6),
        (7.1, "Progressing", 40, 2, 7),
        (10.1, "Failed", 0, 0, 8),
    ),
    primaries=primaries((BEFORE, FIRST)),
)

END: Final = "A good one is promoted, a bad one rolled back, none is stuck"
UNFAILED: Final = "A good one is never shown as failed"
PLAN: Final = "No weight is off its plan"
STANDING: Final = "A write of a stale holder is not in force for more than a second"
RISEN: Final = "No weight rises in a tick with a failed check"
TOLD: Final = "No event is lost"


def rules(rollout: Rollout) -> set[str]:
    """The rules that were broken."""
    return {violation.rule for violation in rollout.violations()}


def without(rollout: Rollout, text: str) -> Rollout:
    """The record without an event."""
    told = frozenset(message for message in rollout.messages if not message.startswith(text))
    assert len(told) == len(rollout.messages) - 1
    return replace(rollout, messages=told)


@pytest.mark.parametrize("rollout", [GOOD, BAD], ids=["good", "bad"])
def test_nothing_is_found_against_a_rollout_as_it_should_be(rollout: Rollout) -> None:
    """All of its events are expected: nothing excuses any."""
    assert list(rollout.violations()) == []
    assert all(any(m.startswith(text) for m in rollout.messages) for text in rollout.expected())
    assert len(list(rollout.expected())) == (3 if rollout.is_bad else 4)


CASES: Final[Mapping[str, tuple[Rollout, set[str]]]] = {
    "a good one is rolled back": (
        replace(
            GOOD,
            routes=routes((BEFORE, 0), (1, 40), (4, 0)),
            canaries=[*GOOD.canaries[:3], *canaries((4.1, "Failed", 0, 0, 6))],
            primaries=primaries((BEFORE, FIRST)),
            messages=BAD.messages,
        ),
        {END, UNFAILED, TOLD},
    ),
    "a good one is shown as failed on its way": (
        replace(
            GOOD,
            canaries=[
                *GOOD.canaries[:2],
                *canaries((0.5, "Failed", 0, 0, 4)),
                *GOOD.canaries[2:],
            ],
        ),
        {UNFAILED},
    ),
    "a bad one is promoted": (
        replace(BAD, primaries=primaries((BEFORE, FIRST), (7.2, SECOND))),
        {END},
    ),
    "a primary ran a bad one for a moment": (
        replace(BAD, primaries=primaries((BEFORE, FIRST), (7, SECOND), (8, FIRST))),
        {END},
    ),
    "a canary is stuck in mid-rollout": (
        replace(GOOD, routes=GOOD.routes[:3], canaries=GOOD.canaries[:4]),
        {END},
    ),
    "a release was never noticed": (
        replace(GOOD, routes=GOOD.routes[:1], canaries=GOOD.canaries[:1]),
        {END},
    ),
    "a canary that has ended keeps its traffic": (
        replace(BAD, routes=BAD.routes[:2]),
        {END},
    ),
    "a weight that is no step": (
        replace(GOOD, routes=[*GOOD.routes[:2], *routes((2, 60)), *GOOD.routes[2:]]),
        {PLAN},
    ),
    "a bad one goes beyond its first step": (
        replace(BAD, routes=[*BAD.routes[:2], *routes((9, 80)), *BAD.routes[2:]]),
        {PLAN, TOLD},
    ),
    "an older weight comes back for long": (
        replace(GOOD, routes=[*GOOD.routes[:3], *routes((5, 40), (6.5, 80)), *GOOD.routes[3:]]),
        {STANDING},
    ),
    "all traffic is back in mid-rollout for long": (
        replace(GOOD, routes=[*GOOD.routes[:3], *routes((5, 0), (6.5, 80)), *GOOD.routes[3:]]),
        {STANDING},
    ),
    "a weight comes after the end for long": (
        replace(GOOD, routes=[*GOOD.routes, *routes((30, 80), (31.5, 0))]),
        {STANDING},
    ),
    "a weight rises with a failed check": (
        replace(
            GOOD,
            canaries=[
                *GOOD.canaries[:3],
                *canaries((4.1, "Progressing", 80, 1, 6)),
                *GOOD.canaries[4:],
            ],
        ),
        {RISEN},
    ),
    "it rises after the failed check was shown": (
        replace(
            GOOD,
            canaries=[
                *GOOD.canaries[:3],
                *canaries((3.9, "Progressing", 40, 1, 6), (4.3, "Progressing", 80, 1, 6)),
                *GOOD.canaries[4:],
            ],
        ),
        {RISEN},
    ),
    "a step is not told": (without(GOOD, "Advance app.shop canary weight 80"), {TOLD}),
    "a promotion is not told": (without(GOOD, "Copying "), {TOLD}),
    "a success is not told": (without(GOOD, "Promotion completed!"), {TOLD}),
    "a cause is not told": (without(BAD, "Rolling back"), {TOLD}),
    "a failure is not told": (without(BAD, "Canary failed!"), {TOLD}),
}


@pytest.mark.parametrize(("rollout", "expected"), CASES.values(), ids=CASES.keys())
def test_each_rule_can_be_broken(rollout: Rollout, expected: set[str]) -> None:
    """By one thing that is wrong, and nothing else is found."""
    assert rules(rollout) == expected


@pytest.mark.parametrize(
    "rollout",
    [
        replace(GOOD, routes=[*GOOD.routes[:3], *routes((5, 40), (5.9, 80)), *GOOD.routes[3:]]),
        replace(GOOD, routes=[*GOOD.routes, *routes((30, 80), (30.9, 0))]),
        replace(
            GOOD,
            losses=[4.5],
            routes=[*GOOD.routes[:3], *routes((5, 40), (6.5, 80)), *GOOD.routes[3:]],
        ),
        replace(without(GOOD, "Advance app.shop canary weight 80"), losses=[4.5]),
        replace(
            GOOD,
            canaries=[
                *GOOD.canaries[:3],
                *canaries((2.5, "Progressing", 40, 1, 6), (5.6, "Progressing", 80, 2, 9)),
                *GOOD.canaries[4:],
            ],
        ),
    ],
    ids=["back at once", "gone at once", "rebuilt", "lost with Redis", "others in force"],
)
def test_what_is_excused_is_not_found(rollout: Rollout) -> None:
    """A second of a stale write, what was rebuilt or lost with Redis, an earlier check."""
    assert rules(rollout) == set()


@pytest.mark.parametrize("loss", [-12.0, 26.0])
def test_a_loss_of_redis_excuses_only_what_may_have_waited_in_it(loss: float) -> None:
    """Not what was told long before it, nor what was decided long after."""
    assert rules(replace(without(GOOD, "Advance app.shop canary weight 80"), losses=[loss])) == {
        TOLD
    }


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete", "deletecollection"])
def test_only_the_routing_account_may_write_routes(verb: str) -> None:
    """Whatever the answer was; reading is everybody's."""

    def request(user: str, verb: str, resource: str = "virtualservices") -> Request:
        return Request(user, verb, resource, "shop", "app", 403)

    fine = [
        request("routing", verb),
        request("report", "get"),
        request("report", "watch"),
        request("analysis", verb, "deployments"),
    ]
    wrong = request("report", verb)
    found = list(judge.of_writers([*fine, wrong, *fine], "routing"))
    assert [(one.subject, one.detail) for one in found] == [("app", "report")]


LASTING: Final[Sequence[str]] = (
    keys.STATE.of(CanaryRef("shop", "app")),
    *judge.LISTS,
    "cq:_kombu.binding.routing",
    "cq:unacked",
    "cq:unacked_index",
)


@pytest.mark.parametrize(
    ("key", "is_found"),
    [*((key, False) for key in LASTING), ("coalmine:left-over", True), ("cq:celery", True)],
)
def test_a_key_without_a_lifetime_is_found_unless_it_is_declared(key: str, is_found: bool) -> None:
    """With a lifetime any key may be there."""
    client = fakeredis.FakeRedis()
    client.set("coalmine:passing", "1", ex=5)
    assert list(judge.of_keys(client)) == []
    client.set(key, "1")
    assert [one.subject for one in judge.of_keys(client)] == [key] * is_found
