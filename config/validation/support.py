"""What the models hold but this version does not carry out yet.

What routers, strategies and rules can do, they say themselves; the rest is a table on purpose:
whoever carries something out removes its line. `blocking` entries would silently change where
traffic goes or what a gate means, so such a canary is not acted on; the others are reported and the
rollout goes on without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic.alias_generators import to_snake

from config import derived, meshes
from config.api.analysis import Analysis
from config.api.canary import Canary
from config.api.hooks import WebhookType
from config.api.istio import StringMatch
from config.api.references import Adapter
from config.derived import StrategyKind
from config.traffic import Feature
from config.validation.problems import Problem, ProblemReason, shown
from config.validation.rules import ANALYSIS, SERVICE

#: Among a mesh's options, fields of `spec` and `spec.service` that a mesh may heed.
REFERENCES: Final = ("ingressRef", "routeRef", "upstreamRef")
ROUTES: Final = (
    *("backendTimeout", "backends", "corsPolicy", "delegation", "gatewayRefs", "gateways"),
    *("headers", "hosts", "match", "meshName", "mirror", "retries", "rewrite", "timeout"),
    "trafficPolicy",
)
#: Among a mesh's options: comparing the end of a text.
SUFFIX: Final = "match.suffix"
#: Among a mesh's options: leading to subsets of the apex Service, which selects both sides then.
SUBSETS: Final = "subsets"
#: The fields of `spec.analysis` that choose a strategy.
_KEYS: Final[Mapping[StrategyKind, str]] = {
    StrategyKind.CANARY: "stepWeight and stepWeights",
    StrategyKind.AB_TESTING: "iterations with match",
    StrategyKind.BLUE_GREEN: "iterations without match",
}
#: Features without which the same requests meet the canary at the same steps.
_HARMLESS: Final = frozenset({Feature.MIRROR, Feature.AFFINITY})


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What there are routers, strategies, rules, writers and metric backends for.

    Of a mesh and of a strategy the optional fields of `spec.analysis` that it heeds; `options` are
    what else a mesh heeds of `REFERENCES`, `ROUTES`, `SUFFIX` and `SUBSETS`.
    """

    meshes: Mapping[str, frozenset[Feature]]
    options: Mapping[str, frozenset[str]]
    strategies: Mapping[StrategyKind, frozenset[Feature]]
    hooks: frozenset[WebhookType]
    targets: frozenset[Adapter]
    backends: frozenset[str]


def not_carried_out(canary: Canary, default_provider: str, able: CarriedOut) -> tuple[Problem, ...]:
    """Everything in a valid canary that this installation would not do, sorted by field.

    Raises UnknownMesh when neither the canary nor `default_provider` names a known provider.
    """
    provider = derived.provider(canary, default_provider)
    problems = (
        *_without_mesh(canary, provider),
        *_objects(canary, provider, able),
        *_service(canary, provider, able),
        *_strategy(derived.carried_out(canary, default_provider), provider, able),
        *_hooks(canary, able),
    )
    return tuple(sorted(problems))


def _blocked(field: str, value: object, instead: str, where: str = "by this version") -> Problem:
    text = f"{shown(value)}: is not carried out {where}; {instead}"
    return Problem.of(field, text, ProblemReason.NOT_CARRIED_OUT, blocking=True)


def _left_out(field: str, value: object, effect: str) -> Problem:
    text = f"{shown(value)}: {effect}"
    return Problem.of(field, text, ProblemReason.NOT_CARRIED_OUT, blocking=False)


def _without_mesh(canary: Canary, provider: str) -> Iterator[Problem]:
    """What no Service can say of requests, in Flagger's words; see `derived.carried_out`."""
    analysis = canary.spec.analysis
    if meshes.has_routes(provider) or canary.spec.skip_analysis:
        return
    texts = ["A/B testing is not supported when using the kubernetes provider"]
    texts = texts if analysis.match else []
    if analysis.iterations < 1:
        texts.append("Progressive traffic is not supported when using the kubernetes provider")
        texts.append(f"Setting canaryAnalysis.iterations: {derived.DEFAULT_ITERATIONS}")
    for text in texts:
        yield Problem.of("", text, ProblemReason.NOT_CARRIED_OUT, blocking=False)


def _objects(canary: Canary, provider: str, able: CarriedOut) -> Iterator[Problem]:
    spec = canary.spec
    if provider not in able.meshes:
        known = ", ".join(sorted(able.meshes))
        yield _blocked("spec.provider", provider, f"carried out: {known}")
    adapter = spec.target_ref.adapter
    if adapter not in able.targets:
        known = ", ".join(sorted(able.targets))
        yield _blocked("spec.targetRef.kind", adapter.value, f"carried out: {known}")
    elif adapter is Adapter.SERVICE and not meshes.has_routes(provider):
        yield _blocked("spec.provider", provider, "carried out: a mesh, to lead to the copies")
    for field in REFERENCES:
        ref = getattr(spec, to_snake(field))
        if ref is not None and field not in able.options.get(provider, ()):
            yield _blocked(f"spec.{field}", ref.name, "carried out: canaries without it")


