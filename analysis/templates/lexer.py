"""Tokens of a template: text between actions, and the words of the actions themselves."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class TemplateError(ValueError):
    """A template that cannot be rendered; `line` and `column` count from 1."""

    def __init__(self, problem: str, text: str, offset: int) -> None:
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - (text.rfind("\n", 0, offset) + 1) + 1
        super().__init__(f"line {self.line}, column {self.column}: {problem}")


class Kind(Enum):
    """What a token is; an ACTION opens with OPEN and ends with CLOSE."""

    TEXT = auto()
    OPEN = auto()
    CLOSE = auto()
    WORD = auto()
    FIELD = auto()
    STRING = auto()
    NUMBER = auto()
    PIPE = auto()
    LEFT = auto()
    RIGHT = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a template at `offset`; `glued` when no blank stands before it in its action."""

    kind: Kind
    text: str
    offset: int
    glued: bool = False


_MOST_STEPS: Final = 100
"""Pipes, fields and parentheses of one action: each may nest its expression one level deeper."""

_BLANKS: Final = " \t\r\n"
_OPEN: Final = re.compile(r"\{\{(?P<trim>-(?=[ \t\r\n]))?")
_CLOSE: Final = re.compile(r"(?P<trim>[ \t\r\n]+-)?[ \t\r\n]*\}\}")
_COMMENT: Final = re.compile(r"[ \t\r\n]*/\*.*?\*/", re.DOTALL)
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_ACTION: Final = (
    (Kind.STRING, re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`')),
    (Kind.NUMBER, re.compile(r"[+-]?[0-9]{1,18}(?![\w.])")),
    (Kind.FIELD, re.compile(r"\.[A-Za-z_]\w*")),
    (Kind.WORD, re.compile(r"[A-Za-z_]\w*")),
    (Kind.PIPE, re.compile(r"\|")),
    (Kind.LEFT, re.compile(r"\(")),
    (Kind.RIGHT, re.compile(r"\)")),
)
_ESCAPE: Final = re.compile(
    r'\\(?:[abfnrtv\\"]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|(?P<octal>[0-7]{3})'
    r"|(?P<bad>.))",
    re.DOTALL,
)
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")  # a half of a character, which no text may hold


def tokens(template: str) -> Iterator[Token]:
    """The tokens of `template`, trim markers applied and comments left out.

    Raises TemplateError for an action that does not end and for characters that mean nothing.
    """
    position, trimmed = 0, False
    while True:
        opening = _OPEN.search(template, position)
        end = opening.start() if opening else len(template)
        text = template[position:end]
        text = text.lstrip(_BLANKS) if trimmed else text
        text = text.rstrip(_BLANKS) if opening and opening["trim"] else text
        if text:
            yield Token(Kind.TEXT, text, position)
        if not opening:
            return
        closing = yield from _action(template, opening)
        position, trimmed = closing.end(), closing["trim"] is not None


def _action(template: str, opening: re.Match[str]) -> Generator[Token, None, re.Match[str]]:
    """The tokens of the action that `opening` begins; returns the match of its end."""
    position = opening.end()
    if comment := _COMMENT.match(template, position):
        if closing := _CLOSE.match(template, comment.end()):
            return closing
        raise TemplateError("a comment must end its action", template, comment.end())
    yield Token(Kind.OPEN, "{{", opening.start())
    steps = 0
    while not (closing := _CLOSE.match(template, position)):
        blank = _BLANK.match(template, position)
        start = blank.end() if blank else position
        token = _token(template, start, opening, glued=start == position)
        steps += token.kind in {Kind.PIPE, Kind.FIELD, Kind.LEFT}
        if steps > _MOST_STEPS:
            problem = f"more than {_MOST_STEPS} pipes, fields and parentheses in an action"
            raise TemplateError(problem, template, start)
        yield token
        position = start + len(token.text)
    yield Token(Kind.CLOSE, "}}", closing.end() - 2)
    return closing


def _token(template: str, start: int, opening: re.Match[str], *, glued: bool) -> Token:
    for kind, pattern in _ACTION:
        if found := pattern.match(template, start):
            return Token(kind, found[0], start, glued)
    if start >= len(template):
        raise TemplateError("the action does not end with }}", template, opening.start())
    raise TemplateError(f"unexpected {template[start]!r} in an action", template, start)


def unquoted(token: Token, template: str) -> str:
    """The text that a STRING token stands for. Raises TemplateError for an unknown escape."""
    if token.text.startswith("`"):
        return token.text[1:-1]

    def character(escape: re.Match[str]) -> str:
        if escape["octal"]:
            return chr(int(escape["octal"], 8))
        try:
            text = "" if escape["bad"] else escape[0].encode().decode("unicode_escape")
        except UnicodeDecodeError:  # beyond the last code point
            text = ""
        if not text or _SURROGATE.match(text):
            offset = token.offset + 1 + escape.start()
            raise TemplateError(f"unknown escape {escape[0]} in a string", template, offset)
        return text

    return _ESCAPE.sub(character, token.text[1:-1])
