"""The four kinds of patches do the same on the sandbox and on kube-apiserver."""

from typing import Any

from tests.contract.apiserver import client
from tests.contract.apiserver.client import Api
from tests.contract.apiserver.manifests import (
    a_config_map,
    a_deployment,
    a_service,
    a_virtual_service,
)


def _containers(deployment: Any) -> Any:
    return deployment["spec"]["template"]["spec"]["containers"]


def test_a_json_patch_is_carried_out_in_order(api: Api) -> None:
    """add, replace, remove, copy, move and test, with escaped pointers."""
    api.made(f"{api.core}/configmaps", a_config_map(a="1", b="2"))
    operations = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "3"},
        {"op": "copy", "from": "/data/a", "path": "/data/c"},
        {"op": "move", "from": "/data/b", "path": "/data/d"},
        {"op": "add", "path": "/metadata/annotations", "value": {"x.dev/y": "z"}},
        {"op": "replace", "path": "/metadata/annotations/x.dev~1y", "value": "w"},
    ]
    path = f"{api.core}/configmaps/settings"
    reply = api.call("PATCH", path, operations, client.JSON_PATCH)
    assert reply.body["data"] == {"a": "3", "c": "3", "d": "2"}
    assert reply.body["metadata"]["annotations"] == {"x.dev/y": "w"}


def test_a_json_patch_that_cannot_be_carried_out_changes_nothing(api: Api) -> None:
    """A failed test and an absent path answer 422 and leave the object as it was."""
    made = api.made(f"{api.core}/configmaps", a_config_map())
    path = f"{api.core}/configmaps/settings"
    for failing in (
        {"op": "test", "path": "/data/colour", "value": "green"},
        {"op": "remove", "path": "/data/absent"},
    ):
        operations = [{"op": "add", "path": "/data/new", "value": "1"}, failing]
        reply = api.call("PATCH", path, operations, client.JSON_PATCH)
        assert (reply.code, reply.body["reason"]) == (422, "Invalid")
    assert api.call("GET", path).body["data"] == made["data"]


def test_a_merge_patch_merges_dicts_and_replaces_lists(api: Api) -> None:
    """Null removes a field; a list is replaced as a whole."""
    path = api.group("networking.istio.io/v1beta1") + "/virtualservices"
    api.made(path, a_virtual_service())
    patch = {"spec": {"hosts": ["a", "b"], "http": None, "gateways": ["mesh"]}}
    reply = api.call("PATCH", f"{path}/web", patch, client.MERGE)
    assert reply.body["spec"] == {"hosts": ["a", "b"], "gateways": ["mesh"]}


def test_a_strategic_patch_merges_containers_and_env_by_name(api: Api) -> None:
    """Items with the same key are merged, new ones added, $patch: delete removes."""
    api.made(f"{api.apps}/deployments", a_deployment())
    path = f"{api.apps}/deployments/web"
    env = [{"name": "SIZE", "value": "3"}]
    app = {"name": "app", "image": "podinfo:2", "env": env}
    patch = {"spec": {"template": {"spec": {"containers": [app, {"name": "b", "image": "c"}]}}}}
    containers = _containers(api.call("PATCH", path, patch, client.STRATEGIC).body)
    by_name = {container["name"]: container for container in containers}
    assert by_name["app"]["image"] == "podinfo:2"
    assert {item["name"]: item["value"] for item in by_name["app"]["env"]} == {
        "COLOUR": "blue",
        "SIZE": "3",
    }
    assert by_name["b"]["image"] == "c"
    gone = {"name": "b", "$patch": "delete"}
    patch = {"spec": {"template": {"spec": {"containers": [gone]}}}}
    containers = _containers(api.call("PATCH", path, patch, client.STRATEGIC).body)
    assert [container["name"] for container in containers] == ["app"]


def test_a_strategic_patch_merges_conditions_by_type(api: Api) -> None:
    """A condition of another type stays."""
    api.made(f"{api.apps}/deployments", a_deployment())
    path = f"{api.apps}/deployments/web/status"
    first, second = (
        api.call(
            "PATCH",
            path,
            {"status": {"conditions": [{"type": kind, "status": "True"}]}},
            client.STRATEGIC,
        ).body["status"]["conditions"]
        for kind in ("Available", "Progressing")
    )
    assert {item["type"] for item in first} == {"Available"}
    assert {item["type"] for item in second} == {"Available", "Progressing"}


