"""From tokens to a tree; everything that can be refused without values is refused here."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from analysis.templates import lexer
from analysis.templates.errors import TemplateError
from analysis.templates.lexer import Kind, Token
from analysis.templates.nodes import Block, Call, Expression, Field, If, Literal, Output, Text

_CONSTANTS: Final = {"true": True, "false": False}
_UNSUPPORTED: Final = frozenset(
    ("range", "with", "define", "template", "block", "break", "continue", "nil")
)
_DEEPEST: Final = 50


def parse(template: str, functions: Collection[str]) -> Block:
    """The tree of `template`, which may call `functions`.

    Raises TemplateError naming the first thing that is wrong and its position.
    """
    parser = _Parser(template, functions)
    block = parser.block(depth=0)
    leftover = parser.keyword()
    if leftover is not None:
        raise parser.error(f"unexpected {{{{{leftover.text}}}}}", leftover)
    return block


class _Parser:
    def __init__(self, template: str, functions: Collection[str]) -> None:
        self._template = template
        self._functions = functions
        self._tokens = tuple(lexer.tokens(template))
        self._position = 0

    def error(self, problem: str, token: Token) -> TemplateError:
        return TemplateError(problem, self._template, token.offset)

    # -- blocks ---------------------------------------------------------------------------------

    def block(self, depth: int) -> Block:
        """Nodes up to the end of the template or an `else` or `end`, which is left unread."""
        nodes: list[Text | Output | If] = []
        while (token := self._peek()) and not self.keyword():
            nodes.append(self._node(token, depth))
        return tuple(nodes)

    def keyword(self) -> Token | None:
        """The word of an `else` or `end` action that comes next, if one does."""
        if self._position + 1 >= len(self._tokens):
            return None
        opening, word = self._tokens[self._position : self._position + 2]
        is_keyword = word.kind is Kind.WORD and word.text in {"else", "end"}
        return word if opening.kind is Kind.OPEN and is_keyword else None

    def _node(self, token: Token, depth: int) -> Text | Output | If:
        self._position += 1
        if token.kind is Kind.TEXT:
            return Text(token.text)
        first = self._peek()
        if first and first.kind is Kind.WORD and first.text == "if":
            self._position += 1
            return self._if(first, depth + 1)
        expression = self._pipeline(depth)
        self._expect(Kind.CLOSE)
        return Output(expression)

    def _if(self, opening: Token, depth: int) -> If:
        self._check_depth(opening, depth)
        condition = self._pipeline(depth)
        self._expect(Kind.CLOSE)
        then = self.block(depth)
        word = self.keyword()
        if word is None:
            raise self.error("{{if}} without {{end}}", opening)
        self._position += 2
        return If(condition, then, self._otherwise(word, opening, depth))

    def _otherwise(self, word: Token, opening: Token, depth: int) -> Block:
        """What comes after the branch that `word` ended, up to and with the `end`."""
        following = self._peek()
        if word.text == "else" and following and following.text == "if":
            self._position += 1
            return (self._if(following, depth + 1),)
        self._expect(Kind.CLOSE)
        if word.text == "end":
            return ()
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
        value = self._command(depth, piped=None)
        while (token := self._peek()) and token.kind is Kind.PIPE:
            self._position += 1
            value = self._command(depth, piped=value)
        return value

    def _command(self, depth: int, piped: Expression | None) -> Expression:
        first = self._peek()
        operands = tuple(self._operands(depth))
        if first is None or not operands:
            raise self._missing("a value")
        head, arguments = operands[0], operands[1:] + ((piped,) if piped is not None else ())
        if not arguments:
            return head
        if not isinstance(head, Call) or first.kind is not Kind.WORD:
            raise self.error(f"{first.text} is not a function and takes no arguments", first)
        return Call(head.name, arguments, head.offset)

    def _operands(self, depth: int) -> Iterator[Expression]:
        while (token := self._peek()) and token.kind not in {Kind.CLOSE, Kind.PIPE, Kind.RIGHT}:
            self._position += 1
            operand = self._operand(token, depth)
            while (field := self._peek()) and field.kind is Kind.FIELD and field.glued:
                self._position += 1
                operand = Field(operand, field.text[1:], field.offset)
            yield operand

    def _operand(self, token: Token, depth: int) -> Expression:
        match token.kind:
            case Kind.STRING:
                return Literal(lexer.unquoted(token, self._template))
            case Kind.NUMBER:
                return Literal(int(token.text))
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

    def _word(self, token: Token) -> Expression:
        if token.text in _CONSTANTS:
            return Literal(_CONSTANTS[token.text])
        if token.text in _UNSUPPORTED:
            raise self.error(f"{token.text} is not supported", token)
        if token.text not in self._functions:
            allowed = ", ".join(sorted(self._functions))
            raise self.error(f'function "{token.text}" not defined; allowed: {allowed}', token)
        return Call(token.text, (), token.offset)

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
