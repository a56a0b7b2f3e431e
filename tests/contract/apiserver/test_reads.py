"""Lists, selectors, pages, tables and deletion are the same on the sandbox and kube-apiserver."""

import time

import pytest

from tests.contract.apiserver import client
from tests.contract.apiserver.client import Api
from tests.contract.apiserver.manifests import a_config_map, a_deployment, a_service, an_event

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def _names(body: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    names = [item["metadata"]["name"] for item in body["items"]]
    return [name for name in names if name != "kube-root-ca.crt"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=web", ["a"]),
        ("app==web,tier", ["a"]),
        ("app!=web", ["b", "c"]),
        ("app in (web, api)", ["a", "b"]),
        ("app notin (web)", ["b", "c"]),
        ("!app", ["c"]),
        ("tier,app notin (api)", ["a"]),
    ],
)
def test_a_label_selector_keeps_what_matches(api: Api, selector: str, expected: list[str]) -> None:
    """Equality, set and existence requirements, joined by commas."""
    labelled = {"a": {"app": "web", "tier": "1"}, "b": {"app": "api"}, "c": {}}
    for name, labels in labelled.items():
        manifest = a_service(name)
        manifest["metadata"]["labels"] = labels
        api.made(f"{api.core}/services", manifest)
    reply = api.call("GET", f"{api.core}/services", labelSelector=selector)
    assert _names(reply.body) == expected


def test_events_are_selected_by_what_they_are_about(api: Api) -> None:
    """involvedObject.* and type, as `kubectl describe` asks."""
    for name, about, kind, event_type in (
        ("e1", "web", "Canary", "Normal"),
        ("e2", "web", "Canary", "Warning"),
        ("e3", "api", "Canary", "Normal"),
        ("e4", "web", "Deployment", "Normal"),
    ):
        event = an_event(name, about, kind, event_type)
        event["involvedObject"]["namespace"] = api.namespace
        api.made(f"{api.core}/events", event)
    fields = "involvedObject.name=web,involvedObject.kind=Canary"
    reply = api.call("GET", f"{api.core}/events", fieldSelector=fields)
    assert _names(reply.body) == ["e1", "e2"]
    reply = api.call("GET", f"{api.core}/events", fieldSelector=f"{fields},type!=Normal")
    assert _names(reply.body) == ["e2"]


def test_an_unknown_field_selector_is_refused(api: Api) -> None:
    """400, and the field is named."""
    reply = api.call("GET", f"{api.core}/configmaps", fieldSelector="data.colour=blue")
    assert reply.code == 400
    assert reply.body["message"] == (
        '"data.colour" is not a known field selector: only "metadata.name", "metadata.namespace"'
    )
    reply = api.call("GET", f"{api.core}/events", fieldSelector="count=1")
    assert reply.code == 400
    assert reply.body["message"] == "field label not supported: count"


def test_a_list_comes_in_pages_of_one_moment(api: Api) -> None:
    """Limit and continue; what is written between two pages does not show."""
    for name in ("a", "b", "c"):
        api.made(f"{api.core}/services", a_service(name))
    first = api.call("GET", f"{api.core}/services", limit="2").body
    assert _names(first) == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 1
    api.made(f"{api.core}/services", a_service("d"))
    token = {"limit": "2", "continue": first["metadata"]["continue"]}
    second = api.call("GET", f"{api.core}/services", **token).body
    assert _names(second) == ["c"]
    assert "continue" not in second["metadata"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_a_future_version_times_out(api: Api) -> None:
    """A resourceVersion that has not happened answers 504 with its cause."""
    reply = api.call("GET", f"{api.core}/services", resourceVersion="99999999")
    assert (reply.code, reply.body["reason"]) == (504, "Timeout")
    assert "Too large resource version" in reply.body["message"]
    assert reply.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


def test_a_list_can_be_metadata_only(api: Api) -> None:
    """PartialObjectMetadataList has names and versions, and no content."""
    api.made(f"{api.core}/configmaps", a_config_map())
    reply = api.call("GET", f"{api.core}/configmaps", accept=PARTIAL_LIST)
    assert reply.body["kind"] == "PartialObjectMetadataList"
    (item,) = [i for i in reply.body["items"] if i["metadata"]["name"] == "settings"]
    assert item["metadata"]["resourceVersion"]
    assert "data" not in item


def test_a_deployment_table_has_kubectls_columns(api: Api) -> None:
    """The columns of `kubectl get deployments`, wide ones at priority 1."""
    api.made(f"{api.apps}/deployments", a_deployment())
    reply = api.call("GET", f"{api.apps}/deployments", accept=TABLE).body
    assert reply["kind"] == "Table"
    assert [(column["name"], column["priority"]) for column in reply["columnDefinitions"]] == [
        ("Name", 0),
        ("Ready", 0),
        ("Up-to-date", 0),
        ("Available", 0),
        ("Age", 0),
        ("Containers", 1),
        ("Images", 1),
        ("Selector", 1),
    ]
    (row,) = reply["rows"]
    name, ready, updated, available, _age, *wide = row["cells"]
    assert (name, ready, updated, available) == ("web", "0/1", 0, 0)
    assert wide == ["app", "podinfo:1", "app=web"]
    assert row["object"]["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/{}/services",
        "/api/v1/namespaces/{}/configmaps",
        "/api/v1/namespaces/{}/secrets",
        "/api/v1/namespaces/{}/events",
        "/api/v1/namespaces/{}/pods",
        "/apis/apps/v1/namespaces/{}/replicasets",
        "/apis/apps/v1/namespaces/{}/daemonsets",
        "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
        "/api/v1/namespaces",
    ],
)
def test_the_columns_of_built_in_kinds_are_kubernetes(api: Api, path: str) -> None:
    """Each column of the sandbox is one of kube-apiserver's, in the same order."""
    expected = {
        "services": "Name Type Cluster-IP External-IP Port(s) Age Selector",
        "configmaps": "Name Data Age",
        "secrets": "Name Type Data Age",
        "events": "Last Seen Type Reason Object Subobject Source Message First Seen Count Name",
        "pods": "Name Ready Status Restarts Age IP Node Nominated Node Readiness Gates",
        "replicasets": "Name Desired Current Ready Age Containers Images Selector",
        "daemonsets": "Name Desired Current Ready Up-to-date Available Node Selector Age "
        "Containers Images Selector",
        "leases": "Name Holder Age",
        "namespaces": "Name Status Age",
    }
    reply = api.call("GET", path.format(api.namespace), accept=TABLE).body
    shown = " ".join(column["name"] for column in reply["columnDefinitions"])
    assert shown == expected[path.rsplit("/", 1)[1]]


