"""The requests that a canary chooses: `analysis.match` and `analysis.a_b_test` in words of traffic.

Pure, and total on a canary that came through `validation.load_canary`.
"""

from __future__ import annotations

from config.api.canary import Canary
from config.api.istio import AnalysisMatchRequest, StringMatch
from config.traffic import Aspect, Comparison, Criterion, Match, ordered


def matched(canary: Canary) -> tuple[Match, ...]:
    """Those that the weights are about; empty: all."""
    return tuple(_match(request) for request in canary.spec.analysis.match)


def pinned(canary: Canary) -> tuple[Match, ...]:
    """Those that go to the canary during a rollout, whatever its weight."""
    headers = (entry.header for entry in canary.spec.analysis.a_b_test)
    return tuple((_criterion(Aspect.HEADER, each.name, each.value),) for each in headers)


def _match(request: AnalysisMatchRequest) -> Match:
    texts = {
        Aspect.HEADER: request.headers or {},
        Aspect.QUERY_PARAMETER: request.query_params or {},
    }
    compared = [
        _criterion(aspect, name, text)
        for aspect, named in texts.items()
        for name, text in named.items()
    ]
    labels = [
        Criterion(Aspect.SOURCE_LABEL, name, Comparison.EXACT, value)
        for name, value in (request.source_labels or {}).items()
    ]
    return ordered([*compared, *labels])


def _criterion(aspect: Aspect, name: str, text: StringMatch) -> Criterion:
    ((comparison, wanted),) = text.wire().items()
    return Criterion(aspect, name, Comparison(comparison), wanted)
