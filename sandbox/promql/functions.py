"""The table of PromQL functions: name to what computes it from evaluated arguments.

Functions that need more than their arguments' values (`absent`, `time`) are in `evaluator`.
To add one: a row here, and a line in the contract test's query list.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sandbox.promql import (
    aggregation,
    floats,
    histograms,
    label_functions,
    rates,
    statistics,
    values,
)
from sandbox.promql.labels import EMPTY
from sandbox.promql.values import Matrix, Sample, Scalar, Value, Vector, Window

Function = Callable[..., Value]
_WindowFunction = Callable[[Window, int, int], float | None]


def _raw(value: Value) -> Any:
    """The number or text of a scalar or string; vectors and matrices as they are."""
    match value:
        case values.Scalar(number):
            return number
        case values.String(text):
            return text
        case _:
            return value


def call(function: Function, arguments: Sequence[Value]) -> Value:
    """What `function` gives for `arguments`, scalars and strings unwrapped."""
    return function(*map(_raw, arguments))


def _mapped(function: Callable[..., float]) -> Function:
    """Applies `function` to each value of a vector, with the further (scalar) arguments."""

    def over(vector: Vector, *parameters: float) -> Vector:
        return values.unique(
            [
                Sample(s.labels.without_name(), function(s.value, *parameters))
                for s in vector.samples
            ]
        )

    return over


def _windowed(function: _WindowFunction, *, keeps_name: bool = False) -> Function:
    """Reduces each window of a matrix; a window for which `function` gives None is left out."""

    def over(matrix: Matrix) -> Vector:
        samples = []
        for window in matrix.windows:
            value = function(window, matrix.start_ms, matrix.end_ms)
            if value is not None:
                labels = window.labels if keeps_name else window.labels.without_name()
                samples.append(Sample(labels, value))
        return values.unique(samples)

    return over


def _over_time(function: Callable[[Sequence[float]], float]) -> Function:
    return _windowed(lambda window, _start, _end: float(function(window.values)))


def _quantile_over_time(rank: float, matrix: Matrix) -> Value:
    return _over_time(lambda numbers: statistics.quantile(rank, numbers))(matrix)


def _round(value: float, nearest: float = 1.0) -> float:
    inverse = floats.divide(1.0, nearest)
    return floats.divide(floats.rounding(math.floor)(value * inverse + 0.5), inverse)


def _clamp_min(value: float, low: float) -> float:
    return floats.maximum(value, low)


def _clamp_max(value: float, high: float) -> float:
    return -floats.maximum(-value, -high)


def _clamp(vector: Vector, low: float, high: float) -> Value:
    if low > high:
        return Vector(())
    return _mapped(lambda value: _clamp_max(_clamp_min(value, low), high))(vector)


def _sign(value: float) -> float:
    return value if math.isnan(value) else float((value > 0) - (value < 0))


def _scalar(vector: Vector) -> Scalar:
    return Scalar(vector.samples[0].value if len(vector.samples) == 1 else math.nan)


def _sorted(sign: int) -> Function:
    """Orders a vector by value, NaN last."""

    def order(sample: Sample) -> tuple[bool, float]:
        is_nan = math.isnan(sample.value)
        return is_nan, 0.0 if is_nan else sign * sample.value

    return lambda vector: Vector(tuple(sorted(vector.samples, key=order)))


def _label_join(vector: Vector, target: str, separator: str, *sources: str) -> Value:
    return label_functions.label_join(vector, target, separator, sources)


_REDUCED_OVER_TIME: Final[Mapping[str, Function]] = {
    f"{name}_over_time": _over_time(aggregation.REDUCTIONS[name])
    for name in ("sum", "avg", "min", "max", "count", "stddev", "stdvar")
}

FUNCTIONS: Final[Mapping[str, Function]] = {
    "rate": _windowed(rates.rate),
    "increase": _windowed(rates.increase),
    "delta": _windowed(rates.delta),
    "irate": _windowed(rates.instant_rate),
    "idelta": _windowed(rates.instant_delta),
    "resets": _over_time(rates.resets),
    "changes": _over_time(rates.changes),
    **_REDUCED_OVER_TIME,
    "last_over_time": _windowed(lambda w, _start, _end: w.values[-1], keeps_name=True),
    "present_over_time": _over_time(lambda _: 1.0),
    "quantile_over_time": _quantile_over_time,
    "histogram_quantile": histograms.histogram_quantile,
    "abs": _mapped(abs),
    "ceil": _mapped(floats.rounding(math.ceil)),
    "floor": _mapped(floats.rounding(math.floor)),
    "round": _mapped(_round),
    "clamp": _clamp,
    "clamp_min": _mapped(_clamp_min),
    "clamp_max": _mapped(_clamp_max),
    "exp": _mapped(floats.guarded(math.exp)),
    "sqrt": _mapped(floats.guarded(math.sqrt)),
    "ln": _mapped(floats.logarithm(math.log)),
    "log2": _mapped(floats.logarithm(math.log2)),
    "log10": _mapped(floats.logarithm(math.log10)),
    "sgn": _mapped(_sign),
    "vector": lambda number: Vector((Sample(EMPTY, number),)),
    "scalar": _scalar,
    "sort": _sorted(1),
    "sort_desc": _sorted(-1),
    "label_replace": label_functions.label_replace,
    "label_join": _label_join,
}
