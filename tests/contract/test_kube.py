"""The door to Kubernetes keeps its promises against every server behind it.

Behind it stand the sandbox's API server, in this process and over HTTP, and a kube-apiserver with
etcd. Tested: identity and versions of objects, preconditions, both kinds of patches, the status
subresource, generations, deletion, lists in pages, watches and their resumption, errors by kind.
Left out: what differs by design (validation, defaulting, access control).
"""

import dataclasses
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any, Final

import pytest

from clients import errors
from clients.clock import SystemClock
from clients.kube import connect as connecting
from clients.kube import resources, rest
from clients.kube.protocol import (
    Object,
    PatchKind,
    WatchEvent,
    WatchType,
)
from clients.kube.resources import Resource
from sandbox.apiserver import ApiServer
from tests.contract.conftest import Place
from tests.fakes.kube import FakeKube, KubeWatcher

LONG: Final = timedelta(seconds=20)
"""Of a watch that ends when what is expected has been seen."""


@dataclasses.dataclass(frozen=True)
class Server:
    """A door, and a namespace of the test's own behind it."""

    door: KubeWatcher
    namespace: str
    collects: bool
    """Whether dependents of a deleted owner go too; in a cluster that is a controller's work."""
    marks: bool
    """Whether even a watch of seconds gets a bookmark; a kube-apiserver has its own rhythm."""
    forget: Callable[[], None]
    """Make the server forget the past, as it does by itself after a while."""


@pytest.fixture
def in_process() -> Server:
    """The sandbox's API server, without its network."""
    door = FakeKube(SystemClock())
    return Server(door, "test", collects=True, marks=True, forget=door.compact)


@pytest.fixture(scope="module")
def sandbox_server() -> Iterator[ApiServer]:
    """The module's sandbox API server, with a bookmark each second."""
    with ApiServer(bookmark_interval_seconds=1) as server:
        yield server


@pytest.fixture
def sandbox(sandbox_server: ApiServer) -> Iterator[Server]:
    """The sandbox's API server, reached by its URL."""
    door = connecting.connect(role="test", url=sandbox_server.url)
    namespace = door.create(resources.NAMESPACES, None, a_namespace())["metadata"]["name"]
    yield Server(door, namespace, collects=True, marks=True, forget=sandbox_server.compact)
    door.close()


@pytest.fixture
def apiserver(place_on_apiserver: Place) -> Server:
    """A real kube-apiserver, reached as its kubeconfig says; no controller runs."""
    # etcd's versions are far above 1 when the server is up: that past was never remembered.
    door, namespace = place_on_apiserver
    return Server(door, namespace, collects=False, marks=False, forget=lambda: None)


@pytest.fixture(params=["in_process", "sandbox", "apiserver"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each server in turn."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Server)
    return found


# --- builders


def a_namespace() -> dict[str, Any]:
    """A namespace with a made-up name."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "test-"}}


def a_virtual_service(name: str = "shop", **spec: Any) -> dict[str, Any]:
    """A custom resource with a status subresource and a free-form spec."""
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": {"hosts": ["shop"], **spec},
    }


def a_deployment(name: str = "shop", replicas: int = 1) -> dict[str, Any]:
    """A built-in kind with a status subresource."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            },
        },
    }


def a_config_map(name: str = "shop", **data: str) -> dict[str, Any]:
    """A built-in kind with neither status nor generation."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


BUILDERS: Final[Mapping[Resource, Any]] = {
    resources.VIRTUAL_SERVICES: a_virtual_service,
    resources.DEPLOYMENTS: a_deployment,
    resources.CONFIG_MAPS: a_config_map,
}

kinds = pytest.mark.parametrize("resource", list(BUILDERS), ids=lambda kind: kind.plural)
split_kinds = pytest.mark.parametrize(
    "resource",
    [resources.VIRTUAL_SERVICES, resources.DEPLOYMENTS],
    ids=lambda kind: kind.plural,
)


def created(server: Server, resource: Resource, **metadata: Any) -> Object:
    """A new object of the kind, with `metadata` over the builder's."""
    body = BUILDERS[resource]()
    body["metadata"] |= metadata
    return server.door.create(resource, server.namespace, body)


def annotated(server: Server, resource: Resource, value: str, name: str = "shop") -> Object:
    """The object after one more write, to an annotation."""
    patch = {"metadata": {"annotations": {"note": value}}}
    return server.door.patch(resource, server.namespace, name, patch)


