"""Mutants that change nothing anybody could notice, each with the reason.

Named by file, the text of their line and what they do, not by line number, so that the list
outlives other edits. `tests/unit/repository/test_mutants.py` checks that each still exists.
"""

from typing import Final

from tests.mutants.python_mutants import Mutant

Key = tuple[str, str, str]
"""File, stripped text of the line, what is changed."""

REASONS: Final[dict[Key, str]] = {}


def key(mutant: Mutant, source: str) -> Key:
    """What a mutant is called in the list."""
    return mutant.path, source.splitlines()[mutant.line - 1].strip(), mutant.what


def is_equivalent(mutant: Mutant, source: str) -> bool:
    """Whether the list names this mutant."""
    return key(mutant, source) in REASONS
