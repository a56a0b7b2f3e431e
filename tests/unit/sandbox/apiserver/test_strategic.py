"""Strategic merge patches and their directives, by example."""

from typing import Any

import pytest

from sandbox.apiserver import strategic

DEPLOYMENT = {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": 1, "b": 2}, {"b": None, "c": 3}, {"a": 1, "c": 3}),
        (
            {"args": ["x"], "env": [{"name": "A", "value": "1"}]},
            {"args": ["y"], "env": [{"name": "B", "value": "2"}]},
            {"args": ["y"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        ),
        (
            DEPLOYMENT,
            {"containers": [{"name": "a", "image": "2"}]},
            {"containers": [{"name": "a", "image": "2"}, {"name": "b", "image": "1"}]},
        ),
        (
            DEPLOYMENT,
            {"containers": [{"$patch": "delete", "name": "a"}]},
            {"containers": [{"name": "b", "image": "1"}]},
        ),
        (
            DEPLOYMENT,
            {"containers": [{"$patch": "replace"}, {"name": "c"}]},
            {"containers": [{"name": "c"}]},
        ),
        (
            DEPLOYMENT,
            {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]},
            {"containers": [{"name": "b", "image": "1"}, {"name": "a", "image": "1"}]},
        ),
        (
            {"finalizers": ["x", "y"]},
            {"finalizers": ["z"], "$deleteFromPrimitiveList/finalizers": ["x"]},
            {"finalizers": ["y", "z"]},
        ),
        (
            {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}},
            {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}},
            {"strategy": {"type": "Recreate"}},
        ),
        (
            {"labels": {"a": "1"}},
            {"labels": {"$patch": "replace", "b": "2"}},
            {"labels": {"b": "2"}},
        ),
        (
            {"volumeMounts": [{"mountPath": "/a", "name": "x"}]},
            {"volumeMounts": [{"mountPath": "/b", "name": "x"}]},
            {
                "volumeMounts": [
                    {"mountPath": "/a", "name": "x"},
                    {"mountPath": "/b", "name": "x"},
                ]
            },
        ),
    ],
)
def test_a_strategic_patch_gives(
    target: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Each row: target, patch, result."""
    assert strategic.merge(target, patch) == expected


def test_the_key_of_ports_depends_on_where_they_are() -> None:
    """A container's ports merge by containerPort, a Service's by port."""
    service = strategic.merge(
        {"spec": {"ports": [{"port": 80}]}}, {"spec": {"ports": [{"port": 80, "name": "web"}]}}
    )
    assert service == {"spec": {"ports": [{"port": 80, "name": "web"}]}}
    container = {"name": "a", "ports": [{"containerPort": 80}]}
    patch = {"name": "a", "ports": [{"containerPort": 81}]}
    merged = strategic.merge({"containers": [container]}, {"containers": [patch]})
    assert merged["containers"][0]["ports"] == [{"containerPort": 80}, {"containerPort": 81}]
