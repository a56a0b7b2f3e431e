"""What a command says beside its output, on stderr."""

from __future__ import annotations

import os
import sys
import textwrap


def write(text: str) -> None:
    """Writes `text` after the program's name: on a terminal broken between words, else whole."""
    print(_fitted(f"coalmine: {text}"), file=sys.stderr)


def _fitted(text: str) -> str:
    if not sys.stderr.isatty():
        return text
    columns = os.get_terminal_size(sys.stderr.fileno()).columns
    if not columns:  # a terminal that does not say how wide it is
        return text
    fit = textwrap.TextWrapper(columns, break_long_words=False, break_on_hyphens=False)
    return "\n".join(fit.fill(line) for line in text.splitlines())