def version(obj: Object) -> str:
    """The object's resourceVersion."""
    return str(obj["metadata"]["resourceVersion"])


def changes(
    server: Server, resource: Resource, since: str, count: int
) -> list[tuple[WatchType, str]]:
    """The first `count` changes after `since` as (type, resourceVersion), bookmarks left out."""
    stream = server.door.watch(resource, server.namespace, since, LONG)
    found = (event for event in stream if event.type is not WatchType.BOOKMARK)
    return [(event.type, version(event.object)) for event in islice(found, count)]


# --- creating and reading


@kinds
def test_a_created_object_can_be_read_back_with_its_identity(
    server: Server, resource: Resource
) -> None:
    """The server adds uid, resourceVersion and creationTimestamp; the rest is as it was sent."""
    made = created(server, resource, labels={"app": "shop"})
    read = server.door.get(resource, server.namespace, "shop")
    assert read == made
    assert (read["apiVersion"], read["kind"]) == (resource.api_version, resource.kind)
    metadata = read["metadata"]
    assert metadata["name"] == "shop"
    assert metadata["namespace"] == server.namespace
    assert metadata["labels"] == {"app": "shop"}
    assert metadata["uid"]
    assert version(read).isdecimal()
    assert metadata["creationTimestamp"].endswith("Z")


@kinds
def test_an_object_that_is_not_there_is_not_found(server: Server, resource: Resource) -> None:
    """Reading, writing and deleting nothing say NotFound, each with status 404."""
    door, namespace = server.door, server.namespace
    body = BUILDERS[resource]("absent")
    body["metadata"]["resourceVersion"] = "1"
    attempts = (
        lambda: door.get(resource, namespace, "absent"),
        lambda: door.patch(resource, namespace, "absent", {"metadata": {"labels": {"a": "b"}}}),
        lambda: door.replace(resource, namespace, "absent", body),
        lambda: door.delete(resource, namespace, "absent"),
    )
    for attempt in attempts:
        with pytest.raises(errors.NotFound) as failure:
            attempt()
        assert failure.value.status == 404


@kinds
def test_a_name_is_given_only_once(server: Server, resource: Resource) -> None:
    """A second creation under one name is AlreadyExists and changes nothing."""
    made = created(server, resource)
    with pytest.raises(errors.AlreadyExists):
        created(server, resource, labels={"second": "yes"})
    assert server.door.get(resource, server.namespace, "shop") == made


def test_a_made_up_name_starts_with_what_was_asked_for(server: Server) -> None:
    """Two objects created under one generateName get two names with that prefix."""
    body = a_config_map()
    body["metadata"] = {"generateName": "shop-"}
    names = {
        server.door.create(resources.CONFIG_MAPS, server.namespace, body)["metadata"]["name"]
        for _ in range(2)
    }
    assert len(names) == 2
    assert all(name.startswith("shop-") and len(name) > len("shop-") for name in names)


def test_a_body_of_another_kind_is_refused(server: Server) -> None:
    """An object sent to the address of another kind is Permanent, not stored."""
    with pytest.raises(errors.Permanent):
        server.door.create(resources.VIRTUAL_SERVICES, server.namespace, a_config_map())
    with pytest.raises(errors.NotFound):
        server.door.get(resources.VIRTUAL_SERVICES, server.namespace, "shop")


def test_fields_nobody_knows_survive_a_round_trip(server: Server) -> None:
    """Objects are raw JSON: numbers, nesting, empty containers and text come back as sent."""
    spec = {
        "http": [{"route": [{"weight": 100}], "corsPolicy": {}, "future": {"nested": [1, 2.5]}}],
        "text": 'quotes " and ünïcode',
        "large": 2**53,
    }
    server.door.create(
        resources.VIRTUAL_SERVICES, server.namespace, a_virtual_service("shop", **spec)
    )
    read = server.door.get(resources.VIRTUAL_SERVICES, server.namespace, "shop")
    assert read["spec"] == {"hosts": ["shop"], **spec}


