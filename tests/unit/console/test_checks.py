"""Judged checks: their numbers are those of the events about them."""

import pytest

from analysis.findings import Sample
from analysis.judges import threshold
from analysis.metrics.checks import CheckKind
from cli.console import checks, layout
from cli.console.checks import Check
from tests.unit.analysis.metrics.builders import a_check


@pytest.mark.parametrize(
    ("kind", "value", "bound", "drawn"),
    [
        (CheckKind.SUCCESS_RATE, 84.848, 99, "✗ errors  84.85%  ≥ 99%"),
        (CheckKind.SUCCESS_RATE, 98.996, 99, "✗ errors  99.00%  ≥ 99%"),
        (CheckKind.DURATION, 1971.3, 500, "✗ errors  1.971s  ≤ 500ms"),
        (CheckKind.DURATION, 500.0001, 500, "✗ errors  500.001ms  ≤ 500ms"),
        (CheckKind.QUERY, 1234567, 1e6, "✗ errors  1234567.00  ≤ 1e+06"),
    ],
)
def test_a_number_is_written_as_in_the_event(
    kind: CheckKind, value: float, bound: float, drawn: str
) -> None:
    """So that `status` and `why` say what `history`, `wait` and the events say."""
    is_least = kind is CheckKind.SUCCESS_RATE
    low, high = (bound, None) if is_least else (None, bound)
    result = threshold.judge(a_check(kind=kind, minimum=low, maximum=high), Sample(value))
    check = Check("errors", "failed", value=value, unit=result.unit, minimum=low, maximum=high)
    assert layout.check_line(check).plain == drawn
    number, limit = check.number, drawn.rsplit(maxsplit=1)[-1]
    assert result.message.endswith((f"{number} < {limit}", f"{number} > {limit}"))
    assert f"was {number}; at {'least' if is_least else 'most'} {limit} is" in (
        checks.sentence(check)
    )


def test_a_check_without_a_value_shows_its_verdict() -> None:
    """And one without limits none."""
    assert (
        layout.check_line(Check("errors", "no-data", minimum=1)).plain == "✗ errors  no-data  ≥ 1"
    )
    assert layout.check_line(Check("errors", "passed", value=2.0)).plain == "✓ errors  2.00"
