"""What is drawn where ASCII alone is shown: the same strokes in its characters."""

from __future__ import annotations

import codecs
import io
from collections.abc import Mapping
from typing import IO, Final

REPLACING: Final = "coalmine.strokes"
"""How characters are written that the encoding does not have."""

_STROKES: Final[Mapping[str, str]] = {
    "├": "|",
    "│": "|",
    "└": "`",
    "─": "-",
    "█": "#",
    "░": ".",
    "✓": "+",
    "✗": "x",
    "…": "~",
    "≥": ">=",
    "≤": "<=",
    "→": "->",
    "µ": "u",
}


def adapt(stream: IO[str], environ: Mapping[str, str]) -> None:
    """Has `stream` written in ASCII where the locale is C; nowhere is a character an error.

    Python itself writes UTF-8 there, which the terminal was said not to show.
    """
    if not isinstance(stream, io.TextIOWrapper):
        return
    locale = environ.get("LC_ALL") or environ.get("LANG")
    encoding = "ascii" if locale in {"C", "POSIX"} else stream.encoding
    stream.reconfigure(encoding=encoding, errors=REPLACING)


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_STROKES.get(each, "?") for each in text), error.end


codecs.register_error(REPLACING, _replaced)
