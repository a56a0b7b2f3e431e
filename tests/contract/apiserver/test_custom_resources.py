"""Custom resources are pruned, defaulted, validated and shown alike on both API servers."""

from typing import Any

import pytest

from tests.contract.apiserver import client
from tests.contract.apiserver.client import Api
from tests.contract.apiserver.manifests import a_widget

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def _path(api: Api, group: str) -> str:
    return api.group(f"{group}/v1") + "/widgets"


def test_unknown_fields_are_dropped_and_defaults_filled_in(api: Api, widgets: str) -> None:
    """Outside of preserve-unknown-fields only what the schema names is kept."""
    spec = {"unknown": 1, "open": {"any": {"thing": True}}, "labels": {"a": "b"}, "port": "http"}
    made = api.made(_path(api, widgets), a_widget("w", widgets, **spec))
    assert made["spec"] == {
        "size": 3,
        "colour": "red",
        "open": {"any": {"thing": True}},
        "labels": {"a": "b"},
        "port": "http",
    }


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        (
            {"size": 0},
            (
                "spec.size",
                "FieldValueInvalid",
                "Invalid value: 0: spec.size in body should be greater than or equal to 1",
            ),
        ),
        (
            {"size": 11},
            (
                "spec.size",
                "FieldValueInvalid",
                "Invalid value: 11: spec.size in body should be less than or equal to 10",
            ),
        ),
        (
            {"size": "big"},
            (
                "spec.size",
                "FieldValueTypeInvalid",
                'Invalid value: "string": spec.size in body must be of type integer: "string"',
            ),
        ),
        (
            {"colour": "green"},
            (
                "spec.colour",
                "FieldValueNotSupported",
                'Unsupported value: "green": supported values: "red", "blue"',
            ),
        ),
        (
            {"name": "X1"},
            (
                "spec.name",
                "FieldValueInvalid",
                "Invalid value: \"X1\": spec.name in body should match '^[a-z]+$'",
            ),
        ),
        (
            {"port": True},
            (
                "spec.port",
                "FieldValueTypeInvalid",
                (
                    'Invalid value: "boolean": spec.port in body must be of type '
                    'integer,string: "boolean"'
                ),
            ),
        ),
        (
            {"steps": ["x"]},
            (
                "spec.steps[0]",
                "FieldValueTypeInvalid",
                'Invalid value: "string": spec.steps[0] in body must be of type integer: "string"',
            ),
        ),
        (
            {"steps": [1, 2, 3]},
            ("spec.steps", "FieldValueTooMany", "Too many: 3: must have at most 2 items"),
        ),
        (
            {"labels": {"a": 1}},
            (
                "spec.labels.a",
                "FieldValueTypeInvalid",
                'Invalid value: "integer": spec.labels.a in body must be of type string: "integer"',
            ),
        ),
    ],
)
def test_a_value_against_the_schema_is_refused(
    api: Api, widgets: str, spec: dict[str, Any], cause: tuple[str, str, str]
) -> None:
    """422 Invalid with the field, the reason and the words of Kubernetes."""
    field, reason, text = cause
    reply = api.call("POST", _path(api, widgets), a_widget("w", widgets, **spec))
    assert (reply.code, reply.body["reason"]) == (422, "Invalid")
    assert {"field": field, "reason": reason, "message": text} in reply.body["details"]["causes"]
    assert f'Widget.{widgets} "w" is invalid: {field}: {text}' == reply.body["message"]


def test_a_required_field_is_demanded(api: Api, widgets: str) -> None:
    """Required value, at the field's path."""
    manifest = a_widget("w", widgets)
    del manifest["spec"]["size"]
    reply = api.call("POST", _path(api, widgets), manifest)
    causes = reply.body["details"]["causes"]
    assert {"field": "spec.size", "reason": "FieldValueRequired", "message": "Required value"} in (
        causes
    )


def test_one_of_several_schemas_must_fit(api: Api, widgets: str) -> None:
    """anyOf: neither alternative refuses, either is enough."""
    path = _path(api, widgets)
    reply = api.call("POST", path, a_widget("w", widgets, limits={}))
    assert reply.code == 422
    assert '"spec.limits" must validate at least one schema (anyOf)' in reply.body["message"]
    api.made(path, a_widget("w", widgets, limits={"max": 1.5}))


def test_a_custom_status_is_a_subresource(api: Api, widgets: str) -> None:
    """Status is dropped on creation, and writing it leaves metadata, spec and generation alone."""
    path = _path(api, widgets)
    made = api.made(path, {**a_widget("w", widgets), "status": {"phase": "Ready"}})
    assert "status" not in made
    patch = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"size": 9},
        "status": {"phase": "Ready"},
    }
    reply = api.call("PATCH", f"{path}/w/status", patch, client.MERGE).body
    assert (reply["spec"]["size"], reply["status"]) == (3, {"phase": "Ready"})
    assert "labels" not in reply["metadata"]
    assert reply["metadata"]["generation"] == 1
    reply = api.call("PATCH", f"{path}/w", {"spec": {"size": 9}}, client.MERGE).body
    assert (reply["metadata"]["generation"], reply["status"]) == (2, {"phase": "Ready"})


def test_a_custom_scale_is_read_and_written_by_its_paths(api: Api, widgets: str) -> None:
    """SpecReplicasPath and statusReplicasPath."""
    path = _path(api, widgets)
    api.made(path, a_widget("w", widgets, replicas=2))
    assert api.call("GET", f"{path}/w/scale").body["spec"] == {"replicas": 2}
    api.call("PATCH", f"{path}/w/scale", {"spec": {"replicas": 3}}, client.MERGE)
    assert api.call("GET", f"{path}/w").body["spec"]["replicas"] == 3


def test_printer_columns_are_filled_by_json_path(api: Api, widgets: str) -> None:
    """A filter expression, a priority, an absent value and a date."""
    path = _path(api, widgets)
    api.made(path, a_widget("w", widgets))
    reply = api.call("GET", path, accept=TABLE).body
    shown = [(column["name"], column["priority"]) for column in reply["columnDefinitions"]]
    assert shown == [("Name", 0), ("Size", 0), ("Ready", 0), ("Colour", 1), ("Since", 0)]
    name, size, ready, colour, since = reply["rows"][0]["cells"]
    assert (name, size, ready, colour) == ("w", 3, None, "red")
    assert since.endswith("s")
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    api.call("PATCH", f"{path}/w/status", status, client.MERGE)
    reply = api.call("GET", f"{path}/w", accept=TABLE).body
    assert reply["rows"][0]["cells"][2] == "True"


def test_an_unknown_field_of_a_custom_resource_is_refused_when_strict(
    api: Api, widgets: str
) -> None:
    """fieldValidation=Strict, as kubectl asks."""
    manifest = a_widget("w", widgets, tpyo=1)
    reply = api.call("POST", _path(api, widgets), manifest, fieldValidation="Strict")
    assert (reply.code, reply.body["reason"]) == (400, "BadRequest")
    assert 'unknown field "spec.tpyo"' in reply.body["message"]


def test_a_definition_is_established_and_discovered(api: Api, widgets: str) -> None:
    """Its status says so, and the group lists its resource."""
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{widgets}"
    status = api.call("GET", path).body["status"]
    conditions = {item["type"]: item["status"] for item in status["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert status["storedVersions"] == ["v1"]
    assert status["acceptedNames"]["listKind"] == "WidgetList"
    assert status["acceptedNames"]["singular"] == "widget"
    names = {item["name"] for item in api.call("GET", f"/apis/{widgets}/v1").body["resources"]}
    assert names == {"widgets", "widgets/status", "widgets/scale"}
