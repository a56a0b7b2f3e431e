"""The defects that `make mutants` puts into the code, and its list of those that are no defects.

Tested: which edits are made of a text, that each leaves a file that compiles, in which function it
is, and that the list of equivalent mutants names edits that exist. Not tested: the trials
themselves, which take minutes.
"""

import ast
from pathlib import Path

import pytest

from tests.mutants import areas, equivalent, lua_mutants, python_mutants, reach

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b\n", {"x = a <= b\n", "x = a >= b\n"}),
        ("x = a and not b\n", {"x = a or not b\n", "x = a and b\n"}),
        ("x = min(a, b)\n", {"x = max(a, b)\n"}),
        ("x = replace(state, due=None)\n", {"x = replace(state, )\n"}),
        ("x = (r.a, r.b, r.c)\n", {"x = (r.b, r.a, r.c)\n", "x = (r.a, r.c, r.b)\n"}),
        ("note(a)\n", {"pass\n"}),
        ("x = a[0]\ny = 30\n", {"x = a[1]\ny = 30\n", "x = a[0]\ny = 300\n"}),
        ('x: Literal[1] = "text"\n', set()),
        ('log.info("text", extra={"a": 1})\n', set()),
        ("@dataclass(frozen=True)\nclass A: ...\n", set()),
    ],
)
def test_python_is_edited_where_it_decides(source: str, expected: set[str]) -> None:
    """Operators, left-out arguments, order, numbers, statements; never annotations, texts, logs."""
    made = {mutant.applied(source) for mutant in python_mutants.mutants("file.py", source)}
    assert made == expected


def test_lua_is_edited_outside_of_comments() -> None:
    """Comparisons and statements; what follows two dashes is left alone."""
    source = "-- a == b\nif a == b then return nil end -- c == d\n"
    made = {mutant.applied(source) for mutant in lua_mutants.mutants("file.lua", source)}
    assert made == {"-- a == b\nif a ~= b then return nil end -- c == d\n"}


@pytest.mark.parametrize(
    ("line", "function"),
    [
        ("A = f(1)", ""),
        ("    b: int = 2", ""),
        ("@cache", ""),
        ("        def h(", "B.g"),
        ("            return 3", "B.g"),
        ("    return 4", "f"),
    ],
)
def test_a_mutant_belongs_to_the_outermost_function_whose_body_it_is_in(
    line: str, function: str
) -> None:
    """Defaults, decorators, fields and constants are made by imports: they belong to none."""
    source = """\
A = f(1)
class B:
    b: int = 2
    def g(self):
        def h():
            return 3
        return h
@cache
def f(a):
    return 4
"""
    lines = source.splitlines()
    number = next(index for index, text in enumerate(lines, 1) if text.startswith(line))
    assert reach.enclosing(source, number) == function


@pytest.mark.parametrize("area", areas.AREAS, ids=lambda area: area.name)
def test_every_edit_of_python_compiles(area: areas.Area) -> None:
    """One that does not would pass for noticed."""
    found = area.mutants(CHECKOUT)
    assert len(found) > 50
    for mutant in found[:: max(1, len(found) // 60)]:
        source = (CHECKOUT / mutant.path).read_text("utf-8")
        assert mutant.applied(source) != source
        if mutant.path.endswith(".py"):
            ast.parse(mutant.applied(source))


def test_each_equivalent_mutant_still_exists_and_has_a_reason() -> None:
    """The list is about the code as it is."""
    keys = {
        equivalent.key(mutant, (CHECKOUT / mutant.path).read_text("utf-8"))
        for area in areas.AREAS
        for mutant in area.mutants(CHECKOUT)
    }
    assert set(equivalent.REASONS) <= keys
    assert all(reason.strip() for reason in equivalent.REASONS.values())
