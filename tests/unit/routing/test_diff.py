"""Merge patches: as small as possible; an API server makes the desired object of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import diff
from sandbox.apiserver import patches

keys = st.sampled_from(["a", "b", "c"])
values: Any = st.recursive(
    st.integers(0, 3) | st.booleans() | st.text("xy", max_size=1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
objects: Any = st.dictionaries(keys, values, max_size=3)


@given(objects, objects)
def test_the_patched_object_is_the_desired_one(old: Any, new: Any) -> None:
    """RFC 7386: applying the difference to the old gives the new."""
    assert patches.merge(old, diff.merge_patch(old, new)) == new


@given(objects)
def test_equal_objects_have_no_patch(same: Any) -> None:
    """D-51: nothing differs, nothing is sent."""
    assert diff.merge_patch(same, same) == {}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, {"a": {"c": 3}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a": {"c": None}}),
        ({"a": [1, 2]}, {"a": [2]}, {"a": [2]}),
        ({"a": 1}, {}, {"a": None}),
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": None}, {}, {}),
        ({}, {"a": None}, {}),
    ],
)
def test_a_patch_holds_only_what_differs(old: Any, new: Any, expected: Any) -> None:
    """Maps are merged, lists replaced whole, removals are nulls; a null counts as absent."""
    assert expected == diff.merge_patch(old, new)


def test_a_patch_names_the_version_it_was_computed_from() -> None:
    """The API server refuses it once someone else has written."""
    live = {"metadata": {"resourceVersion": "7", "labels": {"a": "b"}}, "spec": {"x": 1}}
    desired = {**live, "spec": {"x": 2}}
    expected = {"metadata": {"resourceVersion": "7"}, "spec": {"x": 2}}
    assert diff.patch(live, desired) == expected
