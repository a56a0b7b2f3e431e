"""The series store: order, retention, indexes, and readers beside writers."""

import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.promql import Labels, SeriesStore
from sandbox.promql.matchers import LabelMatcher, equal

A = Labels.of({"__name__": "a", "x": "1"})


def test_a_window_includes_both_ends() -> None:
    """Samples at the very start and end of a range belong to it."""
    store = SeriesStore()
    for second in range(10):
        store.append(A, second, second)
    (window,) = store.select([equal("__name__", "a")], 3000, 6000)
    assert list(window.values) == [3, 4, 5, 6]


def test_an_older_sample_is_refused_and_one_of_the_same_time_replaces() -> None:
    """Time runs forward in a series."""
    store = SeriesStore()
    store.append(A, 10, 1)
    store.append(A, 10, 2)
    (window,) = store.select([], 0, 20_000)
    assert list(window.values) == [2]
    with pytest.raises(ValueError, match="out of order"):
        store.append(A, 9, 3)


def test_samples_past_the_retention_are_forgotten() -> None:
    """A series without newer samples disappears with its last one."""
    store = SeriesStore(retention=timedelta(minutes=1))
    store.append(Labels.of({"__name__": "old", "x": "1"}), 0, 1)
    for second in range(1000):
        store.append(A, second, second)
    assert len(store) == 1
    (window,) = store.select([], 0, 1_000_000)
    assert window.times_ms[-1] == 999_000
    assert window.times_ms[0] >= 999_000 - 60_000 - 300_000
    assert store.select([equal("x", "1")], 0, 1_000_000)[0].labels == A


def test_labels_without_value_are_no_labels() -> None:
    """An empty value is the same identity as an absent label."""
    assert Labels.of({"a": "1", "b": ""}) == Labels.of({"a": "1"})
    assert Labels.of({"a": "1"}).replace("a", "") == Labels.of({})


@given(
    series=st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from(["", "1", "2"]))),
    wanted=st.lists(
        st.tuples(st.sampled_from(["__name__", "x"]), st.sampled_from(["", "a", "b", "1", "2"]))
    ),
)
def test_the_index_never_changes_what_matches(
    series: set[tuple[str, str]], wanted: list[tuple[str, str]]
) -> None:
    """Selecting through the index gives what checking every series gives."""
    store = SeriesStore()
    everything = [Labels.of({"__name__": name, "x": x}) for name, x in series]
    for labels in everything:
        store.append(labels, 1, 1)
    matchers: list[LabelMatcher] = [equal(name, value) for name, value in wanted]
    found = {window.labels for window in store.select(matchers, 0, 2000)}
    assert found == {ls for ls in everything if all(m.matches(ls) for m in matchers)}


def test_readers_see_whole_scrapes() -> None:
    """While a thread writes pairs of equal samples, no reader sees them differ in length."""
    store = SeriesStore()
    pair = [Labels.of({"__name__": "a", "x": x}) for x in "12"]

    def write() -> None:
        for second in range(2000):
            store.append_all(second, [(labels, second) for labels in pair])

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        windows = store.select([], 0, 2_000_000)
        assert len({tuple(window.times_ms[-1:]) for window in windows}) <= 1
    writer.join()
