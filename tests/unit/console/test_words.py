"""Times and spans as the console writes them."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.console import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (0.4, "0s"),
        (119, "119s"),
        (120, "2m"),
        (133, "2m13s"),
        (599, "9m59s"),
        (600, "10m"),
        (659, "10m"),
        (3600, "1h"),
        (3660, "1h1m"),
        (8 * 3600 + 120, "8h"),
        (86400, "1d"),
        (86400 + 7200, "1d2h"),
        (12 * 86400 + 7200, "12d"),
    ],
)
def test_a_span_has_two_units_at_most(seconds: float, text: str) -> None:
    """As kubectl writes ages: the second unit while it says something, and never a negative one."""
    assert words.span(timedelta(seconds=seconds)) == text


def test_a_time_has_its_date_unless_it_is_today() -> None:
    """In UTC, whatever the zone it is given in."""
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert words.clock(now - timedelta(hours=1), now) == "11:00:00"
    assert words.clock(now - timedelta(days=1), now) == "2026-02-28 12:00:00"
    assert words.clock(None, now) == ""
