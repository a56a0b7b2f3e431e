"""The tree of a parsed template."""

from __future__ import annotations

from dataclasses import dataclass

Value = str | int | bool
"""What literals are and functions give back, besides the map of variables."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: Value


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple[Expression, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Field:
    """An entry of a map, `base.name`; a missing entry is an error."""

    base: Expression
    name: str
    offset: int


Expression = Literal | Call | Field


@dataclass(frozen=True, slots=True)
class Text:
    """Text as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """An expression whose value is printed."""

    expression: Expression


@dataclass(frozen=True, slots=True)
class If:
    """A condition with what is rendered when it holds and when it does not."""

    condition: Expression
    then: Block
    otherwise: Block


Node = Text | Output | If
Block = tuple[Node, ...]
