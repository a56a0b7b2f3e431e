"""From tokens to text; everything that can be refused without values is refused by parsing.

An expression is parsed to a function that gives its value, a node to one that gives its text: what
is not rendered is parsed all the same, but never evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from analysis.templates import functions, lexer
from analysis.templates.functions import Function, Map, Misuse, Value
from analysis.templates.lexer import Kind, TemplateError, Token

Expression = Callable[[], Value]
Node = Callable[[], str]

VARIABLES: Final = "variables"

_CONSTANTS: Final = {"true": True, "false": False}
_UNSUPPORTED: Final = frozenset(
    ("range", "with", "define", "template", "block", "break", "continue", "nil")
)
_DEEPEST: Final = 50


def render(template: str, names: Map, variables: Map) -> str:
    """The text of `template`.

    Each of `names` is a function that gives back its text; `variables` is the map behind
    `variables.key`. As in Go, a missing key is an error there, while `index variables "key"`
    gives back the empty text.

    Raises TemplateError naming the problem and its position.
    """
    values: Mapping[str, Value] = {**names, VARIABLES: variables}
    constants = {name: functions.constant(value) for name, value in values.items()}
    parser = _Parser(template, {**constants, **functions.BUILTINS})
    text = parser.block(depth=0)
    leftover = parser.keyword()
    if leftover is not None:
        raise parser.error(f"unexpected {{{{{leftover.text}}}}}", leftover)
    return text()


@dataclass(frozen=True, slots=True)
class _Call:
    """A function with its arguments; gives its value when called."""

    parser: _Parser
    token: Token
    arguments: tuple[Expression, ...] = ()

    def __call__(self) -> Value:
        name, values = self.token.text, (argument() for argument in self.arguments)
        try:
            if name in functions.LAZY:
                return functions.LAZY[name](values)
            return self.parser.functions[name](*functions.bounded(values))
        except Misuse as error:
            raise self.parser.error(f"{name}: {error}", self.token) from None


class _Parser:
    def __init__(self, template: str, known: Mapping[str, Function]) -> None:
        self._template = template
        self.functions = known
        self._tokens = tuple(lexer.tokens(template))
        self._position = 0

    def error(self, problem: str, token: Token) -> TemplateError:
        return TemplateError(problem, self._template, token.offset)

    # -- blocks ---------------------------------------------------------------------------------

    def block(self, depth: int) -> Node:
        """Nodes up to the end of the template or an `else` or `end`, which is left unread."""
        nodes: list[Node] = []
        while (token := self._peek()) and not self.keyword():
            nodes.append(self._node(token, depth))
        return lambda: self._joined(nodes)

    def _joined(self, nodes: list[Node]) -> str:
        texts, length = [], 0
        for node in nodes:
            texts.append(node())
            length += len(texts[-1])
            if length > functions.LONGEST:
                problem = f"longer than {functions.LONGEST} characters"
                raise TemplateError(problem, self._template, 0)
        return "".join(texts)

    def keyword(self) -> Token | None:
        """The word of an `else` or `end` action that comes next, if one does."""
        if self._position + 1 >= len(self._tokens):
            return None
        opening, word = self._tokens[self._position : self._position + 2]
        is_keyword = word.kind is Kind.WORD and word.text in {"else", "end"}
        return word if opening.kind is Kind.OPEN and is_keyword else None

    def _node(self, token: Token, depth: int) -> Node:
        self._position += 1
        if token.kind is Kind.TEXT:
            return lambda: token.text
        first = self._peek()
        if first and first.kind is Kind.WORD and first.text == "if":
            self._position += 1
            return self._if(first, depth + 1)
        expression = self._pipeline(depth)
        self._expect(Kind.CLOSE)
        return lambda: functions.printed(expression())

    def _if(self, opening: Token, depth: int) -> Node:
        self._check_depth(opening, depth)
        condition = self._pipeline(depth)
        self._expect(Kind.CLOSE)
        then = self.block(depth)
        word = self.keyword()
        if word is None:
            raise self.error("{{if}} without {{end}}", opening)
        self._position += 2
        otherwise = self._otherwise(word, opening, depth)
        return lambda: then() if condition() else otherwise()

    def _otherwise(self, word: Token, opening: Token, depth: int) -> Node:
        """What comes after the branch that `word` ended, up to and with the `end`."""
        following = self._peek()
        if word.text == "else" and following and following.text == "if":
            self._position += 1
            return self._if(following, depth + 1)
        self._expect(Kind.CLOSE)
        if word.text == "end":
            return str
        otherwise = self.block(depth)
        end = self.keyword()
        if end is None or end.text != "end":
            raise self.error("{{if}} without {{end}}", end or opening)
        self._position += 2
        self._expect(Kind.CLOSE)
        return otherwise

    # -- expressions ----------------------------------------------------------------------------

    def _pipeline(self, depth: int) -> Expression:
        """`a | f x | g`: each value becomes the last argument of the next function."""
        value = self._command(depth)
        while (token := self._peek()) and token.kind is Kind.PIPE:
            self._position += 1
            value = self._command(depth, value)
        return value

    def _command(self, depth: int, *piped: Expression) -> Expression:
        first = self._peek()
        operands = tuple(self._operands(depth))
        if first is None or not operands:
            raise self._missing("a value")
        head, arguments = operands[0], (*operands[1:], *piped)
        if not arguments:
            return head
        if not isinstance(head, _Call) or first.kind is not Kind.WORD:
            raise self.error(f"{first.text} is not a function and takes no arguments", first)
        return replace(head, arguments=arguments)

    def _operands(self, depth: int) -> Iterator[Expression]:
        while (token := self._peek()) and token.kind not in {Kind.CLOSE, Kind.PIPE, Kind.RIGHT}:
            self._position += 1
            operand = self._operand(token, depth)
            while (field := self._peek()) and field.kind is Kind.FIELD and field.glued:
                self._position += 1
                operand = self._field(operand, field)
            yield operand

    def _operand(self, token: Token, depth: int) -> Expression:
        match token.kind:
            case Kind.STRING:
                return functions.constant(lexer.unquoted(token, self._template))
            case Kind.NUMBER:
                return functions.constant(int(token.text))
            case Kind.WORD:
                return self._word(token)
            case Kind.LEFT:
                self._check_depth(token, depth + 1)
                inner = self._pipeline(depth + 1)
                self._expect(Kind.RIGHT)
                return inner
            case Kind.FIELD:
                raise self.error(f"{token.text}: there is no data, only functions", token)
            case _:
                raise self.error(f"unexpected {token.text!r}", token)

    def _field(self, base: Expression, field: Token) -> Expression:
        """An entry of the map that `base` gives; a missing entry is an error."""
        name = field.text[1:]

        def entry() -> Value:
            entries = base()
            if not isinstance(entries, Mapping):
                raise self.error(f"no field {name} in a value that is no map", field)
            if name not in entries:
                raise self.error(f'map has no entry for key "{name}"', field)
            return entries[name]

        return entry

    def _word(self, token: Token) -> Expression:
        if token.text in _CONSTANTS:
            return functions.constant(_CONSTANTS[token.text])
        if token.text in _UNSUPPORTED:
            raise self.error(f"{token.text} is not supported", token)
        known = {*self.functions, *functions.LAZY}
        if token.text not in known:
            allowed = ", ".join(sorted(known))
            raise self.error(f'function "{token.text}" not defined; allowed: {allowed}', token)
        return _Call(self, token)

    # -- tokens ---------------------------------------------------------------------------------

    def _peek(self) -> Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _expect(self, kind: Kind) -> None:
        token = self._peek()
        if token is None or token.kind is not kind:
            raise self._missing(")" if kind is Kind.RIGHT else "}}")
        self._position += 1

    def _missing(self, what: str) -> TemplateError:
        token = self._peek()
        if token is None:
            return TemplateError(f"missing {what}", self._template, len(self._template))
        return self.error(f"missing {what} before {token.text!r}", token)

    def _check_depth(self, token: Token, depth: int) -> None:
        if depth > _DEEPEST:
            raise self.error(f"nested deeper than {_DEEPEST} levels", token)
