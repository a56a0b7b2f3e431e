"""Warnings: manifests that can be carried out but probably do not mean what they say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from config import derived, durations, meshes, well_known
from config.api.canary import Canary
from config.api.metrics import MetricCheck
from config.traffic import TOTAL_WEIGHT
from config.validation.problems import Problem, ProblemReason, shown
from config.validation.rules import ANALYSIS, SERVICE, Rule

_WORKLOAD_LABEL: Final = re.compile(r"destination_workload\s*=~?\s*[\"'`]([^\"'`]*)[\"'`]")


def warnings(
    canary: Canary, shortest_interval: timedelta = derived.MIN_INTERVAL
) -> tuple[Problem, ...]:
    """What the author of a valid canary should look at, sorted by field.

    `allowed` holds what is probably meant. `shortest_interval` is the operator's floor.
    """
    found = {found for hint in HINTS for found in hint(canary)}
    return tuple(sorted(found.union(interval_floor(canary, shortest_interval))))


def _suspicious(
    field: str,
    value: Any,
    meant: str,
    why: str,
    reason: ProblemReason = ProblemReason.SUSPICIOUS,
) -> Problem:
    text = f"{shown(value)}: {why} (allowed: {meant})"
    return Problem.of(field, text, reason, blocking=False)


def deprecated_alias(canary: Canary) -> Iterator[Problem]:
    """`canaryAnalysis` is the older name of `analysis`."""
    if canary.spec.canary_analysis is not None:
        yield _suspicious(
            "spec.canaryAnalysis",
            {},
            ANALYSIS,
            "is deprecated; it is used only when spec.analysis is absent",
            ProblemReason.DEPRECATED,
        )


def provider_alias(canary: Canary) -> Iterator[Problem]:
    """Some provider names stand for another."""
    name = canary.spec.provider
    if name in meshes.ALIASES:
        yield _suspicious("spec.provider", name, meshes.ALIASES[name], "is read as an alias")


def target_is_what_you_deploy(canary: Canary) -> Iterator[Problem]:
    """A target named like a generated object is probably the wrong one."""
    name = canary.spec.target_ref.name
    for suffix in (well_known.PRIMARY_SUFFIX, well_known.CANARY_SUFFIX):
        meant = name.removesuffix(suffix)
        if meant and meant != name:
            yield _suspicious(
                "spec.targetRef.name",
                name,
                f"probably {meant}",
                f"names a generated object; the target is the workload you deploy, its primary "
                f"will be {name}{well_known.PRIMARY_SUFFIX}",
            )


def long_target_name(canary: Canary) -> Iterator[Problem]:
    """The primary's pods are labelled `<label>-primary`, where the label is usually the name."""
    target = canary.spec.target_ref
    own_service_name = canary.spec.service.name and not target.is_kubernetes_service
    if own_service_name and len(target.name) > well_known.LONGEST_BASE_NAME:
        yield _suspicious(
            "spec.targetRef.name",
            target.name,
            f"at most {well_known.LONGEST_BASE_NAME} characters",
            "as a label of the primary's pods, <name>-primary would be too long",
        )


def service_name_is_ignored(canary: Canary) -> Iterator[Problem]:
    """A Kubernetes Service as target keeps its own name."""
    name = canary.spec.service.name
    if name and canary.spec.target_ref.is_kubernetes_service:
        yield _suspicious(f"{SERVICE}.name", name, "no value", "is ignored for a Service as target")


def route_durations(canary: Canary) -> Iterator[Problem]:
    """Durations handed to the mesh are likely refused there when they are none."""
    service = canary.spec.service
    texts = {
        "timeout": service.timeout,
        "retries.perTryTimeout": service.retries and service.retries.per_try_timeout,
        "corsPolicy.maxAge": service.cors_policy and service.cors_policy.max_age,
    }
    for field, text in texts.items():
        if text and not _is_duration(text):
            yield _suspicious(
                f"{SERVICE}.{field}", text, durations.FORM, "is passed on, but is no duration"
            )


def _is_duration(text: str) -> bool:
    try:
        durations.parse(text)
    except durations.DurationError:
        return False
    return True


def interval_floor(canary: Canary, shortest: timedelta) -> Iterator[Problem]:
    """Intervals below the floor are lengthened."""
    text = canary.spec.analysis.interval
    if text and durations.parse(text) < shortest:
        floor = durations.format_go(shortest)
        yield _suspicious(f"{ANALYSIS}.interval", text, f"{floor} or more", f"is read as {floor}")


def threshold_floor(canary: Canary) -> Iterator[Problem]:
    """A threshold below 1 means 1."""
    analysis = canary.spec.analysis
    if analysis.given("threshold") and analysis.threshold < 1:
        yield _suspicious(f"{ANALYSIS}.threshold", analysis.threshold, "1 or more", "is read as 1")


def ignored_max_weight(canary: Canary) -> Iterator[Problem]:
    """With `stepWeights` the last entry is the maximum."""
    analysis = canary.spec.analysis
    if analysis.step_weights and analysis.given("max_weight"):
        yield _suspicious(
            f"{ANALYSIS}.maxWeight",
            analysis.max_weight,
            "no value beside stepWeights",
            f"is ignored; the last of stepWeights counts, {derived.max_weight(canary)}",
        )


def capped_step_weights(canary: Canary) -> Iterator[Problem]:
    """Entries above 100 count as 100."""
    for index, weight in enumerate(canary.spec.analysis.step_weights):
        if weight > TOTAL_WEIGHT:
            field = f"{ANALYSIS}.stepWeights[{index}]"
            yield _suspicious(field, weight, "at most 100", "is read as 100")


def metric_hints(canary: Canary) -> Iterator[Problem]:
    """Deprecated and surprising forms of metric checks."""
    for index, check in enumerate(canary.spec.analysis.metrics):
        field = f"{ANALYSIS}.metrics[{index}]"
        yield from _scalar_threshold(field, check)
        yield from _two_checks(field, check)
        yield from _workload_label(f"{field}.query", check, canary.spec.target_ref.name)


def _scalar_threshold(field: str, check: MetricCheck) -> Iterator[Problem]:
    if check.threshold is not None:
        yield _suspicious(
            f"{field}.threshold",
            check.threshold,
            "thresholdRange",
            "is deprecated, and ignored beside thresholdRange",
            ProblemReason.DEPRECATED,
        )
    elif check.threshold_range is None:
        yield _suspicious(field, check.name, "a thresholdRange", "has no bounds: they default to 0")


def _two_checks(field: str, check: MetricCheck) -> Iterator[Problem]:
    if check.is_builtin and (check.query or check.template_ref):
        yield _suspicious(
            f"{field}.name",
            check.name,
            "another name for a check of your own",
            "also runs the builtin check of this name",
        )


def _workload_label(field: str, check: MetricCheck, target: str) -> Iterator[Problem]:
    meant = target.removesuffix(well_known.PRIMARY_SUFFIX)
    if meant + well_known.CANARY_SUFFIX in _WORKLOAD_LABEL.findall(check.query or ""):
        yield _suspicious(
            field,
            f"destination_workload {meant}{well_known.CANARY_SUFFIX}",
            meant,
            "selects no workload: the canary's workload has the name of the target",
        )


HINTS: Final[tuple[Rule, ...]] = (
    deprecated_alias,
    provider_alias,
    target_is_what_you_deploy,
    long_target_name,
    service_name_is_ignored,
    route_durations,
    threshold_floor,
    ignored_max_weight,
    capped_step_weights,
    metric_hints,
)
