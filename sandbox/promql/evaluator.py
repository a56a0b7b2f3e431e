"""Evaluates PromQL over a series store, as Prometheus 2.x does.

Parsing and type checking are the `promql-parser` library's; what an expression means is here and
in the modules this one dispatches to. Held to the same contract tests as a real Prometheus.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, assert_never

import promql_parser

from sandbox.promql import (
    aggregation,
    binary,
    errors,
    functions,
    label_functions,
    matchers,
    values,
)
from sandbox.promql.labels import EMPTY, Labels
from sandbox.promql.series import SeriesStore, milliseconds
from sandbox.promql.values import Matrix, Sample, Scalar, String, Value, Vector, Window

LOOKBACK: Final = timedelta(minutes=5)
"""How old the latest sample may be for a series to have a value (`--query.lookback-delta`)."""

DEFAULT_STEP: Final = timedelta(minutes=1)
"""A subquery's step when it gives none (`global.evaluation_interval`)."""

_LOOKBACK_MS: Final = milliseconds(LOOKBACK.total_seconds())


def evaluate_instant(query: str, at: float, store: SeriesStore) -> Value:
    """The value of `query` at `at` (seconds since the epoch).

    Raises BadQueryError when the text is no query, ExecutionError when it cannot be evaluated.
    """
    at_ms = milliseconds(at)
    return _Evaluation(store, at_ms, at_ms, at_ms).value(parse(query))


def evaluate_range(query: str, start: float, end: float, step: float, store: SeriesStore) -> Matrix:
    """The values of `query` at `start`, `start + step`, … up to `end` (all in seconds).

    The query must be a scalar or an instant vector. Raises as `evaluate_instant`.
    """
    expression = parse(query)
    start_ms, end_ms, step_ms = map(milliseconds, (start, end, step))
    window = _Evaluation(store, start_ms, start_ms, end_ms)
    return window.stepped(expression, start_ms, end_ms, step_ms)


