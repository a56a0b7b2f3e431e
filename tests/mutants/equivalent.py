"""Mutants that change nothing anybody could notice, each with the reason.

Named by file, the text of their line and what they do, not by line number, so that the list
outlives other edits. `tests/unit/repository/test_mutants.py` checks that each still exists.
"""

from typing import Final

from tests.mutants.python_mutants import Mutant

Key = tuple[str, str, str]
"""File, stripped text of the line, what is changed."""

_ONE: Final = "whoever calls the script asks only whether there is a reply, and whether it is 0"

REASONS: Final[dict[Key, str]] = {
    (
        "analysis/rules/admission.py",
        "if seen.state is None or seen.canary is None:",
        "condition -> False",
    ): "for type checkers: the rules before have answered where either is missing",
    (
        "analysis/rules/waits.py",
        "due = first(until, after.waiting.told_again_at if after.waiting else None)",
        "condition -> True",
    ): "for type checkers: a state that was told to wait, or was told so before, waits",
    (
        "routing/apply.py",
        "super().__init__(doing)",
        "statement dropped",
    ): "it is caught where it is raised, and asked for its fields alone",
    (
        "tasks/analyst.py",
        "QUESTIONS: Final = 4",
        "4 -> 40",
    ): "a backstop: there are two questions, and each is asked once at most",
    (
        "workloads/scaling.py",
        "return (primary.replicas if primary else 0) or 1",
        "0 -> 1",
    ): "0 becomes 1 on the same line",
    (
        "clients/redis/lua/prelude.lua",
        "if held.token == 'queued' or (held.wanted and held.wanted <= at) then return end",
        "<= -> <",
    ): "writes what is there already",
    **{
        (f"clients/redis/lua/{script}.lua", "return 1", "1 -> 2"): _ONE
        for script in ("confirm", "confirm_epoch", "forget", "poke", "take_call")
    },
    (
        "clients/redis/lua/finish.lua",
        "if held.wanted and held.wanted <= now then return 1 end",
        "1 -> 2",
    ): _ONE,
}


def key(mutant: Mutant, source: str) -> Key:
    """What a mutant is called in the list."""
    return mutant.path, source.splitlines()[mutant.line - 1].strip(), mutant.what


def is_equivalent(mutant: Mutant, source: str) -> bool:
    """Whether the list names this mutant."""
    return key(mutant, source) in REASONS
