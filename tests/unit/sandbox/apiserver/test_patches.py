"""Merge patches and JSON patches as functions; against a real server: `tests/contract`."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.apiserver import patches
from sandbox.apiserver.errors import ApiError

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=12,
)


@given(target=json_values, patch=st.dictionaries(st.text(max_size=2), json_values))
def test_a_merge_patch_twice_is_a_merge_patch_once(target: Any, patch: dict[str, Any]) -> None:
    """RFC 7386 patches are idempotent, and the result holds no null of theirs at top level."""
    once = patches.merge(target, patch)
    assert patches.merge(once, patch) == once
    assert all(once[key] is not None for key in patch if key in once)


@given(target=st.dictionaries(st.text(max_size=2), json_values), value=json_values)
def test_a_json_patch_can_be_undone(target: dict[str, Any], value: Any) -> None:
    """Adding under a new key and removing it again gives what was there; the input is unchanged."""
    before = dict(target)
    target.pop("a/~b", None)
    added = patches.json_patch(target, [{"op": "add", "path": "/a~1~0b", "value": value}])
    assert added["a/~b"] == value
    assert patches.json_patch(added, [{"op": "remove", "path": "/a~1~0b"}]) == target
    assert target == {key: kept for key, kept in before.items() if key != "a/~b"}


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ({"op": "rename", "path": "/a", "value": 1}, 400),
        ({"op": "add", "path": "/a"}, 400),
        ({"path": "/a"}, 400),
        ("add", 400),
        ({"op": "add", "path": "a", "value": 1}, 422),
        ({"op": "replace", "path": "/absent", "value": 1}, 422),
        ({"op": "test", "path": "/a", "value": 2}, 422),
        ({"op": "move", "from": "/absent", "path": "/b"}, 422),
        ({"op": "remove", "path": "/list/-1"}, 422),
        ({"op": "add", "path": "/list/7", "value": 1}, 422),
        ({"op": "add", "path": "/list/x", "value": 1}, 422),
        ({"op": "add", "path": "/text/x", "value": 1}, 422),
    ],
)
def test_an_operation_that_does_not_fit_is_refused(operation: Any, code: int) -> None:
    """400 for what cannot be read, 422 for what cannot be carried out; nothing is changed.

    A kube-apiserver lets `replace` of an absent key pass as `add`; this one is stricter.
    """
    document = {"a": 1, "list": [1], "text": "x"}
    with pytest.raises(ApiError) as refusal:
        patches.json_patch(document, [{"op": "add", "path": "/b", "value": 1}, operation])
    assert refusal.value.code == code
    assert document == {"a": 1, "list": [1], "text": "x"}
