"""Binary operators: arithmetic, comparison and sets, with vector matching.

Source: Prometheus documentation, "Operators", vector matching.
"""

from collections.abc import Callable, Mapping
from typing import Final

import promql_parser
from promql_parser import LabelModifierType, VectorMatchCardinality

from sandbox.promql import errors, floats
from sandbox.promql.labels import METRIC_NAME, Labels
from sandbox.promql.values import Sample, Scalar, Value, Vector, unique

Modifier = promql_parser.BinModifier | None
_SETS: Final = ("and", "or", "unless")


def apply(operator: str, left: Value, right: Value, modifier: Modifier) -> Value:
    """`left operator right`; a comparison filters unless `bool` makes it 0 or 1.

    Raises ExecutionError when vectors do not match one to one and nothing says they need not.
    """
    if modifier is not None and _fills(modifier):
        raise errors.ExecutionError("fill modifiers are not supported")
    match left, right:
        case Scalar(first), Scalar(second):
            return Scalar(_number(operator, first, second))
        case Vector(), Scalar(number):
            return _with_scalar(operator, left, number, modifier, scalar_first=False)
        case Scalar(number), Vector():
            return _with_scalar(operator, right, number, modifier, scalar_first=True)
        case Vector(), Vector() if operator in _SETS:
            return _set(operator, left, right, _signature(modifier))
        case Vector(), Vector():
            return _Matching(operator, modifier).join(left, right)
        case _:
            message = f"operator {operator!r} needs scalars or instant vectors on both sides"
            raise errors.BadQueryError(message)


def _fills(modifier: promql_parser.BinModifier) -> bool:
    fill = modifier.fill_values
    return fill.lhs is not None or fill.rhs is not None


def _number(operator: str, left: float, right: float) -> float:
    if operator in floats.ARITHMETIC:
        return floats.ARITHMETIC[operator](left, right)
    if operator in floats.COMPARISON:
        return float(floats.COMPARISON[operator](left, right))
    raise errors.ExecutionError(f"operator {operator!r} is not supported")


def _element(operator: str, left: float, right: float, *, as_bool: bool) -> float | None:
    """The result for one pair; None when a filtering comparison does not hold."""
    if operator not in floats.COMPARISON or as_bool:
        return _number(operator, left, right)
    return left if floats.COMPARISON[operator](left, right) else None


def _drops_name(operator: str, *, as_bool: bool) -> bool:
    return as_bool or operator in floats.ARITHMETIC


def _with_scalar(
    operator: str, vector: Vector, number: float, modifier: Modifier, *, scalar_first: bool
) -> Vector:
    as_bool = modifier is not None and modifier.return_bool
    filters = operator in floats.COMPARISON and not as_bool
    samples = []
    for sample in vector.samples:
        pair = (number, sample.value) if scalar_first else (sample.value, number)
        result = _element(operator, *pair, as_bool=as_bool)
        if result is not None:
            # A filter passes on the vector's value, also when the scalar stands on the left.
            value = sample.value if filters else result
            drops = _drops_name(operator, as_bool=as_bool)
            labels = sample.labels.without_name() if drops else sample.labels
            samples.append(Sample(labels, value))
    return unique(samples)


def _signature(modifier: Modifier) -> Callable[[Labels], Labels]:
    """What two samples must have in common to match: all labels, or as on/ignoring says."""
    matching = modifier.matching if modifier is not None else None
    if matching is None:
        return Labels.without_name
    names = frozenset(matching.labels)
    if matching.type == LabelModifierType.Include:
        return lambda labels: labels.keep(names)
    ignored = names | {METRIC_NAME}
    return lambda labels: labels.drop(ignored)


def _set(
    operator: str, left: Vector, right: Vector, signature: Callable[[Labels], Labels]
) -> Vector:
    if operator == "or":
        known = {signature(sample.labels) for sample in left.samples}
        added = tuple(s for s in right.samples if signature(s.labels) not in known)
        return Vector(left.samples + added)
    known = {signature(sample.labels) for sample in right.samples}
    wanted = operator == "and"
    return Vector(tuple(s for s in left.samples if (signature(s.labels) in known) == wanted))


class _Matching:
    """Pairs the samples of two vectors by signature and applies one operator to each pair."""

    def __init__(self, operator: str, modifier: Modifier) -> None:
        self._operator = operator
        self._modifier = modifier
        self._signature = _signature(modifier)
        self._card = VectorMatchCardinality.OneToOne if modifier is None else modifier.card
        self._as_bool = modifier is not None and modifier.return_bool

    def join(self, left: Vector, right: Vector) -> Vector:
        """The results for all pairs."""
        swapped = self._card == VectorMatchCardinality.OneToMany
        many, one = (right, left) if swapped else (left, right)
        ones = self._unique_by_signature(one, "left" if swapped else "right")
        samples = []
        seen: set[Labels] = set()
        for sample in many.samples:
            partner = ones.get(self._signature(sample.labels))
            if partner is None:
                continue
            pair = (partner.value, sample.value) if swapped else (sample.value, partner.value)
            value = _element(self._operator, *pair, as_bool=self._as_bool)
            if value is None:
                continue
            labels = self._result_labels(sample.labels, partner.labels)
            self._refuse_repeated(sample.labels, labels, seen)
            samples.append(Sample(labels, value))
        return Vector(tuple(samples))

    def _unique_by_signature(self, vector: Vector, side: str) -> Mapping[Labels, Sample]:
        found: dict[Labels, Sample] = {}
        for sample in vector.samples:
            signature = self._signature(sample.labels)
            if signature in found:
                raise errors.ExecutionError(
                    f"found duplicate series for the match group {signature} on the {side} "
                    f"hand-side of the operation: [{sample.labels}, {found[signature].labels}]"
                    ";many-to-many matching not allowed: matching labels must be unique on one side"
                )
            found[signature] = sample
        return found

    def _refuse_repeated(self, many: Labels, result: Labels, seen: set[Labels]) -> None:
        one_to_one = self._card == VectorMatchCardinality.OneToOne
        key = self._signature(many) if one_to_one else result
        if key in seen:
            raise errors.ExecutionError(
                "multiple matches for labels: many-to-one matching must be explicit "
                "(group_left/group_right)"
                if one_to_one
                else "multiple matches for labels: grouping labels must ensure unique matches"
            )
        seen.add(key)

    def _result_labels(self, many: Labels, one: Labels) -> Labels:
        labels = many
        if _drops_name(self._operator, as_bool=self._as_bool):
            labels = labels.without_name()
        matching = self._modifier.matching if self._modifier is not None else None
        if self._card == VectorMatchCardinality.OneToOne and matching is not None:
            included = matching.type == LabelModifierType.Include
            names = matching.labels
            labels = labels.keep(names) if included else labels.drop(names)
        copied = (self._modifier.group_labels if self._modifier is not None else None) or []
        for name in copied:
            labels = labels.replace(name, one.get(name))
        return labels
