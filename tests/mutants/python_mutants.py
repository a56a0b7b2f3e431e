"""Defects for Python: each is one edit of the text, found by the syntax tree. Pure."""

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

COMPARISONS: Final[dict[type[ast.cmpop], tuple[str, ...]]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.FloorDiv: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
}
OPPOSITES: Final = {"min": "max", "max": "min", "all": "any", "any": "all"}
STATE_CHANGES: Final = frozenset({"replace", "moved", "worked", "confirm", "finish"})
"""Calls of which a left-out keyword is a field that keeps its old value."""


@dataclass(frozen=True, order=True)
class Mutant:
    """One edit: the characters from `start` to `end` of a file become `text`."""

    path: str
    line: int
    start: int
    end: int
    text: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.what}"

    def applied(self, source: str) -> str:
        """The source with the defect in it."""
        return source[: self.start] + self.text + source[self.end :]


@dataclass(frozen=True)
class Source:
    """A file's text, and where its lines begin."""

    path: str
    text: str

    def offset(self, line: int, column: int) -> int:
        """Characters before a place of the syntax tree, whose columns count bytes."""
        lines = self.text.splitlines(keepends=True)
        before = sum(map(len, lines[: line - 1]))
        return before + len(lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
        """Where a node begins and ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self.offset(node.lineno, node.col_offset),
            self.offset(node.end_lineno, node.end_col_offset),
        )

    def edit(self, node: ast.expr | ast.stmt | ast.keyword, text: str, what: str) -> Mutant:
        """The mutant that puts `text` in the place of a node."""
        start, end = self.span(node)
        return Mutant(self.path, node.lineno, start, end, text, what)

    def between(self, left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[Mutant]:
        """The mutant that changes an operator between two nodes; none where it is not plain."""
        start, end = self.span(left)[1], self.span(right)[0]
        gap = self.text[start:end]
        if gap.count(old) == 1:
            what = f"{old} -> {new}"
            yield Mutant(self.path, left.lineno, start, end, gap.replace(old, new), what)


def mutants(path: str, text: str) -> tuple[Mutant, ...]:
    """All defects of one file, in order."""
    source, tree = Source(path, text), ast.parse(text)
    skipped = set(_types_and_docs(tree))
    found = [
        mutant
        for node in ast.walk(tree)
        if id(node) not in skipped
        for mutant in _of_node(source, node)
    ]
    return tuple(sorted(set(found)))


def _types_and_docs(tree: ast.AST) -> Iterator[int]:
    """Nodes that decide nothing: annotations, messages, log lines, flags of dataclasses."""
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            inner = getattr(node, field, None)
            if inner is not None:
                yield from map(id, ast.walk(inner))
        if isinstance(node, ast.JoinedStr) or _is_said_only(node):
            yield from map(id, ast.walk(node))
        for decorator in getattr(node, "decorator_list", ()):
            if ast.unparse(decorator).startswith("dataclass("):
                yield from map(id, ast.walk(decorator))


def _is_said_only(node: ast.AST) -> bool:
    """Whether a statement is a log line, or for type checkers, since no case is left."""
    words = ("log.", "assert_never(")
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith(words)


def _of_node(source: Source, node: ast.AST) -> Iterator[Mutant]:  # noqa: C901 - a table
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield from _comparison(source, node, op, left, right)
        case ast.BoolOp(op=op, values=values):
            old, new = ("and", "or") if isinstance(op, ast.And) else ("or", "and")
            for left, right in itertools.pairwise(values):
                yield from source.between(left, right, old, new)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield source.edit(node, ast.unparse(operand), "not dropped")
        case ast.BinOp(op=op, left=left, right=right) if type(op) in ARITHMETIC:
            yield from _arithmetic(source, op, left, right)
        case ast.Constant(value=bool() as value):
            yield source.edit(node, str(not value), f"{value} -> {not value}")
        case ast.Constant(value=int() as value):
            # A small number counts something; of others, tuned by hand, the magnitude matters.
            other = value + 1 if value < 3 else value * 10
            yield source.edit(node, str(other), f"{value} -> {other}")
        case ast.If(test=test) | ast.IfExp(test=test):
            yield source.edit(test, "False", "condition -> False")
            yield source.edit(test, "True", "condition -> True")
        case ast.Call():
            yield from _call(source, node)
        case ast.Tuple(elts=elements):
            yield from _neighbours(source, elements)
        case ast.Expr(value=ast.Call()):
            yield source.edit(node, "pass", "statement dropped")


OPERATORS: Final = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.BitOr: "|",
    ast.BitAnd: "&",
}


def _comparison(
    source: Source, node: ast.Compare, op: ast.cmpop, left: ast.expr, right: ast.expr
) -> Iterator[Mutant]:
    del node
    for new in COMPARISONS[type(op)]:
        yield from source.between(left, right, f" {OPERATORS[type(op)]} ", f" {new} ")


def _arithmetic(
    source: Source, op: ast.operator, left: ast.expr, right: ast.expr
) -> Iterator[Mutant]:
    texts = (ast.JoinedStr, ast.Constant)
    if any(isinstance(side, texts) and not _is_number(side) for side in (left, right)):
        return
    yield from source.between(left, right, OPERATORS[type(op)], ARITHMETIC[type(op)])


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _call(source: Source, node: ast.Call) -> Iterator[Mutant]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in OPPOSITES and isinstance(node.func, ast.Name):
        yield source.edit(node.func, OPPOSITES[name], f"{name} -> {OPPOSITES[name]}")
    if name not in STATE_CHANGES:
        return
    for keyword in node.keywords:
        if keyword.arg is not None:
            yield _without_keyword(source, keyword)


def _without_keyword(source: Source, keyword: ast.keyword) -> Mutant:
    start, end = source.span(keyword)
    rest = source.text[end:]
    if rest.lstrip().startswith(","):
        end += rest.index(",") + 1
    return Mutant(source.path, keyword.lineno, start, end, "", f"{keyword.arg}= dropped")


def _neighbours(source: Source, elements: list[ast.expr]) -> Iterator[Mutant]:
    """Neighbours swapped in a chain of names, where the order says what wins."""
    if len(elements) < 3 or not all(isinstance(each, ast.Attribute) for each in elements):
        return
    for left, right in itertools.pairwise(elements):
        start, end = source.span(left)[0], source.span(right)[1]
        between = source.text[source.span(left)[1] : source.span(right)[0]]
        text = ast.unparse(right) + between + ast.unparse(left)
        what = f"{ast.unparse(left)} and {ast.unparse(right)} swapped"
        yield Mutant(source.path, left.lineno, start, end, text, what)
