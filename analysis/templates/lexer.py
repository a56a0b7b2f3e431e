"""Tokens of a template: text between actions, and the words of the actions themselves."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from analysis.templates.errors import TemplateError


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
    r'\\(?:(?P<simple>[abfnrtv\\"])|x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})'
    r"|U(?P<U>[0-9a-fA-F]{8})|(?P<octal>[0-7]{3})|(?P<bad>.))",
    re.DOTALL,
)
_BEFORE_SURROGATES: Final = range(0xD800)  # surrogates are halves, which no text may hold
_AFTER_SURROGATES: Final = range(0xE000, 0x110000)
_SIMPLE: Final = dict(zip('abfnrtv\\"', '\a\b\f\n\r\t\v\\"', strict=True))


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
        return _end_of_comment(template, comment)
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


def _end_of_comment(template: str, comment: re.Match[str]) -> re.Match[str]:
    closing = _CLOSE.match(template, comment.end())
    if closing is None:
        raise TemplateError("a comment must end its action", template, comment.end())
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
        if escape["simple"]:
            return _SIMPLE[escape["simple"]]
        hexadecimal = escape["x"] or escape["u"] or escape["U"]
        code = int(hexadecimal, 16) if hexadecimal else int(escape["octal"] or "-1", 8)
        if code not in _BEFORE_SURROGATES and code not in _AFTER_SURROGATES:
            offset = token.offset + 1 + escape.start()
            raise TemplateError(f"unknown escape {escape[0]} in a string", template, offset)
        return chr(code)

    return _ESCAPE.sub(character, token.text[1:-1])