def _service(canary: Canary, provider: str, able: CarriedOut) -> Iterator[Problem]:
    """Options of meshes that other meshes do not have; nothing of a mesh that is refused anyway."""
    service = canary.spec.service
    if provider not in able.meshes:
        return
    heeded = able.options[provider]
    for field in ROUTES:
        value = getattr(service, to_snake(field))
        if value and field not in heeded:
            effect = f"has no effect with provider {provider}"
            yield _left_out(f"{SERVICE}.{field}", value, effect)
    is_service = canary.spec.target_ref.is_kubernetes_service  # nothing is known of its pods
    if service.subsets and (is_service or SUBSETS not in heeded):
        instead = f"{'a target of kind Service' if is_service else provider} has a host per side"
        yield _blocked(f"{SERVICE}.{SUBSETS}", value=True, instead=instead)
    for field, texts in _compared(canary):
        if SUFFIX not in heeded and any(text.suffix is not None for text in texts):
            yield _blocked(field, "suffix", f"{provider} compares by exact, prefix or regex")


def _compared(canary: Canary) -> Iterator[tuple[str, Iterable[StringMatch]]]:
    """The texts that requests are compared with, by the field that chooses these requests."""
    analysis = canary.spec.analysis
    for place, requests in ((SERVICE, canary.spec.service.match), (ANALYSIS, analysis.match)):
        for index, request in enumerate(requests):
            yield f"{place}.match[{index}]", request.comparisons.values()
    for index, entry in enumerate(analysis.a_b_test):
        yield f"{ANALYSIS}.a_b_test[{index}]", (entry.header.value,)


def _strategy(canary: Canary, provider: str, able: CarriedOut) -> Iterator[Problem]:
    """What the strategy or the mesh does not heed; of no consequence without analysis."""
    if canary.spec.skip_analysis:
        return
    analysis, kind = canary.spec.analysis, derived.strategy_kind(canary)
    strategy, mesh = able.strategies.get(kind), able.meshes.get(provider)
    if strategy is None:
        known = ", ".join(_KEYS[each] for each in able.strategies)
        yield _blocked(f"{ANALYSIS}.iterations", analysis.iterations, f"carried out: {known}")
    if strategy is None or mesh is None:
        return
    for feature, (value, default) in _asked(analysis).items():
        field, instead = f"{ANALYSIS}.{feature}", f"carried out: {default}"
        if value and feature in _HARMLESS - strategy:
            yield _left_out(field, value, f"has no effect with {_KEYS[kind]}")
        elif value and feature not in strategy:
            yield _blocked(field, value, instead, f"with {_KEYS[kind]}")
        elif value and feature not in mesh:
            others = sorted(each for each, features in able.meshes.items() if feature in features)
            ways = " or ".join([default, *(f"provider {each}" for each in others)])
            yield _blocked(field, value, f"carried out: {ways}", f"with provider {provider}")
        elif value and derived.is_tcp(canary):
            yield _blocked(field, value, instead, f"with {SERVICE}.appProtocol tcp")
    yield from _conditions(analysis)


def _conditions(analysis: Analysis) -> Iterator[Problem]:
    """What the strategies do not compare of requests; Flagger's definition prunes it."""
    for index, request in enumerate(analysis.match):
        for name, value in request.uncompared.items():
            field = f"{ANALYSIS}.match[{index}].{name}"
            instead = "carried out: headers, queryParams, sourceLabels"
            yield _blocked(field, value, instead)


def _asked(analysis: Analysis) -> Mapping[Feature, tuple[Any, str]]:
    """The value of each optional field, and what is done instead where it is not heeded."""
    affinity = analysis.session_affinity
    return {
        Feature.MATCH: (analysis.match, "weights for everybody"),
        Feature.PINNED: (analysis.a_b_test, "weights for everybody"),
        Feature.MIRROR: (analysis.mirror, "no mirroring"),
        Feature.AFFINITY: (affinity and affinity.cookie_name, "no affinity"),
    }


def of_backend(kind: str, able: CarriedOut) -> Iterator[Problem]:
    """That there is no metric backend for the templates of a provider type."""
    if kind not in able.backends:
        instead = f"carried out: {', '.join(sorted(able.backends))}"
        yield _blocked("spec.provider.type", kind, instead)


def _hooks(canary: Canary, able: CarriedOut) -> Iterator[Problem]:
    """Gates count even where the analysis is skipped."""
    for index, hook in enumerate(canary.spec.analysis.webhooks):
        kind, field = hook.type, f"{ANALYSIS}.webhooks[{index}].type"
        if kind not in able.hooks:
            yield _blocked(field, str(kind), f"carried out: {', '.join(sorted(able.hooks))}")
