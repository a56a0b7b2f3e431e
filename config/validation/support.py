"""What the models hold but this version does not carry out yet.

A table on purpose: an issue that carries something out removes its line. `blocking` entries
would silently change where traffic goes or what a gate means, so such a canary is not acted on;
the others are reported and the rollout goes on without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from config import derived, meshes
from config.api.canary import Canary
from config.api.hooks import WebhookType
from config.api.istio import HTTPMatchRequest, StringMatch
from config.api.references import TargetKind
from config.validation.problems import shown
from config.validation.rules import ANALYSIS, SERVICE

CARRIED_OUT_HOOKS: Final = frozenset(
    {WebhookType.PRE_ROLLOUT, WebhookType.ROLLOUT, WebhookType.POST_ROLLOUT}
)
#: Hooks that decide nothing: leaving them out changes no rollout.
INFORMATIVE_HOOKS: Final = frozenset({WebhookType.EVENT})


@dataclass(frozen=True, order=True, slots=True)
class Unsupported:
    """One field that is understood but not carried out; ordered by path."""

    field: str
    value: str
    blocking: bool
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.value}: {self.message}"


def not_carried_out(canary: Canary, default_provider: str) -> tuple[Unsupported, ...]:
    """Everything in a valid canary that this version would not do, sorted by field.

    Raises UnknownMesh when neither the canary nor `default_provider` names a known provider.
    """
    found = (
        *_provider(canary, default_provider),
        *_objects(canary),
        *_service(canary),
        *_strategy(canary),
        *_checks(canary),
        *_reports(canary),
    )
    return tuple(sorted(found))


def _blocked(field: str, value: object, instead: str) -> Unsupported:
    message = f"is not carried out by this version; {instead}"
    return Unsupported(field, shown(value), blocking=True, message=message)


def _left_out(field: str, value: object, effect: str) -> Unsupported:
    return Unsupported(field, shown(value), blocking=False, message=effect)


def _provider(canary: Canary, default_provider: str) -> Iterator[Unsupported]:
    provider = derived.provider(canary, default_provider)
    if provider != meshes.ISTIO:
        yield _blocked("spec.provider", provider, f"carried out: {meshes.ISTIO}")


def _objects(canary: Canary) -> Iterator[Unsupported]:
    spec = canary.spec
    if spec.target_ref.kind is not TargetKind.DEPLOYMENT:
        kind = str(spec.target_ref.kind)
        yield _blocked("spec.targetRef.kind", kind, "carried out: Deployment")
    for field, ref in (
        ("autoscalerRef", spec.autoscaler_ref),
        ("ingressRef", spec.ingress_ref),
        ("routeRef", spec.route_ref),
        ("upstreamRef", spec.upstream_ref),
    ):
        if ref is not None:
            yield _blocked(f"spec.{field}", ref.name, "carried out: canaries without it")
    if spec.revert_on_deletion:
        yield _left_out(
            "spec.revertOnDeletion",
            value=True,
            effect="is not carried out by this version: deletion undoes nothing",
        )


def _service(canary: Canary) -> Iterator[Unsupported]:
    service = canary.spec.service
    for wire_name, value in (
        ("backendTimeout", service.backend_timeout),
        ("gatewayRefs", service.gateway_refs),
        ("mirror", service.mirror),
        ("meshName", service.mesh_name),
        ("backends", service.backends),
    ):
        if value:
            yield _left_out(f"{SERVICE}.{wire_name}", value, "has no effect with provider istio")
    for index, request in enumerate(service.match):
        if _uses_suffix(request):
            field = f"{SERVICE}.match[{index}]"
            yield _blocked(field, "suffix", "Istio compares by exact, prefix or regex")


def _uses_suffix(request: HTTPMatchRequest) -> bool:
    maps = (request.headers, request.query_params, request.without_headers)
    singles = (request.uri, request.scheme, request.method, request.authority)
    matches: list[StringMatch | None] = [*singles]
    for named in maps:
        matches.extend((named or {}).values())
    return any(match is not None and match.suffix is not None for match in matches)


def _strategy(canary: Canary) -> Iterator[Unsupported]:
    """Strategies other than weights; of no consequence where the analysis is skipped."""
    if canary.spec.skip_analysis:
        return
    analysis = canary.spec.analysis
    if analysis.iterations > 0:
        weights = "carried out: stepWeight and stepWeights"
        yield _blocked(f"{ANALYSIS}.iterations", analysis.iterations, weights)
    for wire_name, entries in (("match", analysis.match), ("a_b_test", analysis.a_b_test)):
        if entries:
            yield _blocked(f"{ANALYSIS}.{wire_name}", entries, "carried out: weights for everybody")
    if analysis.mirror:
        yield _blocked(f"{ANALYSIS}.mirror", analysis.mirror, "carried out: no mirroring")
    if analysis.session_affinity:
        cookie = analysis.session_affinity.cookie_name
        yield _blocked(f"{ANALYSIS}.sessionAffinity", cookie, "carried out: no affinity")


def _checks(canary: Canary) -> Iterator[Unsupported]:
    """Checks and gates that would be missing; hooks count even where the analysis is skipped."""
    if not canary.spec.skip_analysis:
        for index, check in enumerate(canary.spec.analysis.metrics):
            if check.template_ref:
                yield _blocked(
                    f"{ANALYSIS}.metrics[{index}].templateRef",
                    check.template_ref.name,
                    "carried out: builtin metrics and inline queries",
                )
    for index, hook in enumerate(canary.spec.analysis.webhooks):
        kind = derived.webhook_type(hook)
        if kind not in CARRIED_OUT_HOOKS | INFORMATIVE_HOOKS:
            carried_out = ", ".join(sorted(CARRIED_OUT_HOOKS))
            field = f"{ANALYSIS}.webhooks[{index}].type"
            yield _blocked(field, str(kind), f"carried out: {carried_out}")


def _reports(canary: Canary) -> Iterator[Unsupported]:
    """Reports to others: the rollout is the same without them."""
    analysis = canary.spec.analysis
    if analysis.alerts:
        yield _left_out(
            f"{ANALYSIS}.alerts", analysis.alerts, "are not carried out by this version: no alerts"
        )
    for index, hook in enumerate(analysis.webhooks):
        if derived.webhook_type(hook) in INFORMATIVE_HOOKS:
            yield _left_out(
                f"{ANALYSIS}.webhooks[{index}].type",
                str(hook.type),
                "is not carried out by this version: the hook is not called",
            )
