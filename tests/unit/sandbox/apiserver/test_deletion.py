"""Owners take their dependents along, finalizers hold, namespaces empty themselves."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.apiserver import ApiError, Store

CONFIG = "configmaps"


@pytest.fixture
def store() -> Store:
    """A store with the namespace `default`."""
    store = Store(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    store.create("namespaces", {"metadata": {"name": "default"}})
    return store


def make(
    store: Store, name: str, *owners: dict[str, Any], finalizers: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A ConfigMap with owners and finalizers."""
    references = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
        for owner in owners
    ]
    metadata = {"name": name, "ownerReferences": references, "finalizers": list(finalizers)}
    return store.create(CONFIG, {"metadata": metadata}, "default")


def names(store: Store) -> list[str]:
    """The ConfigMaps that are left."""
    return [item["metadata"]["name"] for item in store.list(CONFIG)]


def test_dependents_go_with_their_last_owner(store: Store) -> None:
    """Down the whole tree; an object with another living owner stays."""
    root, other = make(store, "root"), make(store, "other")
    child = make(store, "child", root)
    make(store, "grandchild", child)
    make(store, "shared", root, other)
    store.delete(CONFIG, "default", "root")
    assert names(store) == ["other", "shared"]
    store.delete(CONFIG, "default", "other")
    assert names(store) == []


def test_an_object_of_a_dead_owner_is_collected(store: Store) -> None:
    """It is made, and gone."""
    gone = make(store, "root")
    store.delete(CONFIG, "default", "root")
    make(store, "late", gone)
    assert names(store) == []


def test_orphaned_dependents_stay_without_their_owner(store: Store) -> None:
    """Policy Orphan removes the reference."""
    root = make(store, "root")
    make(store, "child", root)
    store.delete(CONFIG, "default", "root", "Orphan")
    assert names(store) == ["child"]
    assert store.get(CONFIG, "default", "child")["metadata"]["ownerReferences"] == []


def test_a_foreground_deletion_waits_for_the_dependents(store: Store) -> None:
    """The owner stays, marked, until the last dependent is gone."""
    root = make(store, "root")
    make(store, "child", root, finalizers=("x.dev/hold",))
    store.delete(CONFIG, "default", "root", "Foreground")
    waiting = store.get(CONFIG, "default", "root")["metadata"]
    assert waiting["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    assert waiting["finalizers"] == ["foregroundDeletion"]
    store.patch(CONFIG, "default", "child", {"metadata": {"finalizers": None}})
    assert names(store) == []


def test_a_namespace_goes_when_it_is_empty(store: Store) -> None:
    """It is Terminating while a finalizer holds something in it, and takes nothing new."""
    make(store, "free")
    make(store, "held", finalizers=("x.dev/hold",))
    store.delete("namespaces", "", "default")
    assert names(store) == ["held"]
    assert store.get("namespaces", "", "default")["status"]["phase"] == "Terminating"
    with pytest.raises(ApiError, match="because it is being terminated") as refused:
        make(store, "new")
    assert refused.value.code == 403
    store.patch(CONFIG, "default", "held", {"metadata": {"finalizers": []}})
    assert store.list("namespaces") == []


def test_a_definition_takes_its_objects_along(store: Store) -> None:
    """What a deleted CustomResourceDefinition defined is gone and no longer served."""
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object"}},
    }
    names_of = {"kind": "Thing", "plural": "things"}
    spec = {"group": "x.dev", "scope": "Namespaced", "names": names_of, "versions": [version]}
    crds = "customresourcedefinitions.apiextensions.k8s.io"
    store.create(crds, {"metadata": {"name": "things.x.dev"}, "spec": spec})
    store.create("things.x.dev", {"metadata": {"name": "a"}}, "default")
    assert len(store.list("things.x.dev")) == 1
    store.delete(crds, "", "things.x.dev")
    with pytest.raises(KeyError, match=r"things\.x\.dev"):
        store.list("things.x.dev")
