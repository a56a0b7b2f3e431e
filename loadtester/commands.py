"""Commands as texts: split into programs, arguments and pipes as a shell would, without a shell.

What only a shell can do is refused by name, never passed on as if it were an argument.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

Words = tuple[str, ...]
"""A program and its arguments."""

Pipeline = tuple[Words, ...]
"""Commands whose output is the next one's input; at least one, none of them empty."""


class UnreadableError(ValueError):
    """A text that is no command in any shell."""


class NeedsShellError(ValueError):
    """A text with something that only a shell can do; the message names it."""


_TOKEN: Final = re.compile(
    r"""
      (?P<space>[ \t]+)
    | (?P<joined>\\\n)
    | '(?P<single>[^']*)'
    | "(?P<double>(?:[^"\\$`]|\\.|\$(?=["\s]))*)"
    | \\(?P<escaped>.)
    | (?P<pipe>\|(?![|&]))
    | (?P<plain>[^ \t\r\n'"\\|&;<>()`$]+|\$(?=\s|$))
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED_IN_DOUBLE: Final = re.compile(r'\\([$`"\\\n])')
_QUOTED: Final = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*["]""", re.DOTALL)

_OPERATORS: Final = {
    "&&": "&& (a list of commands)",
    "||": "|| (a list of commands)",
    "|&": "|& (a pipe of errors)",
    "$(": "$( ) (the output of a command)",
    "&": "& (a command in the background)",
    ";": "; (a list of commands)",
    ">": "> (output to a file)",
    "<": "< (input from a file)",
    "(": "( ) (a group of commands)",
    ")": "( ) (a group of commands)",
    "$": "$ (an expansion)",
    "`": "` ` (the output of a command)",
    "\n": "a line break (a list of commands)",
    "\r": "a line break (a list of commands)",
}
_EXPANDED: Final = (
    (re.compile(r"~|[A-Za-z_]\w*=(?:.*:)?~"), "~ (a home directory)"),
    (re.compile(r"#"), "# (a comment)"),
    (re.compile(r"[./].*[*?\[]"), "a pattern of file names"),
)
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*=")
_SHELLS: Final = ("sh", "bash")


@dataclass
class _Splitter:
    """The words and commands so far; `bare` is what of the present word is not quoted."""

    commands: list[list[str]] = field(default_factory=lambda: [[]])
    word: str | None = None
    bare: str = ""

    def add(self, text: str, bare: str = "") -> None:
        """Adds to the present word, and begins it where there is none."""
        self.word = (self.word or "") + text
        self.bare += bare

    def end_word(self) -> None:
        """What comes next is another word."""
        if self.word is None:
            return
        for pattern, name in _EXPANDED:
            if pattern.match(self.bare):
                raise NeedsShellError(name)
        braces = self.bare[self.bare.find("{") : self.bare.rfind("}")] if "{" in self.bare else ""
        if "," in braces or ".." in braces:
            raise NeedsShellError("{ } (a list of words)")
        if not self.commands[-1] and _ASSIGNMENT.match(self.bare):
            raise NeedsShellError("an assignment of a variable")
        self.commands[-1].append(self.word)
        self.word, self.bare = None, ""

    def end_command(self) -> None:
        """What comes next is another command."""
        self.end_word()
        if not self.commands[-1]:
            raise UnreadableError("a pipe without a command before or behind it")
        self.commands.append([])


def parse(text: str) -> Pipeline:
    """The commands in `text`, which a shell would run just so.

    Patterns of file names are taken as they stand, as a shell takes those that fit no file, unless
    they are paths. `sh -c` and `bash -c` with one text are that text. Raises NeedsShellError and
    UnreadableError.
    """
    text = text.strip("\r\n")
    if "\0" in text:
        raise UnreadableError("a null character")
    pipeline = _split(text)
    (first, *others) = pipeline
    if not others and len(first) == 3 and first[0] in _SHELLS and first[1] == "-c":
        return parse(first[2])
    return pipeline


def _split(text: str) -> Pipeline:
    splitter, position = _Splitter(), 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise _unusual(text[position:])
        _take(splitter, token)
        position = token.end()
    splitter.end_command()
    return tuple(tuple(words) for words in splitter.commands[:-1])


def _take(splitter: _Splitter, token: re.Match[str]) -> None:
    match token.lastgroup:
        case "space":
            splitter.end_word()
        case "joined":
            pass  # a backslash at the end of a line: the next one goes on
        case "pipe":
            splitter.end_command()
        case "double":
            splitter.add(_ESCAPED_IN_DOUBLE.sub(_unescaped, token["double"]))
        case "plain":
            splitter.add(token["plain"], bare=token["plain"])
        case quoted:
            splitter.add(token[str(quoted)])


def _unescaped(match: re.Match[str]) -> str:
    return "" if match[1] == "\n" else match[1]


def _unusual(rest: str) -> ValueError:
    """What is wrong with a text that begins with no token."""
    if rest[0] in "'\"":
        if _QUOTED.match(rest):
            return NeedsShellError("an expansion ($ or `) in double quotes")
        return UnreadableError(f"a quotation mark {rest[0]} without its other half")
    if rest[0] == "\\":
        return UnreadableError("a backslash at the end")
    return NeedsShellError(_OPERATORS.get(rest[:2]) or _OPERATORS.get(rest[0], repr(rest[0])))
