"""PromQL over series held in memory: the evaluator behind the sandbox's metrics server.

`SeriesStore` holds samples, `evaluate_instant` and `evaluate_range` answer queries over it.
Pure but for the store: no clock, no network, no files.
"""

from sandbox.promql.errors import BadQueryError, ExecutionError, PromqlError
from sandbox.promql.evaluator import evaluate_instant, evaluate_range, parse
from sandbox.promql.labels import Labels
from sandbox.promql.series import SeriesStore
from sandbox.promql.values import Matrix, Sample, Scalar, String, Value, Vector, Window

__all__ = [
    "BadQueryError",
    "ExecutionError",
    "Labels",
    "Matrix",
    "PromqlError",
    "Sample",
    "Scalar",
    "SeriesStore",
    "String",
    "Value",
    "Vector",
    "Window",
    "evaluate_instant",
    "evaluate_range",
    "parse",
]
