"""From a tree and its values to text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, assert_never

from analysis.templates import functions, parser
from analysis.templates.errors import TemplateError
from analysis.templates.functions import Map, Misuse, Value
from analysis.templates.nodes import Block, Call, Expression, Field, If, Literal, Node, Output, Text

VARIABLES: Final = "variables"

LONGEST: Final = 262_144
"""Characters of a rendered text, and of what one function is given. A short template may name a
long variable thousands of times."""


def render(template: str, names: Map, variables: Map) -> str:
    """The text of `template`.

    Each of `names` is a function that gives back its text; `variables` is the map behind
    `variables.key`. As in Go, a missing key is an error there, while `index variables "key"`
    gives back the empty text.

    Raises TemplateError naming the problem and its position.
    """
    block = parser.parse(template, {*names, VARIABLES, *functions.BUILTINS, *functions.LAZY})
    return _Evaluation(template, names, variables).block(block)


class _Evaluation:
    def __init__(self, template: str, names: Map, variables: Map) -> None:
        self._template = template
        self._names = names
        self._variables = variables

    def block(self, block: Block) -> str:
        texts, length = [], 0
        for node in block:
            texts.append(self._node(node))
            length += len(texts[-1])
            if length > LONGEST:
                raise TemplateError(f"longer than {LONGEST} characters", self._template, 0)
        return "".join(texts)

    def _node(self, node: Node) -> str:
        match node:
            case Text(text):
                return text
            case Output(expression):
                return functions.printed(self._value(expression))
            case If(condition, then, otherwise):
                return self.block(then if self._value(condition) else otherwise)
            case _:
                assert_never(node)

    def _value(self, expression: Expression) -> Value:
        match expression:
            case Literal(value):
                return value
            case Field(base, name, offset):
                return self._field(self._value(base), name, offset)
            case Call():
                return self._call(expression)
            case _:
                assert_never(expression)

    def _field(self, base: Value, name: str, offset: int) -> Value:
        if not isinstance(base, Mapping):
            raise TemplateError(
                f"no field {name} in a value that is no map", self._template, offset
            )
        if name not in base:
            raise TemplateError(f'map has no entry for key "{name}"', self._template, offset)
        return base[name]

    def _call(self, call: Call) -> Value:
        try:
            if call.name in functions.LAZY:
                return functions.LAZY[call.name](map(self._value, call.arguments))
            arguments = [self._value(argument) for argument in call.arguments]
            _refuse_long(arguments)
            if call.name in functions.BUILTINS:
                return functions.BUILTINS[call.name](*arguments)
            return self._name(call.name, *arguments)
        except Misuse as error:
            raise TemplateError(f"{call.name}: {error}", self._template, call.offset) from None

    def _name(self, name: str, *arguments: Value) -> Value:
        if arguments:
            raise Misuse(f"{len(arguments)} arguments given; allowed: none")
        return self._variables if name == VARIABLES else self._names[name]


def _refuse_long(arguments: Iterable[Value]) -> None:
    if sum(map(functions.length, arguments)) > LONGEST:
        raise Misuse(f"given more than {LONGEST} characters")
