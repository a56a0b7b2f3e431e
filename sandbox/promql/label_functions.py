"""Functions that rewrite labels: `label_replace`, `label_join`, and the labels of `absent`."""

import re
from collections.abc import Sequence
from typing import Final

import promql_parser

from sandbox.promql import errors, matchers
from sandbox.promql.labels import EMPTY, METRIC_NAME, Labels
from sandbox.promql.values import Sample, Vector, unique

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
# Go's Regexp.Expand: `$name` reaches as far as name characters do, `${name}` is explicit.
_REFERENCE: Final = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)


def label_replace(
    vector: Vector, target: str, replacement: str, source: str, pattern: str
) -> Vector:
    """`vector` with label `target` set from `replacement` where `source` matches `pattern`.

    The pattern must match the whole value; `$1` and `${name}` in the replacement stand for its
    groups. Raises ExecutionError for a bad label name or equal resulting label sets.
    """
    _check_name(target, "label_replace")
    whole = matchers.anchored(pattern)

    def rewritten(labels: Labels) -> Labels:
        found = whole(labels.get(source))
        return labels if found is None else labels.replace(target, _expand(replacement, found))

    return unique([Sample(rewritten(s.labels), s.value) for s in vector.samples])


def label_join(vector: Vector, target: str, separator: str, sources: Sequence[str]) -> Vector:
    """`vector` with label `target` set to the values of `sources`, joined by `separator`."""
    _check_name(target, "label_join")

    def joined(labels: Labels) -> Labels:
        return labels.replace(target, separator.join(labels.get(name) for name in sources))

    return unique([Sample(joined(s.labels), s.value) for s in vector.samples])


def absent_labels(expression: promql_parser.Expr) -> Labels:
    """The labels `absent` can know of what is missing: those its selector pins to one value."""
    match expression:
        case promql_parser.VectorSelector():
            selector = expression
        case promql_parser.MatrixSelector():
            selector = expression.vector_selector
        case _:
            return EMPTY
    named = [m for m in selector.matchers.matchers if m.name != METRIC_NAME]
    names = [matcher.name for matcher in named]
    return Labels(
        (m.name, m.value)
        for m in named
        if m.op == promql_parser.MatchOp.Equal and names.count(m.name) == 1
    )


def _check_name(name: str, function: str) -> None:
    if _LABEL_NAME.fullmatch(name) is None:
        message = f"invalid destination label name in {function}(): {name}"
        raise errors.ExecutionError(message)


def _expand(template: str, found: re.Match[str]) -> str:
    """`template` with references replaced; one to a group that is not there is empty."""

    def group(reference: re.Match[str]) -> str:
        dollar, bare, braced = reference.groups()
        if dollar:
            return "$"
        name = bare or braced
        number = int(name) if name.isdigit() else found.re.groupindex.get(name, -1)
        return (found[number] or "") if 0 <= number <= found.re.groups else ""

    return _REFERENCE.sub(group, template)
