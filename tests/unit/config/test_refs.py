"""Identity of a canary as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.refs import CanaryRef

NAMES = st.text(alphabet="abcxyz0189-.", min_size=1, max_size=20)


@given(NAMES, NAMES)
def test_a_reference_survives_being_written_and_read(namespace: str, name: str) -> None:
    """`parse` is the inverse of `str`."""
    ref = CanaryRef(namespace, name)

    assert CanaryRef.parse(str(ref)) == ref


@pytest.mark.parametrize("text", ["", "cart", "/cart", "shop/", "/", "a/b/c", "shop//cart"])
def test_what_is_no_reference_is_refused_by_name(text: str) -> None:
    """The error names the text, so that a broken message can be found."""
    with pytest.raises(ValueError, match="namespace/name") as refusal:
        CanaryRef.parse(text)

    assert repr(text) in str(refusal.value)


def test_references_sort_by_namespace_then_name() -> None:
    """Lists of canaries have one order everywhere."""
    refs = [CanaryRef("b", "a"), CanaryRef("a", "z"), CanaryRef("a", "b")]

    assert [str(ref) for ref in sorted(refs)] == ["a/b", "a/z", "b/a"]
