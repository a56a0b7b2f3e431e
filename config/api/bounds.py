"""How much of everything a manifest may hold: the one table of upper bounds.

The CRDs (`config.api.schema`) and validation (`config.validation.structure`) are both made from it.
Each bound is far above what anybody has, and low enough that whatever it drives (a loop, a wait, a
query, an object of the mesh) ends at once and overflows nothing.

Rows are found by the end of a field's path, the longest that fits: `name` is any field called so,
`webhooks[].name` that of a webhook. `[]` stands for the items of a list, `{}` for the values of a
map. Texts, lists and maps without a row have general bounds; a number or a duration must have one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from config import durations

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that is allowed, and why.

    Of a number its value, of a duration its length, of a text its characters, of a list or a map
    its entries. `least` is known to validation only: the API server admits small values that
    Flagger reads as defaults.
    """

    most: float | timedelta
    why: str
    least: float | None = None


LONGEST_KEY: Final = 317
"""Characters of a map's key: a label's prefix (253), a slash, and its name (63)."""

LONGEST_DURATION: Final = 64
"""Characters of a duration as it is written."""

_TEXT: Final = Bound(
    4_096, "half of what servers take as headers; expressions and URLs are shorter"
)
_ITEMS: Final = Bound(256, "ten times of what anybody lists; the mesh's proxies get it all")
_INT32: Final = Bound(2**31 - 1, "what Istio and the autoscalers keep; only handed on")

_A_YEAR: Final = timedelta(days=365)

_PERCENT: Final = Bound(100, "percent", least=0)
_WEIGHT: Final = Bound(10_000, "percent; rules say which values above 100 are read as 100")
_CHECKS: Final = Bound(100_000, "with the longest interval still 2,000 years, which dates can hold")
_MEASURED: Final = Bound(1e18, "beyond any unit; the API server compares in 64 bits", least=-1e18)
_PORT: Final = Bound(65_535, "ports have 16 bits")
_NAME: Final = Bound(253, "the longest name of a Kubernetes object")
_SCRIPT: Final = Bound(65_536, "queries, load tests and annotations that are whole scripts")
_ASKED: Final = Bound(64, "each of them is asked at every check, or told at every turn")

TABLE: Final[Mapping[str, Bound]] = {
    # numbers
    "progressDeadlineSeconds": Bound(31_536_000, "a year", least=1),
    "analysis.threshold": _CHECKS,
    "iterations": _CHECKS,
    "stepWeight": _WEIGHT,
    "stepWeights[]": _WEIGHT,
    "maxWeight": _WEIGHT,
    "stepWeightPromotion": _PERCENT,
    "mirrorWeight": _PERCENT,
    "primaryReadyThreshold": _PERCENT,
    "canaryReadyThreshold": _PERCENT,
    "metrics[].threshold": _MEASURED,
    "thresholdRange.min": _MEASURED,
    "thresholdRange.max": _MEASURED,
    "webhooks[].retries": Bound(100, "with pauses of up to 30 s that is most of an hour", least=0),
    "sessionAffinity.maxAge": Bound(2**31 - 1, "seconds; what browsers keep in 32 bits", least=0),
    "service.port": Bound(65_535, "ports have 16 bits", least=1),
    "targetPort": Bound(65_535, "ports have 16 bits; 0 is not set", least=0),
    "port": _PORT,
    "port.number": _PORT,
    # durations
    "analysis.gateDeadline": Bound(_A_YEAR, "people who open gates are asked sooner"),
    "analysis.initialDelay": Bound(timedelta(days=7), "the longest interval"),
    "analysis.maxDuration": Bound(_A_YEAR, "no rollout takes longer"),
    "analysis.rollbackWindow": Bound(_A_YEAR, "who remembers what was before"),
    "stepDurations[]": Bound(timedelta(days=31), "a step of a month"),
    "analysis.interval": Bound(timedelta(days=7), "a check a week is no longer a rollout"),
    "metrics[].interval": Bound(timedelta(days=31), "the window of a query; servers keep weeks"),
    "webhooks[].timeout": Bound(timedelta(hours=24), "of one attempt; a worker waits all the time"),
    # texts
    "name": _NAME,
    "namespace": Bound(63, "a DNS label"),
    "group": _NAME,
    "kind": Bound(63, "a DNS label"),
    "sectionName": _NAME,
    "query": _SCRIPT,
    "primaryScalerQueries{}": _SCRIPT,
    "templateVariables{}": _SCRIPT,
    "metadata{}": _SCRIPT,
    "annotations{}": _SCRIPT,
    # lists
    "metrics": _ASKED,
    "webhooks": _ASKED,
    "alerts": _ASKED,
    "analysis.match": Bound(32, "each is combined with each of service.match"),
    "gatewayRefs": Bound(32, "what the Gateway API allows"),
    "hosts": Bound(1_024, "names of one service"),
}


def of(node: Schema, path: str) -> Bound | None:
    """The bound of the field at `path` with the schema `node`; None where nothing can be large.

    Raises LookupError for a number without a row.
    """
    kind = _kind(node)
    if kind in {"boolean", "closed"}:
        return None
    parts = path.split(".")
    rows = (TABLE.get(".".join(parts[start:])) for start in range(len(parts)))
    bound = next(filter(None, rows), _GENERAL.get(kind))
    if bound is None:
        raise LookupError(f"{path}: a number without an upper bound")
    return bound


def keywords(node: Schema, path: str) -> dict[str, Any]:
    """What the schema `node` of the field at `path` says about its bound."""
    bound = of(node, path)
    if bound is None:
        return {}
    if isinstance(bound.most, timedelta):
        text = durations.format_go(bound.most)
        rule = {"rule": f"duration(self) <= duration('{text}')", "message": f"must be up to {text}"}
        return {"maxLength": LONGEST_DURATION, "x-kubernetes-validations": [rule]}
    return dict.fromkeys(_KEYWORDS[_kind(node)], bound.most)


_GENERAL: Final = {"string": _TEXT, "array": _ITEMS, "object": _ITEMS, "int32": _INT32}
_KEYWORDS: Final = {
    "string": ("maxLength",),
    "array": ("maxItems",),
    "object": ("maxProperties",),
    "int32": ("maximum",),
    "integer": ("maximum",),
    "number": ("maximum",),
    "number or text": ("maximum", "maxLength"),
}


def _kind(node: Schema) -> str:
    """The type of a node; `closed` is an object of known fields, or one text of a few."""
    kind = str(node.get("type", "number or text"))
    if "enum" in node or (
        kind == "object" and not isinstance(node.get("additionalProperties"), Mapping)
    ):
        return "closed"
    return "int32" if node.get("format") == "int32" else kind
