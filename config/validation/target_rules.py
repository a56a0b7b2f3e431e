"""Rules about references: the target, its names, and objects in other namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from config import meshes, well_known
from config.api.canary import Canary
from config.validation.problems import Problem
from config.validation.rules import Rule, not_a_url, problem

TARGET: Final = "spec.targetRef"


def target_is_named(canary: Canary) -> Iterator[Problem]:
    """The target has a name."""
    if not canary.spec.target_ref.name:
        yield problem(f"{TARGET}.name", "", "the name of the workload you deploy", "is empty")


def provider_is_known(canary: Canary) -> Iterator[Problem]:
    """The provider, when given, is one of the known ones: there is no fallback."""
    provider = canary.spec.provider
    if provider and provider not in meshes.SPEC_PROVIDERS:
        allowed = ", ".join(meshes.SPEC_PROVIDERS)
        yield problem("spec.provider", provider, allowed, "is not a known provider")


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


def knative_pairs_with_itself(canary: Canary) -> Iterator[Problem]:
    """Provider knative and a Knative Service as target are given together or not at all."""
    spec, target = canary.spec, canary.spec.target_ref
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


def knative_scales_itself(canary: Canary) -> Iterator[Problem]:
    """A Knative target has no autoscaler of ours."""
    ref = canary.spec.autoscaler_ref
    if ref and canary.spec.target_ref.is_knative:
        yield problem(
            "spec.autoscalerRef", ref.name, "no value", "can't use autoscaler with Knative Service"
        )


def metrics_server_is_a_url(canary: Canary) -> Iterator[Problem]:
    """The metrics server, when given, is an absolute HTTP URL."""
    server = canary.spec.metrics_server
    if server:
        yield from not_a_url("spec.metricsServer", server)


def analysis_is_given(canary: Canary) -> Iterator[Problem]:
    """There is an analysis, unless it is skipped."""
    if not canary.spec.given("analysis") and not canary.spec.skip_analysis:
        yield problem("spec.analysis", None, "an object, or skipAnalysis: true", "is required")


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
    spec = canary.spec
    if spec.upstream_ref:
        upstream = spec.upstream_ref
        yield "spec.upstreamRef.namespace", "gloo upstream", upstream.name, upstream.namespace
    for index, check in enumerate(spec.analysis.metrics):
        if check.template_ref:
            field = f"spec.analysis.metrics[{index}].templateRef.namespace"
            yield field, "metric template", check.template_ref.name, check.template_ref.namespace
    for index, alert in enumerate(spec.analysis.alerts):
        field = f"spec.analysis.alerts[{index}].providerRef.namespace"
        yield field, "alert provider", alert.provider_ref.name, alert.provider_ref.namespace


RULES: Final[tuple[Rule, ...]] = (
    target_is_named,
    provider_is_known,
    service_names_fit,
    knative_pairs_with_itself,
    knative_scales_itself,
    metrics_server_is_a_url,
    analysis_is_given,
)
