"""Which manifests are acted on, and what their authors are told.

Tested: reasons, blocking, the words of the messages, objects of impossible shapes. Left out: each
single rule of validation, which tests/unit/config covers.
"""

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies

from config.refs import CanaryRef
from config.validation import admission
from config.validation.problems import Problem, ProblemReason
from routing.registry import ROUTERS
from scheduler import conflicts, manifests
from tests.unit.scheduler import worlds


def test_a_valid_manifest_is_admitted_without_a_word() -> None:
    """There is nothing to say about the simplest canary."""
    judged = admission.admit(worlds.a_canary(), worlds.POLICY)

    assert judged.canary is not None
    assert judged.canary.ref == worlds.SHOP
    assert judged.problems == ()


def test_an_invalid_value_blocks_and_is_named_with_field_value_and_what_is_allowed() -> None:
    """The author can put it right from the message alone."""
    judged = admission.admit(worlds.a_canary(stepWeight="ten"), worlds.POLICY)

    assert judged.canary is None
    (problem,) = judged.problems
    assert problem.reason == "InvalidSpec"
    assert problem.blocking
    for part in ("spec.analysis.stepWeight", '"ten"', "allowed"):
        assert part in problem.message


def test_all_invalid_values_are_told_at_once() -> None:
    """Nobody has to fix, apply and wait once for each mistake."""
    judged = admission.admit(worlds.a_canary(stepWeight="ten", interval="5minutes"), worlds.POLICY)

    fields = {problem.message.partition(":")[0] for problem in judged.problems}
    assert fields == {"spec.analysis.stepWeight", "spec.analysis.interval"}


@pytest.mark.parametrize(
    ("raw", "blocking"),
    [
        (worlds.a_canary(match=[{"headers": {"x": {"suffix": "1"}}}]), True),
        (worlds.with_spec(worlds.a_canary(), provider="nginx"), True),
        (worlds.with_spec(worlds.a_canary(), service={"port": 80, "meshName": "m"}), False),
    ],
)
def test_what_is_not_carried_out_blocks_only_where_traffic_or_gates_would_differ(
    raw: dict[str, Any], blocking: bool
) -> None:
    """A rollout goes on without an option of other meshes, but not by another strategy."""
    judged = admission.admit(raw, worlds.POLICY)

    told = [each for each in judged.problems if each.reason == "NotCarriedOut"]
    assert told
    assert {each.blocking for each in told} == {blocking}
    assert (judged.canary is None) == blocking


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (worlds.a_canary(threshold=0), "Suspicious"),
        (
            worlds.a_canary(metrics=[{"name": "request-success-rate", "threshold": 99}]),
            "Deprecated",
        ),
    ],
)
def test_hints_never_block(raw: dict[str, Any], reason: str) -> None:
    """A manifest that works is carried out, however odd."""
    judged = admission.admit(raw, worlds.POLICY)

    assert judged.canary is not None
    assert reason in {problem.reason for problem in judged.problems}
    assert not any(problem.blocking for problem in judged.problems)


def test_an_unknown_provider_is_refused_instead_of_replaced() -> None:
    """D-94: there is no silent fallback."""
    raw = worlds.a_canary()
    raw["spec"]["provider"] = "istoi"

    judged = admission.admit(raw, worlds.POLICY)

    assert judged.canary is None
    assert "istoi" in judged.problems[0].message


def test_a_conflict_names_both_canaries_and_what_is_allowed() -> None:
    """The words that the status and the event show."""
    raw = worlds.a_canary("cart")
    raw["spec"]["service"]["name"] = "shop"
    canary = admission.admit(raw, worlds.POLICY).canary
    assert canary is not None
    manifest = manifests.manifest(raw, canary, "istio", ROUTERS)

    taken = {manifest.places["primary-service"]: CanaryRef("prod", "first")}
    (problem,) = conflicts.of_names(manifest, taken)

    assert problem == Problem(
        field="spec.service.name",
        reason=ProblemReason.NAME_CONFLICT,
        message='spec.service.name: Invalid value: "shop": service shop-primary.prod is already '
        "that of canary prod/first; allowed is a name that no other canary uses, nor its -primary "
        "and -canary",
        blocking=True,
    )


ANY_JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(strategies.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = ("targetRef", "service", "analysis", "provider", "autoscalerRef", "skipAnalysis")


@hypothesis.given(
    ANY_JSON, strategies.dictionaries(strategies.sampled_from(FIELDS), ANY_JSON, max_size=3)
)
def test_no_json_is_too_odd_to_be_judged(anything: Any, spec: dict[str, Any]) -> None:
    """D-29: an object that cannot be understood is a problem, never a crash."""
    raw = worlds.a_canary()
    raw["spec"] |= spec

    for given in (anything, {**raw, "metadata": anything}, {**raw, "spec": anything}, raw):
        judged = admission.admit(given, worlds.POLICY)
        blocked = any(problem.blocking for problem in judged.problems)
        assert (judged.canary is None) == blocked
