"""Warnings: manifests that can be carried out but probably do not mean what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from config import derived, durations, meshes, well_known
from config.api.canary import Canary
from config.api.metrics import MetricCheck
from config.api.references import AutoscalerKind
from config.traffic import TOTAL_WEIGHT
from config.validation.problems import Problem, ProblemReason, shown
from config.validation.rules import ANALYSIS, SERVICE, Rule

_WORKLOAD_LABEL: Final = re.compile(r"destination_workload\s*=~?\s*[\"'`]([^\"'`]*)[\"'`]")


def warnings(
    canary: Canary,
    shortest_interval: timedelta = derived.MIN_INTERVAL,
    default_provider: str = meshes.ISTIO,
) -> tuple[Problem, ...]:
    """What the author of a valid canary should look at, sorted by field.

    What is "allowed" is what is probably meant. `shortest_interval` is the operator's floor, and
    `default_provider` what canaries have that name none.
    """
    hints = (hint for rule in _HINTS for hint in rule(canary))
    of_operator = (*_interval(canary, shortest_interval), *_provider(canary, default_provider))
    return tuple(sorted({*hints, *of_operator}))


def _suspicious(
    field: str, value: Any, meant: str, why: str, reason: ProblemReason = ProblemReason.SUSPICIOUS
) -> Problem:
    text = f"{shown(value)}: {why} (allowed: {meant})"
    return Problem.of(field, text, reason, blocking=False)


def _target(canary: Canary) -> Iterator[Problem]:
    target = canary.spec.target_ref
    for suffix in (well_known.PRIMARY_SUFFIX, well_known.CANARY_SUFFIX):
        meant = target.name.removesuffix(suffix)
        if meant and meant != target.name:
            yield _suspicious(
                "spec.targetRef.name",
                target.name,
                f"probably {meant}",
                f"names a generated object; the target is the workload you deploy, its primary "
                f"will be {target.name}{well_known.PRIMARY_SUFFIX}",
            )
    # The primary's pods are labelled `<label>-primary`, where the label is usually the name.
    own_service_name = canary.spec.service.name and not target.is_kubernetes_service
    if own_service_name and len(target.name) > well_known.LONGEST_BASE_NAME:
        yield _suspicious(
            "spec.targetRef.name",
            target.name,
            f"at most {well_known.LONGEST_BASE_NAME} characters",
            "as a label of the primary's pods, <name>-primary would be too long",
        )


def _service(canary: Canary) -> Iterator[Problem]:
    service, name = canary.spec.service, canary.spec.service.name
    if name and canary.spec.target_ref.is_kubernetes_service:
        yield _suspicious(f"{SERVICE}.name", name, "no value", "is ignored for a Service as target")
    handed_on = {
        "timeout": service.timeout,
        "retries.perTryTimeout": service.retries and service.retries.per_try_timeout,
        "corsPolicy.maxAge": service.cors_policy and service.cors_policy.max_age,
    }
    for field, text in handed_on.items():
        if text and not durations.is_duration(text):
            why = "is passed on, but is no duration"
            yield _suspicious(f"{SERVICE}.{field}", text, durations.FORM, why)


def _autoscaler(canary: Canary) -> Iterator[Problem]:
    ref = canary.spec.autoscaler_ref
    if ref and ref.primary_scaler_queries and ref.kind is not AutoscalerKind.SCALED_OBJECT:
        field = "spec.autoscalerRef.primaryScalerQueries"
        why = f"is ignored: a {ref.kind} has no queries"
        yield _suspicious(field, ref.primary_scaler_queries, "no value", why)


def _matches(canary: Canary) -> Iterator[Problem]:
    """Conditions that are true of no request."""
    gateways = canary.spec.service.gateways
    for index, request in enumerate(canary.spec.analysis.match):
        if request.source_labels and gateways and meshes.SIDECARS not in gateways:
            field = f"{ANALYSIS}.match[{index}].sourceLabels"
            why = "chooses requests inside the mesh, and none of them comes by these gateways"
            yield _suspicious(field, {}, f"{meshes.SIDECARS} among {SERVICE}.gateways", why)


def _interval(canary: Canary, shortest: timedelta) -> Iterator[Problem]:
    text = canary.spec.analysis.interval
    if text and durations.parse(text) < shortest:
        floor = durations.format_go(shortest)
        yield _suspicious(f"{ANALYSIS}.interval", text, f"{floor} or more", f"is read as {floor}")


def _provider(canary: Canary, default: str) -> Iterator[Problem]:
    name = canary.spec.provider or default
    if name in meshes.ALIASES:
        whose = "" if canary.spec.provider else "the controller's default, "
        yield _suspicious(
            "spec.provider", name, meshes.ALIASES[name], f"{whose}is read as an alias"
        )


def _numbers(canary: Canary) -> Iterator[Problem]:
    """Numbers that are read as others."""
    analysis = canary.spec.analysis
    if analysis.given("threshold") and analysis.threshold < 1:
        yield _suspicious(f"{ANALYSIS}.threshold", analysis.threshold, "1 or more", "is read as 1")
    if analysis.step_weights and analysis.given("max_weight"):
        yield _suspicious(
            f"{ANALYSIS}.maxWeight",
            analysis.max_weight,
            "no value beside stepWeights",
            f"is ignored; the last of stepWeights counts, {derived.max_weight(canary)}",
        )
    for index, weight in enumerate(analysis.step_weights):
        if weight > TOTAL_WEIGHT:
            field = f"{ANALYSIS}.stepWeights[{index}]"
            yield _suspicious(field, weight, "at most 100", "is read as 100")


def _aliases(canary: Canary) -> Iterator[Problem]:
    spec = canary.spec
    if spec.canary_analysis is not None:
        why = "is deprecated; it is used only when spec.analysis is absent"
        yield _suspicious("spec.canaryAnalysis", {}, ANALYSIS, why, ProblemReason.DEPRECATED)


def _metrics(canary: Canary) -> Iterator[Problem]:
    for index, check in enumerate(canary.spec.analysis.metrics):
        field = f"{ANALYSIS}.metrics[{index}]"
        yield from _bounds(field, check)
        if check.is_builtin and (check.query or check.template_ref):
            meant = "another name for a check of your own"
            why = "also runs the builtin check of this name"
            yield _suspicious(f"{field}.name", check.name, meant, why)
        meant = canary.spec.target_ref.name.removesuffix(well_known.PRIMARY_SUFFIX)
        if meant + well_known.CANARY_SUFFIX in _WORKLOAD_LABEL.findall(check.query or ""):
            value = f"destination_workload {meant}{well_known.CANARY_SUFFIX}"
            why = "selects no workload: the canary's workload has the name of the target"
            yield _suspicious(f"{field}.query", value, meant, why)


def _bounds(field: str, check: MetricCheck) -> Iterator[Problem]:
    if check.threshold is not None:
        field, why = f"{field}.threshold", "is deprecated, and ignored beside thresholdRange"
        yield _suspicious(field, check.threshold, "thresholdRange", why, ProblemReason.DEPRECATED)
    elif check.threshold_range is None:
        yield _suspicious(field, check.name, "a thresholdRange", "has no bounds: they default to 0")


_HINTS: Final[tuple[Rule, ...]] = (
    _aliases,
    _target,
    _autoscaler,
    _service,
    _matches,
    _numbers,
    _metrics,
)
