"""Rules about references: the target, its names, and objects in other namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from config import meshes, well_known
from config.api.canary import Canary
from config.api.references import TargetKind
from config.validation.problems import Problem
from config.validation.rules import ANALYSIS, Rule, not_a_url, problem

TARGET: Final = "spec.targetRef"


def what_is_needed_is_given(canary: Canary) -> Iterator[Problem]:
    """The target has a name, and there is an analysis unless it is skipped."""
    if not canary.spec.target_ref.name:
        yield problem(f"{TARGET}.name", "", "the name of the workload you deploy", "is empty")
    if not canary.spec.given("analysis") and not canary.spec.skip_analysis:
        yield problem("spec.analysis", None, "an object, or skipAnalysis: true", "is required")


def backends_are_known(canary: Canary) -> Iterator[Problem]:
    """The provider, when given, is a known one, and the metrics server a URL: no fallbacks."""
    provider, server = canary.spec.provider, canary.spec.metrics_server
    if provider and provider not in meshes.SPEC_PROVIDERS:
        allowed = ", ".join(meshes.SPEC_PROVIDERS)
        yield problem("spec.provider", provider, allowed, "is not a known provider")
    if server:
        yield from not_a_url("spec.metricsServer", server)


def service_names_fit(canary: Canary) -> Iterator[Problem]:
    """The names of the generated Services fit into the 63 characters that the API server allows."""
    target, service = canary.spec.target_ref, canary.spec.service
    if target.is_knative:
        return
    from_service = bool(service.name) and not target.is_kubernetes_service
    field = "spec.service.name" if from_service else f"{TARGET}.name"
    name = (service.name or "") if from_service else target.name
    if len(name) > well_known.LONGEST_BASE_NAME:
        allowed = f"at most {well_known.LONGEST_BASE_NAME} characters"
        yield problem(field, name, allowed, "is too long: a Service will be called <name>-primary")


def knative_stands_alone(canary: Canary) -> Iterator[Problem]:
    """Provider knative and a Knative Service as target come together, and without autoscaler."""
    spec, target = canary.spec, canary.spec.target_ref
    if spec.autoscaler_ref and target.is_knative:
        field, why = "spec.autoscalerRef", "can't use autoscaler with Knative Service"
        yield problem(field, spec.autoscaler_ref.name, "no value", why)
    if target.is_knative and spec.provider != meshes.KNATIVE:
        yield problem(
            "spec.provider",
            spec.provider or None,
            meshes.KNATIVE,
            f"can't use {spec.provider or 'the default'} provider with Knative Service as target",
        )
    if spec.provider == meshes.KNATIVE and not target.is_knative:
        yield problem(
            TARGET,
            f"{target.api_version}/{target.kind}",
            "serving.knative.dev/v1 Service",
            f"can't use {target.api_version}/{target.kind} as target if provider is set to knative",
        )


def autoscalers_scale_deployments(canary: Canary) -> Iterator[Problem]:
    """Only a Deployment has replicas; the bounds of its primary leave something between them."""
    ref, target = canary.spec.autoscaler_ref, canary.spec.target_ref
    if ref is None or target.is_knative:
        return
    field = "spec.autoscalerRef"
    if target.kind is not TargetKind.DEPLOYMENT:
        yield problem(field, ref.name, "no value", f"can't use autoscaler with {target.kind}")
    bounds = ref.primary_scaler_replicas
    low, high = (bounds.min_replicas, bounds.max_replicas) if bounds else (None, None)
    if low is not None and high is not None and low > high:
        value, allowed = f"min {low}, max {high}", "min not more than max"
        field = f"{field}.primaryScalerReplicas"
        yield Problem.invalid(field, value, allowed, "leaves no number of replicas")


def no_cross_namespace_refs(canary: Canary) -> Iterator[Problem]:
    """All references stay in the namespace of the canary; applied only where that is asked for."""
    for field, what, name, namespace in _references(canary):
        if namespace and namespace != canary.namespace:
            yield problem(
                field,
                namespace,
                f"{canary.namespace}, or empty",
                f"can't access {what} {name}.{namespace}, cross-namespace references are blocked",
            )


def _references(canary: Canary) -> Iterator[tuple[str, str, str, str | None]]:
    if upstream := canary.spec.upstream_ref:
        yield "spec.upstreamRef.namespace", "gloo upstream", upstream.name, upstream.namespace
    for index, check in enumerate(canary.spec.analysis.metrics):
        if template := check.template_ref:
            field = f"{ANALYSIS}.metrics[{index}].templateRef.namespace"
            yield field, "metric template", template.name, template.namespace
    for index, alert in enumerate(canary.spec.analysis.alerts):
        field, ref = f"{ANALYSIS}.alerts[{index}].providerRef.namespace", alert.provider_ref
        yield field, "alert provider", ref.name, ref.namespace


RULES: Final[tuple[Rule, ...]] = (
    what_is_needed_is_given,
    backends_are_known,
    service_names_fit,
    knative_stands_alone,
    autoscalers_scale_deployments,
)