def test_what_is_handed_out_and_taken_in_is_a_copy(server: Server) -> None:
    """Changing an object in the caller's hands changes nothing at the server."""
    body = a_virtual_service()
    made = server.door.create(resources.VIRTUAL_SERVICES, server.namespace, body)
    body["spec"]["hosts"].append("mine")
    made["spec"]["hosts"].append("mine")
    read = server.door.get(resources.VIRTUAL_SERVICES, server.namespace, "shop")
    assert read["spec"]["hosts"] == ["shop"]


# --- preconditions


@kinds
def test_a_replacement_computed_from_an_older_version_is_a_conflict(
    server: Server, resource: Resource
) -> None:
    """PUT with a stale resourceVersion writes nothing."""
    stale = created(server, resource)
    newer = annotated(server, resource, "newer")
    with pytest.raises(errors.Conflict) as failure:
        server.door.replace(resource, server.namespace, "shop", stale)
    assert not isinstance(failure.value, errors.AlreadyExists)
    assert server.door.get(resource, server.namespace, "shop") == newer


@kinds
def test_a_replacement_computed_from_the_latest_version_is_written(
    server: Server, resource: Resource
) -> None:
    """PUT with the current resourceVersion stores the object under a new one, with the same uid."""
    made = created(server, resource, labels={"a": "1", "b": "2"})
    body = {**made, "metadata": {**made["metadata"], "labels": {"a": "1"}}}
    written = server.door.replace(resource, server.namespace, "shop", body)
    assert written["metadata"]["labels"] == {"a": "1"}
    assert written["metadata"]["uid"] == made["metadata"]["uid"]
    assert version(written) != version(made)


def test_a_custom_resource_is_not_replaced_without_a_version(server: Server) -> None:
    """PUT of a custom resource that names no resourceVersion is Permanent."""
    created(server, resources.VIRTUAL_SERVICES)
    with pytest.raises(errors.Permanent):
        server.door.replace(
            resources.VIRTUAL_SERVICES, server.namespace, "shop", a_virtual_service()
        )


@kinds
@pytest.mark.parametrize("kind", PatchKind)
def test_a_patch_computed_from_an_older_version_is_a_conflict(
    server: Server, resource: Resource, kind: PatchKind
) -> None:
    """A resourceVersion inside a patch is a precondition, in both kinds of patches."""
    stale = version(created(server, resource))
    newer = annotated(server, resource, "newer")
    patch: Any = {"metadata": {"resourceVersion": stale, "labels": {"a": "b"}}}
    if kind is PatchKind.JSON:
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": stale},
            {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
        ]
    with pytest.raises(errors.Conflict):
        server.door.patch(resource, server.namespace, "shop", patch, kind=kind)
    assert server.door.get(resource, server.namespace, "shop") == newer


@kinds
def test_a_patch_computed_from_the_latest_version_is_written(
    server: Server, resource: Resource
) -> None:
    """The current resourceVersion as a precondition lets a merge patch through."""
    made = created(server, resource)
    patch = {"metadata": {"resourceVersion": version(made), "labels": {"a": "b"}}}
    written = server.door.patch(resource, server.namespace, "shop", patch)
    assert written["metadata"]["labels"] == {"a": "b"}
    assert version(written) != version(made)


def test_an_earlier_object_of_that_name_is_not_written(server: Server) -> None:
    """A uid is a precondition: a namesake created later is neither replaced nor patched.

    The API server calls a patch of the uid now a conflict, now an attempt to change the uid.
    """
    first = created(server, resources.CONFIG_MAPS)
    server.door.delete(resources.CONFIG_MAPS, server.namespace, "shop")
    second = created(server, resources.CONFIG_MAPS)
    uid = {"uid": first["metadata"]["uid"]}
    body = {**second, "metadata": {**second["metadata"], **uid}, "data": {"a": "b"}}
    with pytest.raises(errors.Conflict):
        server.door.replace(resources.CONFIG_MAPS, server.namespace, "shop", body)
    with pytest.raises((errors.Conflict, errors.Permanent)):
        server.door.patch(resources.CONFIG_MAPS, server.namespace, "shop", {"metadata": uid})
    assert server.door.get(resources.CONFIG_MAPS, server.namespace, "shop") == second


@split_kinds
def test_a_status_write_computed_from_an_older_version_is_a_conflict(
    server: Server, resource: Resource
) -> None:
    """The precondition holds for the status subresource as well."""
    stale = version(created(server, resource))
    annotated(server, resource, "newer")
    patch = {"metadata": {"resourceVersion": stale}, "status": {"observedGeneration": 1}}
    with pytest.raises(errors.Conflict):
        server.door.patch(resource, server.namespace, "shop", patch, subresource="status")