def test_a_strategic_patch_merges_service_ports_by_port(api: Api) -> None:
    """A port with another number is added."""
    api.made(f"{api.core}/services", a_service())
    patch = {"spec": {"ports": [{"port": 80, "name": "web"}, {"port": 81, "name": "admin"}]}}
    reply = api.call("PATCH", f"{api.core}/services/web", patch, client.STRATEGIC)
    found = {(item["port"], item["name"]) for item in reply.body["spec"]["ports"]}
    assert found == {(80, "web"), (81, "admin")}


def test_an_apply_makes_and_then_changes_an_object(api: Api) -> None:
    """The first apply answers 201; a field left out of a later one is removed."""
    path = f"{api.core}/configmaps/settings"
    query = {"fieldManager": "one"}
    reply = api.call("PATCH", path, a_config_map(a="1", b="2"), client.APPLY, **query)
    assert (reply.code, reply.body["data"]) == (201, {"a": "1", "b": "2"})
    reply = api.call("PATCH", path, a_config_map(a="1", c="3"), client.APPLY, **query)
    assert (reply.code, reply.body["data"]) == (200, {"a": "1", "c": "3"})


def test_an_apply_leaves_the_fields_of_others_alone(api: Api) -> None:
    """What another applier owns stays when it is left out."""
    path = f"{api.core}/configmaps/settings"
    api.call("PATCH", path, a_config_map(a="1"), client.APPLY, fieldManager="one")
    reply = api.call("PATCH", path, a_config_map(b="2"), client.APPLY, fieldManager="two")
    assert reply.body["data"] == {"a": "1", "b": "2"}
    reply = api.call("PATCH", path, a_config_map(c="3"), client.APPLY, fieldManager="one")
    assert reply.body["data"] == {"b": "2", "c": "3"}


def test_an_apply_over_anothers_field_conflicts_unless_forced(api: Api) -> None:
    """409 Conflict names the manager and the field; force takes the field over."""
    path = f"{api.core}/configmaps/settings"
    api.call("PATCH", path, a_config_map(a="1"), client.APPLY, fieldManager="one")
    mine = a_config_map(a="2")
    reply = api.call("PATCH", path, mine, client.APPLY, fieldManager="two")
    assert (reply.code, reply.body["reason"]) == (409, "Conflict")
    assert reply.body["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.a'
    (cause,) = reply.body["details"]["causes"]
    assert cause == {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "one"',
        "field": ".data.a",
    }
    forced = api.call("PATCH", path, mine, client.APPLY, fieldManager="two", force="true")
    assert (forced.code, forced.body["data"]) == (200, {"a": "2"})
    reply = api.call("PATCH", path, a_config_map(a="1"), client.APPLY, fieldManager="one")
    assert reply.code == 409


def test_an_apply_merges_containers_by_name(api: Api) -> None:
    """A container another applier owns stays."""
    path = f"{api.apps}/deployments/web"
    api.call("PATCH", path, a_deployment(), client.APPLY, fieldManager="one")
    mine = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "proxy", "image": "envoy"}]}}},
    }
    reply = api.call("PATCH", path, mine, client.APPLY, fieldManager="two")
    names = {container["name"] for container in _containers(reply.body)}
    assert names == {"app", "proxy"}
    mine["spec"] = {"replicas": 2}
    reply = api.call("PATCH", path, mine, client.APPLY, fieldManager="two")
    assert [container["name"] for container in _containers(reply.body)] == ["app"]


def test_an_apply_needs_a_manager(api: Api) -> None:
    """Without fieldManager the answer is 422."""
    path = f"{api.core}/configmaps/settings"
    reply = api.call("PATCH", path, a_config_map(), client.APPLY)
    assert reply.code in (400, 422)
    assert "fieldManager: Required value: is required for apply patch" in reply.body["message"]
