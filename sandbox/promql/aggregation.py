"""Aggregation operators: `sum by (…)`, `topk`, `quantile` and the like."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import promql_parser

from sandbox.promql import errors, floats, statistics
from sandbox.promql.labels import EMPTY, METRIC_NAME, Labels
from sandbox.promql.values import Sample, Vector

Parameter = float | str | None

REDUCTIONS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {
    "sum": sum,
    "avg": statistics.mean,
    "min": statistics.smallest,
    "max": statistics.largest,
    "count": lambda group: float(len(group)),
    "group": lambda _: 1.0,
    "stddev": statistics.deviation,
    "stdvar": statistics.variance,
}


def aggregate(
    operator: str,
    vector: Vector,
    modifier: promql_parser.AggModifier | None,
    parameter: Parameter,
) -> Vector:
    """The samples of `vector` grouped as `modifier` says and reduced by `operator`.

    `topk` and `bottomk` keep the labels of the samples they choose; the others give one sample
    per group. Raises ExecutionError for an operator that is not supported.
    """
    groups: defaultdict[Labels, list[Sample]] = defaultdict(list)
    for sample in vector.samples:
        groups[group_labels(sample.labels, modifier)].append(sample)
    match operator, parameter:
        case (("topk" | "bottomk"), float(wanted)):
            return _extreme(groups, wanted, largest=operator == "topk")
        case "count_values", str(label):
            return _count_values(groups, label)
        case "quantile", float(rank):
            return _reduce(groups, lambda numbers: statistics.quantile(rank, numbers))
        case _ if operator in REDUCTIONS:
            return _reduce(groups, REDUCTIONS[operator])
        case _:
            raise errors.ExecutionError(f"aggregation {operator!r} is not supported")


def group_labels(labels: Labels, modifier: promql_parser.AggModifier | None) -> Labels:
    """The labels that name the group of `labels`."""
    if modifier is None:
        return EMPTY
    if modifier.type == promql_parser.AggModifierType.By:
        return labels.keep(modifier.labels)
    return labels.drop([*modifier.labels, METRIC_NAME])


def _reduce(
    groups: Mapping[Labels, list[Sample]], reduction: Callable[[Sequence[float]], float]
) -> Vector:
    return Vector(
        tuple(
            Sample(labels, float(reduction([sample.value for sample in group])))
            for labels, group in groups.items()
        )
    )


def _extreme(groups: Mapping[Labels, list[Sample]], wanted: float, *, largest: bool) -> Vector:
    """The `wanted` largest (or smallest) samples of each group, best first; NaN comes last."""
    if math.isnan(wanted):
        raise errors.ExecutionError("Scalar value NaN overflows int64")
    count = int(max(0.0, min(wanted, 1e9)))

    def order(sample: Sample) -> tuple[bool, float]:
        is_nan = math.isnan(sample.value)
        return is_nan, 0.0 if is_nan else (-sample.value if largest else sample.value)

    chosen = (sorted(group, key=order)[:count] for group in groups.values())
    return Vector(tuple(sample for best in chosen for sample in best))


def _count_values(groups: Mapping[Labels, list[Sample]], label: str) -> Vector:
    """How often each value occurs in each group, the value written in `label`."""
    counted: defaultdict[Labels, int] = defaultdict(int)
    for labels, group in groups.items():
        for sample in group:
            counted[labels.replace(label, floats.plain_text(sample.value))] += 1
    return Vector(tuple(Sample(labels, float(count)) for labels, count in counted.items()))