@kinds
def test_a_write_that_changes_nothing_makes_no_new_version(
    server: Server, resource: Resource
) -> None:
    """A merge patch with the values that are there leaves the resourceVersion as it is."""
    created(server, resource)
    first = annotated(server, resource, "same")
    assert version(annotated(server, resource, "same")) == version(first)


# --- patches


def test_a_merge_patch_deletes_with_null_and_replaces_lists_whole(server: Server) -> None:
    """RFC 7386: maps are merged, null removes a key, a list is not merged."""
    spec = {"gateways": ["a", "b"], "http": [{"name": "x"}], "kept": {"one": 1, "two": 2}}
    server.door.create(
        resources.VIRTUAL_SERVICES, server.namespace, a_virtual_service("shop", **spec)
    )
    patch = {"spec": {"gateways": ["c"], "http": None, "kept": {"two": None, "three": 3}}}
    written = server.door.patch(resources.VIRTUAL_SERVICES, server.namespace, "shop", patch)
    assert written["spec"] == {
        "hosts": ["shop"],
        "gateways": ["c"],
        "kept": {"one": 1, "three": 3},
    }


def test_a_json_patch_is_carried_out_in_order(server: Server) -> None:
    """RFC 6902: add, replace, remove, move, copy and test, with escaped keys and list ends."""
    spec = {"http": [{"weight": 1}, {"weight": 2}], "a/b": 1, "gone": 1, "old": 5}
    server.door.create(
        resources.VIRTUAL_SERVICES, server.namespace, a_virtual_service("shop", **spec)
    )
    operations: list[dict[str, Any]] = [
        {"op": "test", "path": "/spec/http/0/weight", "value": 1},
        {"op": "replace", "path": "/spec/http/0/weight", "value": 9},
        {"op": "add", "path": "/spec/http/-", "value": {"weight": 3}},
        {"op": "add", "path": "/spec/http/1", "value": {"weight": 5}},
        {"op": "replace", "path": "/spec/a~1b", "value": 2},
        {"op": "remove", "path": "/spec/gone"},
        {"op": "move", "from": "/spec/old", "path": "/spec/new"},
        {"op": "copy", "from": "/spec/new", "path": "/spec/again"},
    ]
    written = server.door.patch(
        resources.VIRTUAL_SERVICES, server.namespace, "shop", operations, kind=PatchKind.JSON
    )
    assert written["spec"] == {
        "hosts": ["shop"],
        "http": [{"weight": 9}, {"weight": 5}, {"weight": 2}, {"weight": 3}],
        "a/b": 2,
        "new": 5,
        "again": 5,
    }


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/spec/hosts/0", "value": "other"},
        {"op": "remove", "path": "/spec/absent"},
        {"op": "add", "path": "/spec/absent/deeper", "value": 1},
        {"op": "add", "path": "/spec/hosts/7", "value": "x"},
    ],
    ids=lambda operation: f"{operation['op']} {operation['path']}",
)
def test_a_json_patch_that_does_not_fit_changes_nothing(
    server: Server, operation: Mapping[str, Any]
) -> None:
    """One operation that cannot be carried out makes the whole patch Permanent."""
    made = created(server, resources.VIRTUAL_SERVICES)
    operations = [{"op": "add", "path": "/spec/first", "value": 1}, operation]
    with pytest.raises(errors.Permanent):
        server.door.patch(
            resources.VIRTUAL_SERVICES, server.namespace, "shop", operations, kind=PatchKind.JSON
        )
    assert server.door.get(resources.VIRTUAL_SERVICES, server.namespace, "shop") == made


# --- status and generation


@split_kinds
def test_a_status_write_changes_the_status_and_nothing_else(
    server: Server, resource: Resource
) -> None:
    """Through the subresource, spec and generation stay as they are."""
    made = created(server, resource)
    patch = {"status": {"observedGeneration": 7}, "spec": {"replicas": 5, "paused": True}}
    written = server.door.patch(resource, server.namespace, "shop", patch, subresource="status")
    assert written["status"]["observedGeneration"] == 7
    assert written["spec"] == made["spec"]
    assert written["metadata"]["generation"] == made["metadata"]["generation"]
    assert version(written) != version(made)


