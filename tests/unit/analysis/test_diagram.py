"""The documentation of the phases: generated, current, complete."""

import pytest

from analysis import diagram
from analysis.phases import TRANSITIONS, Phase
from analysis.rules import ADMISSION, RULES

RULE_NAMES = sorted({rule.__name__ for chain in RULES.values() for rule in chain})


def test_the_page_is_what_the_tables_say_now() -> None:
    """Regenerate with `python -m analysis.diagram`."""
    assert diagram.DOCUMENT.read_text(encoding="utf-8") == diagram.page()


def test_every_transition_is_in_the_diagram() -> None:
    """One arrow each."""
    page = diagram.page()
    for source in Phase:
        for target in TRANSITIONS[source]:
            assert f"    {source.value or 'New'} --> {target.value}\n" in page


@pytest.mark.parametrize("name", RULE_NAMES + [rule.__name__ for rule in ADMISSION])
def test_every_rule_is_explained_in_one_line(name: str) -> None:
    """The first sentence of its docstring, as users read it in the timeline."""
    (line, *_) = [line for line in diagram.page().splitlines() if f"| `{name}` |" in line]
    assert line.removesuffix(" |").endswith(".")
    assert len(line) < 250
