"""Creating, replacing and patching mean the same on the sandbox and on kube-apiserver."""

from typing import Any

import pytest

from tests.contract.apiserver import client
from tests.contract.apiserver.client import Api
from tests.contract.apiserver.manifests import (
    a_config_map,
    a_deployment,
    a_service,
    a_virtual_service,
)

MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def test_a_new_object_gets_its_identity_from_the_server(api: Api) -> None:
    """uid, resourceVersion, creationTimestamp and namespace are set; what was sent is kept."""
    made = api.made(f"{api.core}/configmaps", a_config_map())
    metadata = made["metadata"]
    assert made["data"] == {"colour": "blue"}
    assert metadata["namespace"] == api.namespace
    assert metadata["uid"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert int(metadata["resourceVersion"]) > 0


def test_a_taken_name_is_refused(api: Api) -> None:
    """A second POST answers 409 AlreadyExists with the resource, name and kind."""
    api.made(f"{api.apps}/deployments", a_deployment())
    reply = api.call("POST", f"{api.apps}/deployments", a_deployment())
    assert (reply.code, reply.body["reason"]) == (409, "AlreadyExists")
    assert reply.body["message"] == 'deployments.apps "web" already exists'
    assert reply.body["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


def test_an_absent_object_is_not_found(api: Api) -> None:
    """GET, PUT, PATCH and DELETE of nothing answer 404 NotFound in the same words."""
    path = f"{api.core}/configmaps/nothing"
    replies = [
        api.call("GET", path),
        api.call("PUT", path, a_config_map("nothing")),
        api.call("PATCH", path, {"data": {}}, client.MERGE),
        api.call("DELETE", path),
    ]
    assert {reply.code for reply in replies} == {404}
    assert {reply.body["message"] for reply in replies} == {'configmaps "nothing" not found'}


def test_a_namespace_must_exist(api: Api) -> None:
    """Creating in a missing namespace answers 404 about the namespace."""
    reply = api.call("POST", "/api/v1/namespaces/nowhere/configmaps", a_config_map())
    assert (reply.code, reply.body["reason"]) == (404, "NotFound")
    assert reply.body["message"] == 'namespaces "nowhere" not found'
    assert reply.body["details"] == {"name": "nowhere", "kind": "namespaces"}


def test_a_bad_name_is_invalid(api: Api) -> None:
    """A name that is not a DNS subdomain answers 422 with the field as the cause."""
    reply = api.call("POST", f"{api.core}/configmaps", a_config_map("Not_A_Name"))
    assert (reply.code, reply.body["reason"]) == (422, "Invalid")
    assert reply.body["message"].startswith(
        'ConfigMap "Not_A_Name" is invalid: metadata.name: Invalid value: "Not_A_Name": '
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters"
    )
    assert reply.body["details"]["causes"][0]["field"] == "metadata.name"
    assert reply.body["details"]["causes"][0]["reason"] == "FieldValueInvalid"


def test_generate_name_makes_a_name(api: Api) -> None:
    """GenerateName plus five characters."""
    manifest = a_config_map()
    manifest["metadata"] = {"generateName": "made-"}
    name = api.made(f"{api.core}/configmaps", manifest)["metadata"]["name"]
    assert name.startswith("made-")
    assert len(name) == len("made-") + 5


def test_a_stale_put_conflicts(api: Api) -> None:
    """A PUT that carries an old resourceVersion answers 409 Conflict, worded as Kubernetes does."""
    made = api.made(f"{api.apps}/deployments", a_deployment())
    path = f"{api.apps}/deployments/web"
    changed = api.call("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, client.MERGE)
    assert changed.code == 200
    reply = api.call("PUT", path, made)
    assert (reply.code, reply.body["reason"]) == (409, "Conflict")
    expected = f'Operation cannot be fulfilled on deployments.apps "web": {MODIFIED}'
    assert reply.body["message"] == expected
    assert reply.body["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


@pytest.mark.parametrize("content_type", [client.MERGE, client.STRATEGIC])
def test_a_patch_with_an_old_version_conflicts(api: Api, content_type: str) -> None:
    """metadata.resourceVersion in a patch is a precondition; without it there is none."""
    made = api.made(f"{api.core}/configmaps", a_config_map())
    path, version = f"{api.core}/configmaps/settings", made["metadata"]["resourceVersion"]
    assert api.call("PATCH", path, {"data": {"a": "1"}}, content_type).code == 200
    stale = {"metadata": {"resourceVersion": version}, "data": {"a": "2"}}
    reply = api.call("PATCH", path, stale, content_type)
    assert (reply.code, reply.body["reason"]) == (409, "Conflict")
    assert api.call("GET", path).body["data"]["a"] == "1"


def test_a_custom_object_needs_a_version_to_be_replaced(api: Api) -> None:
    """PUT of a custom resource without resourceVersion answers 422; a ConfigMap may be forced."""
    path = api.group("networking.istio.io/v1beta1") + "/virtualservices"
    api.made(path, a_virtual_service())
    reply = api.call("PUT", f"{path}/web", a_virtual_service())
    assert (reply.code, reply.body["reason"]) == (422, "Invalid")
    assert "metadata.resourceVersion" in reply.body["message"]
    assert "must be specified for an update" in reply.body["message"]
    api.made(f"{api.core}/configmaps", a_config_map())
    assert api.call("PUT", f"{api.core}/configmaps/settings", a_config_map()).code == 200


def test_a_write_that_changes_nothing_makes_no_version(api: Api) -> None:
    """The resourceVersion stays when the stored object would be the same."""
    made = api.made(f"{api.core}/configmaps", a_config_map())
    path = f"{api.core}/configmaps/settings"
    again = api.call("PATCH", path, {"data": {"colour": "blue"}}, client.MERGE).body
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_a_generation_counts_spec_changes_only(api: Api) -> None:
    """Labels and status leave a Deployment's generation alone; the spec raises it by one."""
    made = api.made(f"{api.apps}/deployments", a_deployment())
    path = f"{api.apps}/deployments/web"
    assert made["metadata"]["generation"] == 1
    labels = {"metadata": {"labels": {"a": "b"}}}
    assert api.call("PATCH", path, labels, client.MERGE).body["metadata"]["generation"] == 1
    status = {"status": {"observedGeneration": 1}}
    reply = api.call("PATCH", f"{path}/status", status, client.MERGE)
    assert reply.body["metadata"]["generation"] == 1
    scaled = api.call("PATCH", path, {"spec": {"replicas": 2}}, client.MERGE).body
    assert scaled["metadata"]["generation"] == 2


def test_an_annotation_of_a_deployment_raises_its_generation(api: Api) -> None:
    """Kubernetes counts a Deployment's annotations, written to the main resource, as spec."""
    api.made(f"{api.apps}/deployments", a_deployment())
    path = f"{api.apps}/deployments/web"
    patch = {"metadata": {"annotations": {"a": "b"}}}
    assert api.call("PATCH", path, patch, client.MERGE).body["metadata"]["generation"] == 2
    patch = {"metadata": {"annotations": {"a": "c"}}}
    reply = api.call("PATCH", f"{path}/status", patch, client.MERGE)
    assert reply.body["metadata"]["generation"] == 2
    assert reply.body["metadata"]["annotations"] == {"a": "c"}


def test_status_and_spec_are_written_apart(api: Api) -> None:
    """A write to the object ignores status; a write to /status ignores everything else."""
    api.made(f"{api.apps}/deployments", {**a_deployment(), "status": {"replicas": 7}})
    path = f"{api.apps}/deployments/web"
    assert "replicas" not in api.call("GET", path).body["status"]
    both = {"spec": {"replicas": 5}, "status": {"observedGeneration": 1, "replicas": 4}}
    reply = api.call("PATCH", f"{path}/status", both, client.MERGE).body
    assert (reply["spec"]["replicas"], reply["status"]["replicas"]) == (1, 4)
    both = {"spec": {"replicas": 5}, "status": {"replicas": 9}}
    reply = api.call("PATCH", path, both, client.MERGE).body
    assert (reply["spec"]["replicas"], reply["status"]["replicas"]) == (5, 4)


def test_the_identity_of_an_object_cannot_be_changed(api: Api) -> None:
    """Generation and creationTimestamp in a patch are ignored; another uid conflicts."""
    made = api.made(f"{api.apps}/deployments", a_deployment())
    path = f"{api.apps}/deployments/web"
    patch = {"metadata": {"generation": 99, "labels": {"a": "b"}}}
    assert api.call("PATCH", path, patch, client.MERGE).body["metadata"]["generation"] == 1
    reply = api.call("PUT", path, {**made, "metadata": {"name": "web", "uid": "another"}})
    assert (reply.code, reply.body["reason"]) == (409, "Conflict")
    assert "Precondition failed: UID in precondition: another" in reply.body["message"]


def test_a_name_must_match_the_path(api: Api) -> None:
    """A PUT whose body names another object answers 400."""
    api.made(f"{api.core}/configmaps", a_config_map())
    reply = api.call("PUT", f"{api.core}/configmaps/settings", a_config_map("other"))
    assert (reply.code, reply.body["reason"]) == (400, "BadRequest")
    message = "the name of the object (other) does not match the name on the URL (settings)"
    assert reply.body["message"] == message


def test_a_namespace_must_match_the_path(api: Api) -> None:
    """A POST whose body names another namespace answers 400."""
    manifest = a_config_map()
    manifest["metadata"]["namespace"] = "elsewhere"
    reply = api.call("POST", f"{api.core}/configmaps", manifest)
    assert reply.code == 400
    assert "the namespace of the provided object does not match" in reply.body["message"]


def test_a_deployment_is_filled_in(api: Api) -> None:
    """The defaults of Deployment and of its pod template."""
    spec = api.made(f"{api.apps}/deployments", a_deployment())["spec"]
    assert spec["replicas"] == 1
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    pod = dict(spec["template"]["spec"])
    (container,) = pod.pop("containers")
    assert pod == {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    assert container == {
        "name": "app",
        "image": "podinfo:1",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": 9898, "name": "http", "protocol": "TCP"}],
        "env": [{"name": "COLOUR", "value": "blue"}],
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }


def test_a_service_gets_an_address_and_keeps_it(api: Api) -> None:
    """Type, protocol, targetPort and clusterIP are filled in; a PUT without them keeps them."""
    made = api.made(f"{api.core}/services", a_service())
    spec = made["spec"]
    assert (spec["type"], spec["sessionAffinity"]) == ("ClusterIP", "None")
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    replaced = api.call("PUT", f"{api.core}/services/web", a_service())
    assert replaced.code == 200, replaced.body
    assert replaced.body["spec"]["clusterIP"] == spec["clusterIP"]
    wrong = {"spec": {"clusterIP": "10.0.0.99"}}
    reply = api.call("PATCH", f"{api.core}/services/web", wrong, client.MERGE)
    assert reply.code == 422
    assert "may not change once set" in reply.body["message"]


def test_a_selector_cannot_be_changed(api: Api) -> None:
    """spec.selector of a Deployment is immutable, and must match the template's labels."""
    api.made(f"{api.apps}/deployments", a_deployment())
    other = {"matchLabels": {"app": "other"}}
    patch = {"spec": {"selector": other, "template": {"metadata": {"labels": {"app": "other"}}}}}
    reply = api.call("PATCH", f"{api.apps}/deployments/web", patch, client.MERGE)
    assert reply.code == 422
    assert "field is immutable" in reply.body["message"]
    wrong = a_deployment("wrong")
    wrong["spec"]["selector"] = other
    reply = api.call("POST", f"{api.apps}/deployments", wrong)
    expected = (
        'Deployment.apps "wrong" is invalid: spec.template.metadata.labels: Invalid value: '
        '{"app":"wrong"}: `selector` does not match template `labels`'
    )
    assert reply.body["message"] == expected


def test_a_dry_run_stores_nothing(api: Api) -> None:
    """dryRun=All answers as if it had been done."""
    made = api.made(f"{api.core}/configmaps", a_config_map(), dryRun="All")
    assert made["metadata"]["uid"]
    assert api.call("GET", f"{api.core}/configmaps/settings").code == 404
    api.made(f"{api.core}/configmaps", a_config_map())
    path = f"{api.core}/configmaps/settings"
    patch = {"data": {"colour": "red"}}
    reply = api.call("PATCH", path, patch, client.MERGE, dryRun="All")
    assert reply.body["data"] == {"colour": "red"}
    assert api.call("GET", path).body["data"] == {"colour": "blue"}


def test_the_scale_subresource_changes_replicas(api: Api) -> None:
    """GET shows spec and selector; PATCH changes replicas and the object's generation."""
    api.made(f"{api.apps}/deployments", a_deployment())
    path = f"{api.apps}/deployments/web/scale"
    scale = api.call("GET", path).body
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert scale["spec"] == {"replicas": 1}
    assert scale["status"] == {"replicas": 0, "selector": "app=web"}
    reply = api.call("PATCH", path, {"spec": {"replicas": 4}}, client.MERGE)
    assert reply.body["spec"]["replicas"] == 4
    deployment = api.call("GET", f"{api.apps}/deployments/web").body
    assert (deployment["spec"]["replicas"], deployment["metadata"]["generation"]) == (4, 2)


def test_an_unknown_resource_and_a_wrong_method_are_told_apart(api: Api) -> None:
    """404 for what is not served, 405 for a verb a resource does not have."""
    reply = api.call("GET", f"{api.apps}/gadgets")
    assert reply.code == 404
    reply = api.call("PUT", f"{api.core}/configmaps", a_config_map())
    assert (reply.code, reply.body["reason"]) == (405, "MethodNotAllowed")
    message = "the server does not allow this method on the requested resource"
    assert reply.body["message"] == message


def test_an_unreadable_body_is_a_bad_request(api: Api) -> None:
    """A JSON patch that is no list, and a body that is no object, answer 400."""
    api.made(f"{api.core}/configmaps", a_config_map())
    path = f"{api.core}/configmaps/settings"
    assert api.call("PATCH", path, {"not": "a list"}, client.JSON_PATCH).code == 400
    assert api.call("POST", f"{api.core}/configmaps", [1, 2]).code == 400


def test_an_unknown_patch_type_is_unsupported(api: Api) -> None:
    """415 for a type no resource takes, and for strategic patches of custom resources."""
    path = api.group("networking.istio.io/v1beta1") + "/virtualservices"
    api.made(path, a_virtual_service())
    for content_type in ("application/json", client.STRATEGIC):
        reply = api.call("PATCH", f"{path}/web", {"spec": {}}, content_type)
        assert (reply.code, reply.body["reason"]) == (415, "UnsupportedMediaType")


def test_an_unknown_field_is_refused_when_validation_is_strict(api: Api) -> None:
    """fieldValidation=Strict answers 400 and names the field; Warn stores and warns."""
    manifest = a_deployment()
    manifest["spec"]["tpyo"] = 1
    reply = api.call("POST", f"{api.apps}/deployments", manifest, fieldValidation="Strict")
    assert (reply.code, reply.body["reason"]) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "spec.tpyo"' in reply.body["message"]
    reply = api.call("POST", f"{api.apps}/deployments", manifest, fieldValidation="Warn")
    assert reply.code == 201
    assert 'unknown field \\"spec.tpyo\\"' in reply.headers["Warning"]
    assert "tpyo" not in reply.body["spec"]


def test_a_value_of_the_wrong_type_is_a_bad_request(api: Api) -> None:
    """A built-in kind that cannot be decoded answers 400 and names the field."""
    manifest = a_deployment()
    manifest["spec"]["replicas"] = "three"
    reply = api.call("POST", f"{api.apps}/deployments", manifest)
    assert (reply.code, reply.body["reason"]) == (400, "BadRequest")
    assert 'Deployment in version "v1" cannot be handled as a Deployment' in reply.body["message"]
    assert "json: cannot unmarshal string into Go struct field" in reply.body["message"]
    assert "spec.replicas" in reply.body["message"]


def test_a_secret_encodes_string_data(api: Api) -> None:
    """StringData is write-only; it is merged into data as Base64, and the type is Opaque."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"token": "abc"},
    }
    made = api.made(f"{api.core}/secrets", manifest)
    assert made["data"] == {"token": "YWJj"}
    assert made["type"] == "Opaque"
    assert "stringData" not in made


def test_labels_are_strings(api: Api) -> None:
    """A label that is a number cannot be decoded, in built-in and in custom kinds."""
    wrong = a_config_map()
    wrong["metadata"]["labels"] = {"a": 1}
    reply = api.call("POST", f"{api.core}/configmaps", wrong)
    assert (reply.code, reply.body["reason"]) == (400, "BadRequest")
    assert "json: cannot unmarshal number into Go struct field" in reply.body["message"]
    route = a_virtual_service()
    route["metadata"]["labels"] = {"a": 1}
    path = api.group("networking.istio.io/v1beta1") + "/virtualservices"
    assert api.call("POST", path, route).code in (400, 422)


def test_a_replacement_without_metadata_keeps_the_identity(api: Api) -> None:
    """A PUT that leaves the name out is about the object of the path, or refused."""
    made = api.made(f"{api.core}/configmaps", a_config_map())
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
    reply = api.call("PUT", f"{api.core}/configmaps/settings", body)
    assert reply.code in (200, 400)
    stored = api.call("GET", f"{api.core}/configmaps/settings").body
    assert stored["metadata"]["uid"] == made["metadata"]["uid"]
    assert stored["metadata"]["name"] == "settings"


QUANTITIES = {
    "2000m": "2",
    "0.5": "500m",
    "1000": "1k",
    "1024Mi": "1Gi",
    "1.5Gi": "1536Mi",
    ".5Ki": "512",
    "1.1Ki": "1126400m",
    "16Ei": "9223372036854775807",
    "0Gi": "0",
    "1.5e3": "1500",
    "100e1": "1e3",
    "1E3": "1E3",
    "15e-1": "1500e-3",
    "0.0000000001": "1n",
    " 2": "2",
    3.5: "3500m",
    1000: "1k",
    "129M": "129M",
    "+5": "+5",
}


def with_volumes(*sizes: object) -> dict[str, Any]:
    """A Deployment with a volume of each of these sizes, which may be any quantities."""
    made = a_deployment()
    made["spec"]["template"]["spec"]["volumes"] = [
        {"name": f"v{number}", "emptyDir": {"sizeLimit": size}} for number, size in enumerate(sizes)
    ]
    return made


def test_quantities_are_stored_in_canonical_form(api: Api) -> None:
    """Whatever they are written as; zero, fractions, rounding and what is too large included."""
    made = api.made(f"{api.apps}/deployments", with_volumes(*QUANTITIES))
    volumes = made["spec"]["template"]["spec"]["volumes"]
    found = [volume["emptyDir"]["sizeLimit"] for volume in volumes]
    assert found == list(QUANTITIES.values())


def test_a_quantity_written_otherwise_is_no_change(api: Api) -> None:
    """The same manifest again, by PUT and by PATCH: neither a version nor a generation."""
    written = with_volumes("2000m", "1024Mi")
    made = api.made(f"{api.apps}/deployments", written)
    path = f"{api.apps}/deployments/web"
    spec = {
        "spec": {"template": {"spec": {"volumes": made["spec"]["template"]["spec"]["volumes"]}}}
    }
    for body, kind in ((written, client.STRATEGIC), (written, client.MERGE), (spec, client.MERGE)):
        assert api.call("PATCH", path, body, kind).body == made
    again = {**written, "metadata": made["metadata"]}
    assert api.call("PUT", path, again).body["metadata"]["generation"] == 1


@pytest.mark.parametrize("size", ["abc", "1KB", "", True, [1], {"a": 1}, "1.5.2"])
def test_what_is_no_quantity_is_refused(api: Api, size: object) -> None:
    """With the form that quantities have."""
    reply = api.call("POST", f"{api.apps}/deployments", with_volumes(size))
    assert (reply.code, reply.body["reason"]) == (400, "BadRequest")
    assert "quantities must match the regular expression '^([+-]?" in reply.body["message"]