@split_kinds
def test_a_write_of_the_object_leaves_the_status_alone(server: Server, resource: Resource) -> None:
    """Creating, patching and replacing the object cannot set or remove its status."""
    body = {**BUILDERS[resource](), "status": {"observedGeneration": 3}}
    made = server.door.create(resource, server.namespace, body)
    assert made.get("status", {}).get("observedGeneration") is None
    server.door.patch(
        resource,
        server.namespace,
        "shop",
        {"status": {"observedGeneration": 7}},
        subresource="status",
    )
    patch = {"metadata": {"labels": {"a": "b"}}, "status": {"observedGeneration": 9}}
    patched = server.door.patch(resource, server.namespace, "shop", patch)
    assert patched["status"]["observedGeneration"] == 7
    without = {key: value for key, value in patched.items() if key != "status"}
    replaced = server.door.replace(resource, server.namespace, "shop", without)
    assert replaced["status"]["observedGeneration"] == 7


def test_a_kind_without_a_status_has_no_such_subresource(server: Server) -> None:
    """Writing the status of a ConfigMap is NotFound."""
    created(server, resources.CONFIG_MAPS)
    with pytest.raises(errors.NotFound):
        server.door.patch(
            resources.CONFIG_MAPS, server.namespace, "shop", {"status": {}}, subresource="status"
        )


@split_kinds
def test_the_generation_counts_changes_of_the_spec_only(server: Server, resource: Resource) -> None:
    """It starts at 1; metadata and status do not move it, each change of the spec does by one."""
    generations = [created(server, resource)["metadata"]["generation"]]
    spec_patches: dict[Resource, dict[str, Any]] = {
        resources.VIRTUAL_SERVICES: {"spec": {"hosts": ["other"]}},
        resources.DEPLOYMENTS: {"spec": {"replicas": 3}},
    }
    door, namespace = server.door, server.namespace
    writes: list[tuple[dict[str, Any], str | None]] = [
        ({"metadata": {"labels": {"a": "b"}}}, None),
        ({"status": {"observedGeneration": 1}}, "status"),
        (spec_patches[resource], None),
        (spec_patches[resource], None),
    ]
    for patch, subresource in writes:
        written = door.patch(resource, namespace, "shop", patch, subresource=subresource)
        generations.append(written["metadata"]["generation"])
    assert generations == [1, 1, 1, 2, 2]


def test_clients_do_not_set_what_the_server_keeps(server: Server) -> None:
    """A generation and creationTimestamp in a write are dropped."""
    made = created(
        server, resources.DEPLOYMENTS, generation=42, creationTimestamp="2001-01-01T00:00:00Z"
    )
    assert made["metadata"]["generation"] == 1
    assert not made["metadata"]["creationTimestamp"].startswith("2001")
    patch = {"metadata": {"generation": 42, "creationTimestamp": "2001-01-01T00:00:00Z"}}
    written = server.door.patch(resources.DEPLOYMENTS, server.namespace, "shop", patch)
    assert written["metadata"]["generation"] == 1
    assert written["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]


# --- deletion


@kinds
def test_a_deleted_object_is_gone(server: Server, resource: Resource) -> None:
    """After a deletion the name is free, and the next object of that name is another one."""
    first = created(server, resource)
    server.door.delete(resource, server.namespace, "shop")
    with pytest.raises(errors.NotFound):
        server.door.get(resource, server.namespace, "shop")
    second = created(server, resource)
    assert second["metadata"]["uid"] != first["metadata"]["uid"]


def test_a_finalizer_holds_a_deleted_object_until_it_is_removed(server: Server) -> None:
    """Marked by deletionTimestamp it stays readable; without finalizers it goes at once."""
    resource, name = resources.VIRTUAL_SERVICES, "shop"
    created(server, resource, finalizers=["example.com/hold"])
    server.door.delete(resource, server.namespace, name)
    marked = server.door.get(resource, server.namespace, name)
    assert marked["metadata"]["deletionTimestamp"]
    assert marked["metadata"]["generation"] == 2
    server.door.delete(resource, server.namespace, name)
    again = server.door.get(resource, server.namespace, name)
    assert again["metadata"]["deletionTimestamp"] == marked["metadata"]["deletionTimestamp"]
    server.door.patch(resource, server.namespace, name, {"metadata": {"finalizers": None}})
    with pytest.raises(errors.NotFound):
        server.door.get(resource, server.namespace, name)


def test_a_deleted_owner_takes_its_dependents_along(server: Server) -> None:
    """Dependents with no other owner go; one with a second living owner stays with that one."""
    if not server.collects:
        pytest.skip("the garbage collector is a controller; none runs here")
    owners = [
        server.door.create(resources.CONFIG_MAPS, server.namespace, a_config_map(name))
        for name in ("first", "second")
    ]
    references = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
        for owner in owners
    ]
    created(server, resources.VIRTUAL_SERVICES, ownerReferences=references[:1])
    created(server, resources.DEPLOYMENTS, ownerReferences=references)
    server.door.delete(resources.CONFIG_MAPS, server.namespace, "first")
    with pytest.raises(errors.NotFound):
        server.door.get(resources.VIRTUAL_SERVICES, server.namespace, "shop")
    kept = server.door.get(resources.DEPLOYMENTS, server.namespace, "shop")
    assert references[1] in kept["metadata"]["ownerReferences"]


