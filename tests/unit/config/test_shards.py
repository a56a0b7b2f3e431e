"""Which namespaces are whose: always the same answer, and each namespace in exactly one shard."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import shards
from config.settings.settings import Settings, SettingsError
from config.shards import Shard
from config.validation.problems import shown


@given(namespace=st.text(), count=st.integers(1, shards.MOST))
def test_every_namespace_belongs_to_exactly_one_shard(namespace: str, count: int) -> None:
    """Whatever text it is, and however many shards there are."""
    assert sum(Shard(index, count).owns(namespace) for index in range(count)) == 1


@pytest.mark.parametrize(
    ("namespace", "total"),
    [
        ("", 0),
        ("a", 97),
        ("ab", 97 * 65_599 + 98),
        ("abc", (6_363_201 * 65_599 + 99) % (2**31 - 1)),
    ],
)
def test_the_number_of_a_namespace_never_changes(namespace: str, total: int) -> None:
    """Another one in a later release would move canaries between leaders that do not know."""
    assert [shards.number(namespace, count) for count in (1, 2, 3, 64)] == [
        total % count for count in (1, 2, 3, 64)
    ]


@pytest.mark.parametrize("names", ["team-{}", "{}-prod", "shop-eu-{}-blue", "pr-{}00"])
@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_namespaces_are_shared_out_about_evenly(names: str, count: int) -> None:
    """However alike their names are: no shard has a third more than its share of a thousand."""
    sizes = Counter(shards.number(names.format(number), count) for number in range(1000))
    assert max(sizes.values()) < 1000 / count * 4 / 3


@pytest.mark.parametrize("text", ["0/1", "0/3", "2/3", "63/64"])
def test_a_shard_is_read_as_it_is_written(text: str) -> None:
    """One text for each."""
    assert str(Shard.parse(text)) == text
    settings = Settings.from_environ({"COALMINE_SHARD": text})
    assert str(settings.scheduler.shard) == text


@pytest.mark.parametrize(
    "text",
    [
        *("3/3", "4/3", "a", "0/0", "-1/2", "0/-2", "1", "/", "1/", "/2", "0/65", "1/2/3", "0 / 2"),
        *("0/\u0663", "0.5/2", "+0/2", "999999999999999999999/2"),
    ],
)
def test_what_is_no_shard_is_refused_with_what_is_allowed(text: str) -> None:
    """Never the whole, nor any other shard, by default."""
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environ({"COALMINE_SHARD": text})
    (problem,) = refusal.value.problems
    assert problem == f"--shard (COALMINE_SHARD): {shown(text)}: allowed: {shards.FORM}"
    with pytest.raises(ValueError, match=re.escape(shards.FORM)):
        Shard.parse(text)
