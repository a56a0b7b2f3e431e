"""What is read of a Canary object, be it ours, Flagger's or broken."""

import copy
from typing import Any

import pytest

from analysis import recorded
from analysis.rules import gates
from cli.console import facts
from cli.console.facts import Metric
from config.refs import CanaryRef
from tests import consoles
from tests.consoles import a_canary, a_condition, a_status, ago

FLAGGERS: dict[str, Any] = {
    "phase": "Progressing",
    "canaryWeight": 20,
    "failedChecks": 2,
    "iterations": 0,
    "lastAppliedSpec": "5978589476",
    "lastPromotedSpec": "6d5f8d6c5d",
    "lastTransitionTime": "2026-03-01T11:59:30Z",
    "conditions": [
        {
            "type": "Promoted",
            "status": "Unknown",
            "reason": "Progressing",
            "message": "New revision detected, progressing canary analysis.",
            "lastUpdateTime": "2026-03-01T11:58:00Z",
            "lastTransitionTime": "2026-03-01T11:58:00Z",
        }
    ],
}
"""As Flagger writes it."""


def test_a_status_of_flaggers_is_read_whole() -> None:
    """And known not to be ours, so that nothing is expected of it that Flagger does not write."""
    read = facts.of(a_canary(status=FLAGGERS))

    assert (read.ref, read.phase, read.weight) == (CanaryRef("shop", "podinfo"), "Progressing", 20)
    assert (read.failed_checks, read.threshold, read.plan) == (2, 5, "by 10 to 50")
    assert (read.applied, read.promoted) == ("5978589476", "6d5f8d6c5d")
    assert read.since is not None
    assert read.condition("Promoted").reason == "Progressing"
    assert (read.is_ours, read.waits, read.refusals, read.note) == (False, None, (), "")
    assert read.metrics == (
        Metric("request-success-rate", minimum=99, unit="%"),
        Metric("request-duration", maximum=500, unit="ms"),
    )


def test_a_canary_without_a_status_is_one_that_nobody_has_seen() -> None:
    """Flagger writes none before its first look."""
    read = facts.of(a_canary())
    assert (read.phase, read.weight, read.since, read.conditions) == ("", 0, None, {})


@pytest.mark.parametrize(
    ("analysis", "plan"),
    [
        ({}, "by 10 to 50"),
        ({"maxWeight": 0}, "by 10 to 100"),
        ({"stepWeights": [1, 5, 20]}, "1,5,20"),
        ({"iterations": 10}, "10 iterations"),
        ({"stepWeight": 0}, ""),
    ],
)
def test_how_traffic_moves_is_told_in_a_few_words(analysis: dict[str, Any], plan: str) -> None:
    """Iterations win over weights, and a list over a step, as in `config.derived`."""
    assert facts.of(a_canary(analysis=analysis)).plan == plan


@pytest.mark.parametrize(
    ("name", "limits"), [("request-success-rate", (99, None)), ("request-duration", (None, 99))]
)
def test_a_scalar_threshold_is_the_limit_that_it_is_for_flagger(
    name: str, limits: tuple[float | None, float | None]
) -> None:
    """The least success rate, and the most of anything else."""
    canary = a_canary(analysis={"metrics": [{"name": name, "threshold": 99}]})
    (metric,) = facts.of(canary).metrics
    assert (metric.minimum, metric.maximum) == limits


@pytest.mark.parametrize(
    ("conditions", "note"),
    [
        (
            a_condition("Accepted", "False", "Invalid", "spec.x: 1: allowed: 2\nmore", ago()),
            "not accepted: spec.x: 1: allowed: 2",
        ),
        (
            a_condition("Accepted", "False", "Invalid", "spec.analysis.metrics[1]: no", ago()),
            "not accepted: metrics[1]: no",
        ),
        (
            a_condition("Waiting", "True", "X", "Halt podinfo.shop advancement too slow\nb", ago()),
            "too slow",
        ),
        (
            a_condition("Waiting", "True", "X", "podinfo.shop waits for its target: gone", ago()),
            "waits for its target: gone",
        ),
        (a_condition("Waiting", "False", "NotWaiting", "nothing", ago()), ""),
    ],
)
def test_the_note_is_the_first_line_of_what_somebody_should_know(
    conditions: dict[str, str], note: str
) -> None:
    """What is wrong with the manifest comes before what is waited for."""
    assert consoles.facts_of("Progressing", conditions=[conditions]).note == note


def test_the_note_of_a_failed_canary_is_what_decided_it() -> None:
    """Without the sentence that Flagger writes of every one."""
    told = "Canary analysis failed, Deployment scaled to zero. "
    cause = "Halt podinfo.shop advancement request duration 1.971s > 500ms"
    promoted = a_condition("Promoted", "False", "Failed", told + cause, ago())
    note = consoles.facts_of("Failed", conditions=[promoted]).note
    assert note == "request duration 1.971s > 500ms"


def test_the_gates_are_those_that_canaries_wait_for() -> None:
    """By the types of webhooks and the reasons of the condition, as they are declared elsewhere."""
    assert {kind.value: gate.reason.value for kind, gate in gates.TABLE.items()} == facts.GATES


def test_a_status_is_ours_by_the_condition_that_we_write() -> None:
    """The same that decides whether a lost state is rebuilt from it."""
    status = a_status("Succeeded")
    assert recorded.version(status) == 7
    assert facts.of(a_canary(status=status)).is_ours


def test_no_field_that_is_odd_or_missing_keeps_the_rest_from_being_read() -> None:
    """Every field of an object in turn is left out, and is of each other type."""
    whole = a_canary(status=a_status("Progressing", 30))
    tried = 0
    for path in _paths(whole):
        for odd in (None, "x", 7, 1.5, True, [], [None, 3], {}, {"a": None}):
            canary = copy.deepcopy(whole)
            _set(canary, path, odd)
            assert isinstance(facts.of(canary).note, str)
            tried += 1
    assert tried > 300


def test_what_a_terminal_would_obey_is_not_written() -> None:
    """Names and messages come from others."""
    status = a_status(
        "Waiting\x1b[2J", conditions=[a_condition("Waiting", "True", "X", "a\x07b", "")]
    )
    read = facts.of(a_canary(status=status))
    assert (read.phase, read.note) == ("Waiting [2J", "a b")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        items: list[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        items = []
    here = [path] if path else []
    return here + [found for key, item in items for found in _paths(item, (*path, key))]


def _set(value: Any, path: tuple[Any, ...], odd: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = odd