def test_an_orphaning_deletion_leaves_the_dependents(server: Server) -> None:
    """With propagation Orphan the dependent stays, without the reference."""
    if not server.collects:
        pytest.skip("the garbage collector is a controller; none runs here")
    owner = created(server, resources.CONFIG_MAPS)
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "shop",
        "uid": owner["metadata"]["uid"],
    }
    created(server, resources.VIRTUAL_SERVICES, ownerReferences=[reference])
    path = resources.CONFIG_MAPS.path(server.namespace, "shop")
    server.door.request("DELETE", f"{path}?propagationPolicy=Orphan")
    kept = server.door.get(resources.VIRTUAL_SERVICES, server.namespace, "shop")
    assert not kept["metadata"].get("ownerReferences")


# --- lists


@kinds
def test_a_list_has_every_object_of_the_namespace_complete(
    server: Server, resource: Resource
) -> None:
    """Items equal what `get` gives, apiVersion and kind included; other namespaces are left out."""
    for name in ("one", "two"):
        created(server, resource, name=name)
    listing = server.door.list(resource, server.namespace)
    mine = {
        item["metadata"]["name"]: item
        for item in listing.items
        if item["metadata"]["name"] in {"one", "two"}
    }
    assert mine == {
        name: server.door.get(resource, server.namespace, name) for name in ("one", "two")
    }
    assert {item["metadata"]["namespace"] for item in listing.items} == {server.namespace}
    assert listing.resource_version.isdecimal()


def test_a_list_of_all_namespaces_includes_this_one(server: Server) -> None:
    """Without a namespace the collection spans the cluster.

    Beside an odd object of another test an item is read without its managedFields.
    """
    made = created(server, resources.VIRTUAL_SERVICES)
    listing = server.door.list(resources.VIRTUAL_SERVICES)
    (listed,) = (
        item for item in listing.items if item["metadata"]["uid"] == made["metadata"]["uid"]
    )
    for each in (made, listed):
        each["metadata"].pop("managedFields", None)
    assert listed == made


