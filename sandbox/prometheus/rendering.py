"""Query results as the JSON of the Prometheus HTTP API.

Source: Prometheus documentation, "HTTP API", expression query result formats.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, assert_never

from sandbox.prometheus.faults import Empty, Fault, NotANumber
from sandbox.promql import floats, values
from sandbox.promql.labels import METRIC_NAME
from sandbox.promql.values import Value


def success(data: Any) -> dict[str, Any]:
    """The envelope of an answer."""
    return {"status": "success", "data": data}


def error(kind: str, message: str) -> dict[str, Any]:
    """The envelope of an error; `kind` is its `errorType`."""
    return {"status": "error", "errorType": kind, "error": message}


def result(value: Value, at: float) -> dict[str, Any]:
    """`value`, evaluated at `at` (seconds since the epoch), as `resultType` and `result`."""
    match value:
        case values.Scalar(number):
            return _typed("scalar", _point(at, number))
        case values.String(text):
            return _typed("string", [_seconds(at), text])
        case values.Vector(samples):
            return _typed(
                "vector",
                [{"metric": s.labels.as_dict(), "value": _point(at, s.value)} for s in samples],
            )
        case values.Matrix(windows):
            return _typed("matrix", [_window(window) for window in windows])
        case _:
            assert_never(value)


def exposed(window: values.Window) -> str:
    """The newest value as a line of the text format, with its time."""
    labels = window.labels.without_name().pairs
    inner = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels)
    name = window.labels.get(METRIC_NAME)
    return f"{name}{{{inner}}} {floats.text(window.values[-1])} {window.times_ms[-1]}\n"


def distorted(value: Value, fault: Fault | None) -> Value:
    """`value` as a fault of content makes it; unchanged for any other fault or none."""
    match value, fault:
        case values.Matrix(_, start_ms, end_ms), Empty():
            return values.Matrix((), start_ms, end_ms)
        case _, Empty():
            return values.Vector(())
        case values.Scalar(), NotANumber():
            return values.Scalar(math.nan)
        case values.Vector(samples), NotANumber():
            return values.Vector(tuple(values.Sample(s.labels, math.nan) for s in samples))
        case values.Matrix(windows, start_ms, end_ms), NotANumber():
            return values.Matrix(tuple(map(_not_a_number, windows)), start_ms, end_ms)
        case _:
            return value


def _not_a_number(window: values.Window) -> values.Window:
    return values.Window(window.labels, window.times_ms, [math.nan] * len(window.times_ms))


def _typed(kind: str, found: Iterable[Any]) -> dict[str, Any]:
    return {"resultType": kind, "result": found}


def _window(window: values.Window) -> dict[str, Any]:
    points = zip(window.times_ms, window.values, strict=True)
    return {
        "metric": window.labels.as_dict(),
        "values": [_point(time_ms / 1000, value) for time_ms, value in points],
    }


def _point(at: float, value: float) -> list[float | int | str]:
    return [_seconds(at), floats.text(value)]


def _seconds(at: float) -> float | int:
    """A time in seconds to the millisecond, without a fraction when it is whole."""
    rounded = round(at, 3)
    return int(rounded) if rounded.is_integer() else rounded
