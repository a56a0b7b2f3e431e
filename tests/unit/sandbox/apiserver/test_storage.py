"""Storage keeps one counter, a bounded history, and answers for the past or says it cannot."""

from typing import Any

import pytest

from sandbox.apiserver.errors import ApiError
from sandbox.apiserver.objects import Key
from sandbox.apiserver.storage import Change, Storage

A, B = Key("ns", "a"), Key("ns", "b")


def an_object(name: str, value: int = 0) -> dict[str, Any]:
    """A minimal stored object."""
    return {"apiVersion": "v1", "metadata": {"name": name, "namespace": "ns"}, "value": value}


def test_every_write_has_the_next_revision() -> None:
    """Over all resources, deletions included."""
    storage = Storage(history=10)
    revisions = [
        storage.put("x", an_object("a")).revision,
        storage.put("y", an_object("a")).revision,
        storage.put("x", an_object("a", 1)).revision,
        storage.remove("x", A).revision,
    ]
    assert revisions == [2, 3, 4, 5]
    assert storage.revision == 5


def test_changes_tell_what_was_before() -> None:
    """ADDED has no previous object, MODIFIED and DELETED do."""
    storage = Storage(history=10)
    storage.put("x", an_object("a", 1))
    storage.put("x", an_object("a", 2))
    storage.remove("x", A)
    changes = storage.since("x", 1)
    assert [change.type for change in changes] == ["ADDED", "MODIFIED", "DELETED"]
    previous = [change.previous.obj["value"] if change.previous else None for change in changes]
    assert previous == [None, 1, 2]


def test_the_past_can_be_listed_while_history_lasts() -> None:
    """A snapshot at a revision undoes what came later."""
    storage = Storage(history=10)
    first = storage.put("x", an_object("a", 1)).revision
    storage.put("x", an_object("a", 2))
    storage.put("x", an_object("b", 3))
    storage.remove("x", A)
    past = storage.snapshot_at("x", first)
    assert {key: stored.obj["value"] for key, stored in past.items()} == {A: 1}
    now = storage.snapshot_at("x", storage.revision)
    assert {key: stored.obj["value"] for key, stored in now.items()} == {B: 3}


def test_forgotten_history_is_expired() -> None:
    """Only as many changes per resource as asked for can be resumed from."""
    storage = Storage(history=2)
    for value in range(4):
        storage.put("x", an_object("a", value))
    assert len(storage.since("x", 3)) == 2
    with pytest.raises(ApiError) as refused:
        storage.since("x", 2)
    assert (refused.value.code, refused.value.reason) == (410, "Expired")
    assert storage.since("quiet", 1) == ()


def test_a_compaction_forgets_everything_before_it() -> None:
    """Even of resources that never changed."""
    storage = Storage(history=10)
    before = storage.put("x", an_object("a")).revision
    storage.put("y", an_object("a"))
    storage.compact()
    for resource in ("x", "quiet"):
        with pytest.raises(ApiError):
            storage.since(resource, before)
        assert storage.since(resource, storage.revision) == ()


def test_a_feed_has_no_gap_and_no_double() -> None:
    """Backlog first, then each write once, nothing after its end."""
    storage = Storage(history=10)
    start = storage.put("x", an_object("a")).revision
    storage.put("x", an_object("a", 1))
    seen: list[Change] = []
    end = storage.feed("x", start, seen.append)
    storage.put("x", an_object("a", 2))
    storage.put("y", an_object("a", 3))
    end()
    storage.put("x", an_object("a", 4))
    assert [change.current.obj["value"] for change in seen] == [1, 2]