def parse(query: str) -> promql_parser.Expr:
    """The syntax tree of `query`, type-checked; raises BadQueryError with the parser's message."""
    try:
        return promql_parser.parse(query)
    except ValueError as error:
        message = f'invalid parameter "query": parse error: {error}'
        raise errors.BadQueryError(message) from error


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """One instant of one query; `start_ms` and `end_ms` are what `@ start()`, `@ end()` mean."""

    store: SeriesStore
    at_ms: int
    start_ms: int
    end_ms: int

    def value(self, expression: promql_parser.Expr) -> Value:
        """The value of `expression` at this instant."""
        match expression:
            case promql_parser.ParenExpr():
                return self.value(expression.expr)
            case promql_parser.UnaryExpr():
                return _negative(self.value(expression.expr))
            case promql_parser.Call():
                return self._call(expression)
            case promql_parser.AggregateExpr():
                return self._aggregate(expression)
            case promql_parser.BinaryExpr():
                return self._binary(expression)
            case _:
                return self._leaf(expression)

    def _leaf(self, expression: promql_parser.Expr) -> Value:
        match expression:
            case promql_parser.NumberLiteral():
                return Scalar(expression.val)
            case promql_parser.StringLiteral():
                return String(expression.val)
            case promql_parser.VectorSelector():
                return self._instant(expression)
            case promql_parser.MatrixSelector():
                return self._range(expression)
            case promql_parser.SubqueryExpr():
                return self._subquery(expression)
            case _:
                kind = type(expression).__name__
                raise errors.ExecutionError(f"expression {kind} is not supported")

    def stepped(
        self, expression: promql_parser.Expr, start_ms: int, end_ms: int, step_ms: int
    ) -> Matrix:
        """The values of `expression` at each step from `start_ms` to `end_ms`, by series."""
        times: defaultdict[Labels, list[int]] = defaultdict(list)
        found: defaultdict[Labels, list[float]] = defaultdict(list)
        for at_ms in range(start_ms, end_ms + 1, step_ms):
            for sample in _samples(replace(self, at_ms=at_ms).value(expression)):
                times[sample.labels].append(at_ms)
                found[sample.labels].append(sample.value)
        ordered = sorted(times, key=lambda labels: labels.pairs)
        windows = tuple(Window(labels, times[labels], found[labels]) for labels in ordered)
        return Matrix(windows, start_ms, end_ms)

    def _instant(self, selector: promql_parser.VectorSelector) -> Vector:
        at_ms = self._moved(selector.at, selector.offset)
        chosen = matchers.compile_selector(selector)
        windows = self.store.select(chosen, at_ms - _LOOKBACK_MS, at_ms)
        return Vector(tuple(Sample(w.labels, w.values[-1]) for w in windows))

    def _range(self, expression: promql_parser.MatrixSelector) -> Matrix:
        selector = expression.vector_selector
        end_ms = self._moved(selector.at, selector.offset)
        start_ms = end_ms - milliseconds(expression.range.total_seconds())
        windows = self.store.select(matchers.compile_selector(selector), start_ms, end_ms)
        return Matrix(tuple(windows), start_ms, end_ms)

    def _subquery(self, expression: promql_parser.SubqueryExpr) -> Matrix:
        """The inner expression at multiples of the step inside the range."""
        end_ms = self._moved(expression.at, expression.offset)
        span = expression.range or timedelta()
        start_ms = end_ms - milliseconds(span.total_seconds())
        step_ms = milliseconds((expression.step or DEFAULT_STEP).total_seconds())
        first_ms = -(-start_ms // step_ms) * step_ms
        inner = self.stepped(expression.expr, first_ms, end_ms, step_ms)
        return Matrix(inner.windows, start_ms, end_ms)

    def _moved(self, pinned: promql_parser.AtModifier | None, offset: timedelta | None) -> int:
        """This instant after the modifiers `@` and `offset`."""
        at_ms = self.at_ms if pinned is None else self._pinned(pinned)
        return at_ms - milliseconds(offset.total_seconds() if offset is not None else 0)

    def _pinned(self, modifier: promql_parser.AtModifier) -> int:
        if modifier.type == promql_parser.AtModifierType.Start:
            return self.start_ms
        if modifier.type == promql_parser.AtModifierType.End:
            return self.end_ms
        if modifier.at is None:
            raise errors.BadQueryError("modifier @ without a time")
        return milliseconds(modifier.at.timestamp())

    def _binary(self, expression: promql_parser.BinaryExpr) -> Value:
        left, right = self.value(expression.lhs), self.value(expression.rhs)
        return binary.apply(str(expression.op), left, right, expression.modifier)

    def _call(self, expression: promql_parser.Call) -> Value:
        name, arguments = expression.func.name, expression.args
        match name:
            case "time":
                return Scalar(self.at_ms / 1000)
            case "absent" | "absent_over_time":
                return self._absent(arguments[0])
            case _ if name in functions.FUNCTIONS:
                evaluated = [self.value(argument) for argument in arguments]
                return functions.call(functions.FUNCTIONS[name], evaluated)
            case _:
                raise errors.ExecutionError(f"function {name!r} is not supported")

    def _absent(self, argument: promql_parser.Expr) -> Vector:
        match self.value(argument):
            case Vector(samples=()) | Matrix(windows=()):
                return Vector((Sample(label_functions.absent_labels(argument), 1.0),))
            case _:
                return Vector(())

    def _aggregate(self, expression: promql_parser.AggregateExpr) -> Vector:
        vector = self.value(expression.expr)
        if not isinstance(vector, Vector):
            raise errors.BadQueryError(f"{expression.op} needs an instant vector")
        parameter = self._parameter(expression.param)
        return aggregation.aggregate(str(expression.op), vector, expression.modifier, parameter)

    def _parameter(self, expression: promql_parser.Expr | None) -> aggregation.Parameter:
        match None if expression is None else self.value(expression):
            case Scalar(number):
                return float(number)
            case String(text):
                return text
            case _:
                return None


def _samples(value: Value) -> Sequence[Sample]:
    """The samples of one step of a range query; a scalar has no labels."""
    match value:
        case Vector(samples):
            return samples
        case Scalar(number):
            return (Sample(EMPTY, number),)
        case Matrix() | String():
            kind = "range vector" if isinstance(value, Matrix) else "string"
            message = f'invalid expression type "{kind}" for range query'
            raise errors.BadQueryError(
                f'invalid parameter "query": {message}, must be Scalar or instant Vector'
            )
        case _:
            assert_never(value)


def _negative(value: Value) -> Value:
    match value:
        case Scalar(number):
            return Scalar(-number)
        case Vector(samples):
            return values.unique([Sample(s.labels.without_name(), -s.value) for s in samples])
        case _:
            raise errors.BadQueryError(
                "unary expression only allowed on scalars and instant vectors"
            )