def test_a_deletion_answers_with_success_or_waits_for_finalizers(api: Api) -> None:
    """Without finalizers the object is gone; with them it stays, marked, until they are."""
    path = f"{api.core}/configmaps/settings"
    made = api.made(f"{api.core}/configmaps", a_config_map())
    reply = api.call("DELETE", path)
    assert (reply.code, reply.body["status"]) == (200, "Success")
    details = {"name": "settings", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    assert reply.body["details"] == details
    manifest = a_config_map()
    manifest["metadata"]["finalizers"] = ["example.dev/hold"]
    api.made(f"{api.core}/configmaps", manifest)
    assert api.call("DELETE", path).code == 200
    waiting = api.call("GET", path).body
    assert waiting["metadata"]["deletionTimestamp"]
    more = {"metadata": {"finalizers": ["example.dev/hold", "example.dev/more"]}}
    reply = api.call("PATCH", path, more, client.MERGE)
    assert reply.code == 422
    assert "no new finalizers can be added" in reply.body["message"]
    reply = api.call("PATCH", path, {"metadata": {"finalizers": None}}, client.MERGE)
    assert reply.code == 200
    assert api.call("GET", path).code == 404


def test_a_deletion_can_have_preconditions(api: Api) -> None:
    """Another uid answers 409 and deletes nothing."""
    api.made(f"{api.core}/configmaps", a_config_map())
    path = f"{api.core}/configmaps/settings"
    reply = api.call("DELETE", path, {"preconditions": {"uid": "another"}})
    assert (reply.code, reply.body["reason"]) == (409, "Conflict")
    message = reply.body["message"]
    assert message.startswith('Operation cannot be fulfilled on ConfigMap "settings": ')
    assert "the UID in the precondition (another) does not match the UID in record" in message
    assert api.call("GET", path).code == 200


def test_a_collection_can_be_deleted(api: Api) -> None:
    """Only what the selector matches goes."""
    for name in ("a", "b"):
        manifest = a_config_map(name)
        manifest["metadata"]["labels"] = {"app": name}
        api.made(f"{api.core}/configmaps", manifest)
    assert api.call("DELETE", f"{api.core}/configmaps", labelSelector="app=a").code == 200
    deadline = time.monotonic() + 5
    while _names(api.call("GET", f"{api.core}/configmaps").body) != ["b"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_discovery_names_resources_and_subresources(api: Api) -> None:
    """The group apps lists deployments with its status and scale."""
    body = api.call("GET", "/apis/apps/v1").body
    found = {entry["name"]: entry for entry in body["resources"]}
    assert (body["kind"], body["groupVersion"]) == ("APIResourceList", "apps/v1")
    assert found["deployments"]["shortNames"] == ["deploy"]
    assert found["deployments"]["categories"] == ["all"]
    assert found["deployments/scale"]["kind"] == "Scale"
    assert found["deployments/status"]["kind"] == "Deployment"
    groups = {group["name"] for group in api.call("GET", "/apis").body["groups"]}
    assert {"apps", "autoscaling", "apiextensions.k8s.io", "networking.istio.io"} <= groups
    assert api.call("GET", "/readyz").body == "ok"