def test_a_list_longer_than_a_page_is_complete(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of three put together give each of ten objects exactly once."""
    monkeypatch.setattr(rest, "PAGE", 3)
    prefix = f"page-{secrets.token_hex(3)}"
    names = [f"{prefix}-{number}" for number in range(10)]
    for name in names:
        created(server, resources.VIRTUAL_SERVICES, name=name)
    listing = server.door.list(resources.VIRTUAL_SERVICES, server.namespace)
    assert sorted(item["metadata"]["name"] for item in listing.items) == names
    wanted = set(names[::4])
    kept = server.door.list(
        resources.VIRTUAL_SERVICES, server.namespace, lambda raw: raw["metadata"]["name"] in wanted
    )
    assert {item["metadata"]["name"] for item in kept.items} == wanted
    assert int(kept.resource_version) >= int(listing.resource_version)


def test_an_empty_list_is_a_place_to_watch_from(server: Server) -> None:
    """A collection without objects has a resourceVersion, and the next creation is seen from it."""
    listing = server.door.list(resources.VIRTUAL_SERVICES, server.namespace)
    assert listing.items == ()
    made = created(server, resources.VIRTUAL_SERVICES)
    seen = changes(server, resources.VIRTUAL_SERVICES, listing.resource_version, 1)
    assert seen == [(WatchType.ADDED, version(made))]


# --- watches


@kinds
def test_a_watch_shows_every_write_in_order(server: Server, resource: Resource) -> None:
    """Creation, changes and deletion come as they were made, none left out, none doubled."""
    since = server.door.list(resource, server.namespace).resource_version
    versions = [version(created(server, resource))]
    versions += [version(annotated(server, resource, str(number))) for number in range(5)]
    server.door.delete(resource, server.namespace, "shop")
    seen = changes(server, resource, since, 7)
    assert seen[:6] == [
        (WatchType.ADDED, versions[0]),
        *((WatchType.MODIFIED, each) for each in versions[1:]),
    ]
    assert seen[6][0] is WatchType.DELETED


def test_a_watch_goes_on_where_another_ended(server: Server) -> None:
    """From the resourceVersion of an event on, later events come and earlier ones do not."""
    resource = resources.VIRTUAL_SERVICES
    first = created(server, resource)
    second = annotated(server, resource, "2")
    third = annotated(server, resource, "3")
    assert changes(server, resource, version(first), 2) == [
        (WatchType.MODIFIED, version(second)),
        (WatchType.MODIFIED, version(third)),
    ]
    assert changes(server, resource, version(second), 1) == [(WatchType.MODIFIED, version(third))]


def test_an_event_carries_the_complete_object(server: Server) -> None:
    """What a watch gives for a write equals what the write gave."""
    since = server.door.list(resources.DEPLOYMENTS, server.namespace).resource_version
    made = created(server, resources.DEPLOYMENTS)
    stream = server.door.watch(resources.DEPLOYMENTS, server.namespace, since, LONG)
    assert next(stream) == WatchEvent(WatchType.ADDED, made)


def test_a_watch_of_one_namespace_does_not_see_another(server: Server) -> None:
    """A write elsewhere is not among the events; one here, made later, is the first."""
    resource = resources.VIRTUAL_SERVICES
    since = server.door.list(resource, server.namespace).resource_version
    other = server.door.create(resources.NAMESPACES, None, a_namespace())["metadata"]["name"]
    server.door.create(resource, other, a_virtual_service())
    made = created(server, resource)
    assert changes(server, resource, since, 1) == [(WatchType.ADDED, version(made))]


def test_a_watch_ends_after_its_timeout_and_can_be_resumed(server: Server) -> None:
    """Its bookmarks say how far it came: not behind the last event, and later writes follow."""
    resource = resources.VIRTUAL_SERVICES
    since = server.door.list(resource, server.namespace).resource_version
    made = created(server, resource)
    events = list(server.door.watch(resource, server.namespace, since, timedelta(seconds=3)))
    kinds_seen = [event.type for event in events]
    assert kinds_seen[0] is WatchType.ADDED
    assert set(kinds_seen[1:]) <= {WatchType.BOOKMARK}
    assert len(events) > 1 or not server.marks
    reached = version(events[-1].object)
    assert int(reached) >= int(version(made))
    later = annotated(server, resource, "later")
    assert changes(server, resource, reached, 1) == [(WatchType.MODIFIED, version(later))]


def test_a_finalizer_removed_shows_as_the_deletion(server: Server) -> None:
    """A held object is MODIFIED when marked, DELETED when let go."""
    resource = resources.VIRTUAL_SERVICES
    made = created(server, resource, finalizers=["example.com/hold"])
    server.door.delete(resource, server.namespace, "shop")
    server.door.patch(resource, server.namespace, "shop", {"metadata": {"finalizers": None}})
    seen = [kind for kind, _ in changes(server, resource, version(made), 2)]
    assert seen[0] is WatchType.MODIFIED
    assert seen[-1] is WatchType.DELETED


def test_a_forgotten_past_is_expired(server: Server) -> None:
    """A watch from before what the server remembers raises Expired: time to list again."""
    created(server, resources.VIRTUAL_SERVICES)
    annotated(server, resources.VIRTUAL_SERVICES, "later")
    server.forget()
    stream = server.door.watch(resources.VIRTUAL_SERVICES, server.namespace, "1", LONG)
    with pytest.raises(errors.Expired):
        next(stream)
