"""Copies of a namespace's objects as etcd keeps them. Not tested: etcd and the API server."""

import json
from typing import Any

from benchmarks import copying

OWNER = "11111111-1111-4111-8111-111111111111"
OWNED = "22222222-2222-4222-8222-222222222222"
NAMESPACE = "33333333-3333-4333-8333-333333333333"


def test_a_copy_differs_by_namespace_and_uids_and_belongs_to_its_own_owner() -> None:
    """Names stay, so that templates do; hosts in the namespace and owners follow the copy."""
    made = _an_object("bench-0", NAMESPACE, namespace=None)
    canary = _an_object("app-0", OWNER)
    route = _an_object("app-0", OWNED, ownerReferences=[{"name": "app-0", "uid": OWNER}])
    route["spec"] = {"hosts": ["app-0.bench-0", "app-0.bench-01"]}

    pairs = copying.copies(made, [("/registry/c", canary), ("/registry/v", route)], "bench-0", "b")
    stored = {key: json.loads(value) for key, value in pairs}

    assert list(stored) == ["/registry/namespaces/b", "/registry/c/b/app-0", "/registry/v/b/app-0"]
    namespace, owner, owned = (each["metadata"] for each in stored.values())
    assert namespace["name"] == "b"
    assert owned == {
        "name": "app-0",
        "namespace": "b",
        "uid": owned["uid"],
        "ownerReferences": [{"name": "app-0", "uid": owner["uid"]}],
    }
    assert stored["/registry/v/b/app-0"]["spec"] == {"hosts": ["app-0.b", "app-0.bench-01"]}
    new = {namespace["uid"], owner["uid"], owned["uid"]}
    assert len(new) == 3
    assert not new & {OWNER, OWNED, NAMESPACE}


def _an_object(
    name: str, uid: str, namespace: str | None = "bench-0", **metadata: Any
) -> dict[str, Any]:
    """An object as the API server tells it."""
    told = {"name": name, "uid": uid, "resourceVersion": "7", **metadata}
    return {"metadata": {**told, "namespace": namespace} if namespace else told}
