"""Watches deliver the same events on the sandbox and on kube-apiserver."""

import pytest

from sandbox.apiserver import ApiServer
from tests.contract.apiserver import client
from tests.contract.apiserver.client import Api
from tests.contract.apiserver.manifests import a_config_map, a_service


def _version(api: Api) -> str:
    version: str = api.call("GET", f"{api.core}/services").body["metadata"]["resourceVersion"]
    return version


def test_a_watch_resumes_after_a_version(api: Api) -> None:
    """All later changes come, in order, with rising versions; a deletion has a version too."""
    start = _version(api)
    path = f"{api.core}/services"
    made = api.made(path, a_service())
    api.call("PATCH", f"{path}/web", {"metadata": {"labels": {"a": "b"}}}, client.MERGE)
    api.call("DELETE", f"{path}/web")
    with api.watch(path, resourceVersion=start) as events:
        seen = [next(events) for _ in range(3)]
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(set(versions))
    assert versions[0] == int(made["metadata"]["resourceVersion"])
    assert versions[0] > int(start)


def test_removing_the_last_finalizer_is_the_deletion(api: Api) -> None:
    """A deleted object shows as MODIFIED when it is marked, and then only as DELETED.

    The DELETED event carries the state before the write that removed the finalizer.
    """
    path, start = f"{api.core}/services", _version(api)
    manifest = a_service()
    manifest["metadata"]["finalizers"] = ["example.dev/hold"]
    api.made(path, manifest)
    api.call("DELETE", f"{path}/web")
    patch = {"metadata": {"finalizers": None, "labels": {"last": "words"}}}
    api.call("PATCH", f"{path}/web", patch, client.MERGE)
    with api.watch(path, resourceVersion=start) as events:
        seen = [next(events) for _ in range(3)]
    assert [event["type"] for event in seen] == ["ADDED", "MODIFIED", "DELETED"]
    last = seen[2]["object"]["metadata"]
    assert "labels" not in last
    assert last["finalizers"] == ["example.dev/hold"]


def test_a_watch_delivers_what_happens_while_it_is_open(api: Api) -> None:
    """An event comes without a new request."""
    path = f"{api.core}/services"
    with api.watch(path, resourceVersion=_version(api)) as events:
        api.made(path, a_service("late"))
        event = next(events)
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "late")


def test_a_watch_without_a_version_begins_with_what_exists(api: Api) -> None:
    """Synthetic ADDED events first."""
    path = f"{api.core}/services"
    api.made(path, a_service("a"))
    api.made(path, a_service("b"))
    with api.watch(path) as events:
        seen = [next(events) for _ in range(2)]
    assert {event["object"]["metadata"]["name"] for event in seen} == {"a", "b"}
    assert {event["type"] for event in seen} == {"ADDED"}


def test_a_watch_with_a_selector_sees_objects_come_and_go(api: Api) -> None:
    """An object that begins to match is ADDED, one that ceases to match DELETED."""
    path = f"{api.core}/services"
    api.made(path, a_service())
    query = {"resourceVersion": _version(api), "labelSelector": "track=on"}
    for labels in ({"track": "on"}, {"track": "on", "x": "y"}, {"track": "off"}):
        api.call("PATCH", f"{path}/web", {"metadata": {"labels": labels}}, client.MERGE)
    with api.watch(path, **query) as events:
        seen = [next(events)["type"] for _ in range(3)]
    assert seen == ["ADDED", "MODIFIED", "DELETED"]


def test_a_watch_can_send_the_list_first(api: Api) -> None:
    """SendInitialEvents ends the initial list with an annotated bookmark."""
    path = f"{api.core}/services"
    api.made(path, a_service())
    query = {
        "sendInitialEvents": "true",
        "allowWatchBookmarks": "true",
        "resourceVersionMatch": "NotOlderThan",
    }
    with api.watch(path, **query) as events:
        seen = [next(events) for _ in range(2)]
    assert [event["type"] for event in seen] == ["ADDED", "BOOKMARK"]
    annotations = seen[1]["object"]["metadata"]["annotations"]
    assert annotations == {"k8s.io/initial-events-end": "true"}


def test_a_watch_ends_at_its_timeout(api: Api) -> None:
    """TimeoutSeconds closes the stream in good order."""
    query = {"resourceVersion": _version(api), "timeoutSeconds": "1"}
    with api.watch(f"{api.core}/services", **query) as events:
        assert list(events) == []


def test_a_version_from_before_a_compaction_is_gone(
    sandbox_api: Api, sandbox_server: ApiServer
) -> None:
    """The watch answers with an ERROR event: Status 410 Expired. A list starts over."""
    api, path = sandbox_api, f"{sandbox_api.core}/services"
    start = _version(api)
    api.made(path, a_service())
    sandbox_server.compact()
    with api.watch(path, resourceVersion=start) as events:
        (event,) = list(events)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
    with api.watch(path, resourceVersion=_version(api)) as events:
        api.made(path, a_service("next"))
        assert next(events)["type"] == "ADDED"


def test_bookmarks_follow_the_whole_cluster(sandbox_api: Api) -> None:
    """A quiet watch is carried forward by bookmarks past writes to other resources."""
    api = sandbox_api
    query = {"resourceVersion": _version(api), "allowWatchBookmarks": "true"}
    with api.watch(f"{api.core}/services", **query) as events:
        made = api.made(f"{api.core}/configmaps", a_config_map())
        event = next(events)
    assert event["type"] == "BOOKMARK"
    assert event["object"]["kind"] == "Service"
    bookmark = int(event["object"]["metadata"]["resourceVersion"])
    assert bookmark >= int(made["metadata"]["resourceVersion"])


def test_a_watch_without_bookmarks_gets_none(sandbox_api: Api) -> None:
    """They are sent only to those who asked."""
    query = {"resourceVersion": _version(sandbox_api), "timeoutSeconds": "1"}
    with sandbox_api.watch(f"{sandbox_api.core}/services", **query) as events:
        assert list(events) == []


@pytest.mark.parametrize("version", ["latest", "-1"])
def test_an_unreadable_version_is_refused(api: Api, version: str) -> None:
    """A resourceVersion is a number."""
    reply = api.call("GET", f"{api.core}/services", resourceVersion=version)
    assert reply.code in (400, 422)
