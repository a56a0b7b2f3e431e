"""Manifests at the bounds of what is admitted: every pure function ends at once and raises nothing.

Manifests here are drawn from the largest, smallest and oddest values that validation lets through,
several at a time. Asked is all that a tick, a write and a report ask of a canary. Left out: whether
the answers are right, which the tests of each function say; that the bounds exist, which
tests/unit/config/test_bounds.py says.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import cadence, conditions, decide, hooks
from analysis.backends import Endpoint
from analysis.decisions import Decision
from analysis.findings import Findings
from analysis.metrics import checks
from analysis.observation import Observation
from analysis.phases import Phase
from analysis.strategies import weights
from config import derived
from config.api.canary import Canary
from config.api.hooks import WebhookType
from config.traffic import TrafficSplit
from config.validation import admission
from config.validation.admission import Policy
from routing.registry import ROUTERS
from scheduler import manifests
from tasks.registries import BUILT_IN
from tests.unit.analysis import arbitrary, worlds
from tests.unit.routing import canaries

POLICY: Final = Policy(able=BUILT_IN.carried_out)
PROMETHEUS: Final = Endpoint(address="http://prometheus/")

AT_ONCE: Final = 1.0
"""Seconds for all questions about one canary together, on a busy machine; defects cost minutes."""

_LONG: Final = "x" * 4096
_ANALYSIS: Final[dict[str, list[Any]]] = {
    "interval": ["", "0s", "0.001ms", "10s", "604800s", "168h"],
    "threshold": [-(2**63), 0, 1, 100_000],
    "stepWeightPromotion": [0, 1, 100],
    "primaryReadyThreshold": [0, 100],
    "canaryReadyThreshold": [0, 100],
    "metrics": [
        [],
        [{"name": "request-duration", "interval": "744h", "thresholdRange": {"max": 1e18}}] * 64,
        [{"name": "x" * 253, "query": "{{ variables }}" * 4000, "threshold": -1e18}] * 4,
        [{"name": "q", "query": "{{" + "(" * 65_000, "interval": "0.001ms"}],
        [{"name": "q", "query": "{{ name" + "|print" * 10_000 + "}}"}],
        [
            {
                "name": "request-success-rate",
                "templateVariables": dict.fromkeys(map(str, range(256)), _LONG),
            }
        ],
    ],
    "webhooks": [
        [{"name": "x" * 253, "url": "http://x/", "retries": 100, "timeout": "24h"}] * 64,
        [
            {"name": "w", "url": "http://x/", "type": kind.value, "timeout": "0.001ms"}
            for kind in WebhookType
            if kind.value in {"pre-rollout", "rollout", "post-rollout"}
        ],
        [{"name": "w", "url": "http://x/", "metadata": {"k" * 317: "v" * 65_536}}],
        [{"name": "w", "url": "http://x/", "retries": 400_000}],
        [{"name": "w", "url": "http://x/", "timeout": "2000000h", "retries": 40}],
    ],
}
_STEPS: Final[list[dict[str, Any]]] = [
    {"stepWeight": 1, "maxWeight": 100},
    {"stepWeight": 100, "maxWeight": 1},
    {"stepWeights": list(range(1, 101))},
    {"stepWeights": list(range(1, 257)), "maxWeight": 10_000},
    {"stepWeights": [1, 10_000], "maxWeight": -5},
]
_SERVICE: Final[dict[str, list[Any]]] = {
    "port": [1, 65_535],
    "targetPort": [0, 65_535, "x" * 4096],
    "hosts": [["*"] * 1024, [_LONG]],
    "match": [[{"uri": {"regex": "(" * 4096}, "port": 65_535, "name": "x" * 253}] * 256],
    "headers": [{"request": {"set": dict.fromkeys(map(str, range(256)), _LONG)}}],
    "retries": [{"attempts": 2**31 - 1, "perTryTimeout": "9" * 4096}],
    "timeout": [_LONG],
    "gateways": [["x" * 4096] * 256],
    "portDiscovery": [True],
    "trafficPolicy": [
        {"connectionPool": {"http": {"maxRetries": 2**31 - 1}}},
        {"portLevelSettings": [{"port": {"number": 65_535}}] * 256},
    ],
    "apex": [{"annotations": dict.fromkeys(map(str, range(256)), _LONG)}],
}
_SPEC: Final[dict[str, list[Any]]] = {
    "progressDeadlineSeconds": [1, 31_536_000],
    "skipAnalysis": [True],
    "metricsServer": ["http://" + "x" * 4000],
}


def _some(choices: Mapping[str, list[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    values = {key: st.sampled_from(values) for key, values in choices.items()}
    return st.fixed_dictionaries({}, optional=values)


@st.composite
def extreme_manifests(draw: st.DrawFn) -> dict[str, Any]:
    """A Canary with some fields at the ends of what is allowed."""
    service = {"port": 80, **draw(_some(_SERVICE))}
    analysis = {**draw(_some(_ANALYSIS)), **draw(st.sampled_from(_STEPS))}
    raw = worlds.a_manifest(spec={"service": service, **draw(_some(_SPEC))}, **analysis)
    if "stepWeights" in analysis and "maxWeight" not in analysis:
        del raw["spec"]["analysis"]["maxWeight"]
    return raw


def _ask_about_steps(canary: Canary) -> None:
    assert len(weights.ladder(canary)) <= 100
    for weight in range(101):
        weights.next_weight(canary, weight)
        weights.at_most(canary, weight)


def _ask_about_time(canary: Canary) -> None:
    interval = derived.interval(canary)
    first = cadence.first_check(worlds.NOW, interval)
    cadence.measurable_at(cadence.next_check(first, worlds.NOW, interval), first, interval)
    assert worlds.NOW + interval * derived.threshold(canary) > worlds.NOW
    assert worlds.NOW + derived.progress_deadline(canary) > worlds.NOW


def _ask_about_checks(canary: Canary) -> None:
    assert len(checks.checks_for(canary, "istio", PROMETHEUS)) <= 128
    checks.endpoints_to_probe(canary, PROMETHEUS)
    for kind in WebhookType:
        assert len(hooks.hook_calls(canary, kind, "Progressing", worlds.NEW)) <= 64


def _ask_about_objects(canary: Canary) -> None:
    canaries.rendered_services(canary, {})
    canaries.mesh_objects(canary, TrafficSplit.of(50), {})
    manifests.manifest({"metadata": {}}, canary, "istio", ROUTERS)


def _ask_for_a_decision(canary: Canary, seen: Observation, found: Findings) -> None:
    interval, threshold = derived.interval(canary), derived.threshold(canary)
    seen = replace(seen, canary=canary, interval=interval, threshold=threshold)
    for phase in Phase:
        state = replace(seen.state, phase=phase) if seen.state else None
        observation = replace(seen, state=state)
        decide.decide(observation, Findings())
        outcome = decide.decide(observation, found)
        if isinstance(outcome, Decision):
            conditions.status(outcome.state, 2**53, canary, (), worlds.NOW)


def test_whatever_is_admitted_costs_nobody_a_second() -> None:
    """No loop, wait or size of a manifest is without a bound (invariant 11)."""
    admitted: list[bool] = []

    @settings(
        max_examples=40,
        deadline=None,  # measured below, on a machine that is shared
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(
        raw=extreme_manifests(),
        seen=arbitrary.accepted() | arbitrary.steady(),
        found=arbitrary.findings,
    )
    def ask(raw: dict[str, Any], seen: Observation, found: Findings) -> None:
        def seconds() -> float:
            began = time.process_time()
            canary = admission.admit(raw, POLICY).canary
            if canary is not None:
                _ask_about_steps(canary)
                _ask_about_time(canary)
                _ask_about_checks(canary)
                _ask_about_objects(canary)
                _ask_for_a_decision(canary, seen, found)
            admitted.append(canary is not None)
            return time.process_time() - began

        # A processor that others use as well makes one try dear, but not each of three.
        assert any(seconds() < AT_ONCE for _ in range(3))

    ask()
    assert admitted.count(True) >= 10  # the others were refused


@pytest.mark.parametrize(
    "analysis",
    [
        {"webhooks": [{"name": "w", "url": "http://x/", "retries": 400_000}]},
        {"webhooks": [{"name": "w", "url": "http://x/", "timeout": "2000000h", "retries": 40}]},
        {"interval": "2000000h"},
        {"threshold": 2**62},
        {"stepWeights": list(range(1, 1_000_000))},
    ],
)
def test_what_would_cost_more_is_not_admitted(analysis: dict[str, Any]) -> None:
    """140 s of CPU, or an OverflowError at every tick, before there were bounds."""
    began = time.process_time()
    judged = admission.admit(worlds.a_manifest(**analysis), POLICY)

    assert judged.canary is None
    assert len(judged.problems) == 1
    assert time.process_time() - began < AT_ONCE
