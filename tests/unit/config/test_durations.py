"""Go durations: what is read, what is refused, how they are written."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("90m", 5400),
        ("1h", 3600),
        ("0", 0),
        ("0s", 0),
        ("+10s", 10),
        ("-10s", -10),
        (".5s", 0.5),
        ("1.s", 1),
        ("10us", 0.00001),
        ("10µs", 0.00001),
        ("2s1m", 62),
        ("1500ns", 0.000001),
    ],
)
def test_go_durations_are_read(text: str, seconds: float) -> None:
    """Everything Go's ParseDuration takes, cut to the microsecond."""
    assert durations.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5min",
        "30sec",
        "5minutes",
        "s",
        "1m 30s",
        "1d",
        "-",
        "+",
        ".",
        ".s",
        "\uff11s",
        "1h\n",
    ],
)
def test_what_is_no_duration_is_refused_with_the_form(text: str) -> None:
    """No unit is guessed and no rest ignored: `5min` is not five minutes and not 60 s."""
    with pytest.raises(durations.DurationError) as refusal:
        durations.parse(text)

    assert repr(text) in str(refusal.value)
    assert "1m30s" in str(refusal.value)


@pytest.mark.parametrize("text", ["2562048h", "9" * 5000 + "h", "1" * 150 + "h", "1h" * 5000])
def test_absurd_durations_are_refused(text: str) -> None:
    """Beyond Go's range, or too long to be meant, is an error and costs no time."""
    with pytest.raises(durations.DurationError):
        durations.parse(text)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(microseconds=7), "7µs"),
        (timedelta(milliseconds=500), "500ms"),
        (timedelta(microseconds=1500), "1.5ms"),
        (timedelta(seconds=1, milliseconds=515), "1.515s"),
        (timedelta(seconds=30), "30s"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(minutes=5), "5m0s"),
        (timedelta(hours=1), "1h0m0s"),
        (timedelta(hours=25, seconds=1), "25h0m1s"),
        (timedelta(seconds=-90), "-1m30s"),
    ],
)
def test_durations_are_written_as_go_writes_them(span: timedelta, text: str) -> None:
    """Event texts compare equal to Flagger's."""
    assert durations.format_go(span) == text


@given(st.timedeltas(timedelta(days=-90_000), timedelta(days=90_000)))
def test_a_written_duration_reads_back(span: timedelta) -> None:
    """`parse` is the inverse of `format_go`, to the microsecond."""
    assert durations.parse(durations.format_go(span)) == span


PARTS = st.tuples(
    st.from_regex(r"[0-9]{1,5}(\.[0-9]{1,3})?", fullmatch=True).filter(str.isascii),
    st.sampled_from(["ms", "s", "m", "h"]),
).map("".join)


@given(st.lists(PARTS, min_size=1, max_size=5).map("".join))
def test_what_the_schema_admits_can_be_read(text: str) -> None:
    """A manifest that the API server admits has no unreadable duration, up to absurd ones."""
    assert re.fullmatch(durations.STRICT_PATTERN, text)
    assert durations.parse(text) >= timedelta(0)
