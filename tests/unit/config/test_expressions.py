"""What of a regular expression no mesh knows, and where in it; all else is left to the mesh."""

import time
from typing import Final

import pytest

from config.validation import expressions

LONGEST: Final = 4096
"""What a text of a manifest may have."""

UNKNOWN: Final = {
    r"^(?!.*Chrome)(?=.*Safari).*$": "(?! at character 2",
    r"a(?=b)": "(?= at character 2",
    r"(?<=a)b": "(?<= at character 1",
    r"(?<!a)b": "(?<! at character 1",
    r"(a|b)\1": r"\1 at character 6",
    r"\8": r"\8 at character 1",
    r"\\(?=x)": "(?= at character 3",
    r"[a-z](?!x)": "(?! at character 6",
}
KNOWN: Final = [
    "",
    r"^(.*?;)?(type=insider)(;.*)?$",
    r"(?i)safari",
    r"(?P<name>x)(?:y)",
    r"\(?=x",
    r"[(?!]+",
    r"[^](?=]",
    r"[[:alpha:](?!]",
    r"[a\](?!]",
    r"\Q(?!\E",
    r"\Q(?!",
    r"\101",
    r"\pL\b\d",
    "(a",
    "[(?!",
    "\\",
]


@pytest.mark.parametrize(("expression", "expected"), UNKNOWN.items())
def test_look_around_and_back_references_are_found(expression: str, expected: str) -> None:
    """The first of them; characters are counted from one."""
    assert expressions.what_is_unknown(expression) == expected


@pytest.mark.parametrize("expression", KNOWN)
def test_what_only_looks_like_them_is_not(expression: str) -> None:
    """Escaped, quoted, within brackets, or another construct of RE2; broken ones are not ours."""
    assert expressions.what_is_unknown(expression) == ""


@pytest.mark.parametrize("part", ["[", "(", "\\", "[[:", "[^", r"\Q", "(?", "[a\\"])
def test_the_longest_text_is_read_in_no_time(part: str) -> None:
    """Whoever wrote it: the leader reads every manifest."""
    text = (part * LONGEST)[:LONGEST]
    began = time.process_time()
    expressions.what_is_unknown(text)
    assert time.process_time() - began < 0.05
