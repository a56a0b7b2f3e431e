"""What the in-memory API server adds for tests: call log, faults, simulated time; and patches.

That it behaves like an API server is the contract suite's business.
"""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients import errors
from clients.clock import ManualClock
from clients.kube import patches, protocol, resources
from clients.kube.faults import Call, Fault
from clients.kube.memory import KubeMemory

START = datetime(2026, 1, 1, 12, 0, 0, 999, tzinfo=UTC)
SECRET: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
CANARY: dict[str, Any] = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "shop"},
    "spec": {"targetRef": {"kind": "Deployment", "name": "shop"}},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=12,
)


@pytest.fixture
def clock() -> ManualClock:
    """The cluster's time."""
    return ManualClock(START)


@pytest.fixture
def cluster(clock: ManualClock) -> KubeMemory:
    """An empty cluster."""
    return KubeMemory(clock)


def test_every_request_is_logged_in_order(cluster: KubeMemory) -> None:
    """Verb, plural, subresource and name; requests that failed are there too."""
    cluster.create(resources.CANARIES, "prod", CANARY)
    cluster.patch(resources.CANARIES, "prod", "shop", {"status": {}}, subresource="status")
    with pytest.raises(errors.NotFound):
        cluster.get(resources.SECRETS, "prod", "absent")
    cluster.list(resources.CANARIES)
    cluster.delete(resources.CANARIES, "prod", "shop")
    assert cluster.calls == [
        ("create", "canaries", None, "shop"),
        ("patch", "canaries", "status", "shop"),
        ("get", "secrets", None, "absent"),
        ("list", "canaries", None, None),
        ("delete", "canaries", None, "shop"),
    ]


def test_a_fault_strikes_as_often_as_it_is_told(cluster: KubeMemory) -> None:
    """The matching calls fail, others do not, and afterwards all is well."""
    cluster.create(resources.CANARIES, "prod", CANARY)
    cluster.faults.add(Fault(errors.Transient("cut"), verb="get", name="shop", times=2))
    cluster.list(resources.CANARIES)
    for _ in range(2):
        with pytest.raises(errors.Transient, match="cut"):
            cluster.get(resources.CANARIES, "prod", "shop")
    assert cluster.get(resources.CANARIES, "prod", "shop")["kind"] == "Canary"


def test_a_fault_before_the_call_prevents_it(cluster: KubeMemory) -> None:
    """A refused write changes nothing."""
    cluster.faults.add(Fault(errors.Permanent("no"), verb="create"))
    with pytest.raises(errors.Permanent):
        cluster.create(resources.CANARIES, "prod", CANARY)
    assert cluster.list(resources.CANARIES).items == ()


def test_a_fault_after_the_call_loses_the_answer_only(cluster: KubeMemory) -> None:
    """The write happened, and the caller cannot know."""
    cluster.faults.add(Fault(errors.Transient("cut"), verb="create", after=True))
    with pytest.raises(errors.Transient):
        cluster.create(resources.CANARIES, "prod", CANARY)
    assert len(cluster.list(resources.CANARIES).items) == 1


def test_a_fault_can_be_a_rival_writer(cluster: KubeMemory) -> None:
    """A function runs just before the call: the classic way to provoke a conflict."""
    made = cluster.create(resources.CANARIES, "prod", CANARY)
    rival = {"metadata": {"labels": {"rival": "yes"}}}

    def write_first() -> None:
        cluster.patch(resources.CANARIES, "prod", "shop", rival)

    cluster.faults.add(Fault(write_first, verb="patch"))
    version = made["metadata"]["resourceVersion"]
    with pytest.raises(errors.Conflict):
        cluster.patch(
            resources.CANARIES, "prod", "shop", {"metadata": {"resourceVersion": version}}
        )


def test_a_healed_server_has_no_faults(cluster: KubeMemory) -> None:
    """`clear` forgets what was still to come."""
    cluster.faults.add(Fault(errors.Transient("cut"), times=100))
    cluster.faults.clear()
    assert cluster.list(resources.CANARIES).items == ()


def test_objects_are_born_at_the_clusters_time(cluster: KubeMemory, clock: ManualClock) -> None:
    """Both timestamps of an object are the clock's, in whole seconds."""
    body = {**CANARY, "metadata": {"name": "shop", "finalizers": ["x/y"]}}
    made = cluster.create(resources.CANARIES, "prod", body)
    clock.advance(timedelta(minutes=1))
    cluster.delete(resources.CANARIES, "prod", "shop")
    held = cluster.get(resources.CANARIES, "prod", "shop")
    assert made["metadata"]["creationTimestamp"] == "2026-01-01T12:00:00Z"
    assert held["metadata"]["deletionTimestamp"] == "2026-01-01T12:01:00Z"


def test_a_watch_of_no_duration_gives_what_has_happened(cluster: KubeMemory) -> None:
    """Simulations read events without waiting; the past must still be remembered."""
    since = cluster.list(resources.SECRETS).resource_version
    cluster.create(resources.SECRETS, "prod", SECRET)
    events = list(cluster.watch(resources.SECRETS, None, since, timedelta()))
    assert [event.type for event in events] == [
        protocol.WatchType.ADDED,
        protocol.WatchType.BOOKMARK,
    ]


def test_a_watch_lasts_as_long_as_the_clusters_time(
    cluster: KubeMemory, clock: ManualClock
) -> None:
    """With a manual clock it goes on until the clock is moved, and sees what is written."""
    seen: list[protocol.WatchType] = []

    def read() -> None:
        stream = cluster.watch(resources.SECRETS, None, "1", timedelta(minutes=5))
        seen.extend(event.type for event in stream)

    reader = threading.Thread(target=read)
    reader.start()
    cluster.create(resources.SECRETS, "prod", SECRET)
    reader.join(0.2)
    assert reader.is_alive()
    clock.advance(timedelta(minutes=5))
    reader.join(5)
    assert seen == [protocol.WatchType.ADDED, protocol.WatchType.BOOKMARK]


def test_both_versions_of_a_group_show_one_object(cluster: KubeMemory) -> None:
    """What is written as v1beta1 can be read as v1, under that apiVersion."""
    body = {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": "shop"},
    }
    cluster.create(resources.VIRTUAL_SERVICES, "prod", body)
    newer = resources.Resource("networking.istio.io", "v1", "virtualservices", "VirtualService")
    read = cluster.get(newer, "prod", "shop")
    assert read["apiVersion"] == "networking.istio.io/v1"


def test_writers_in_many_threads_lose_no_write(cluster: KubeMemory) -> None:
    """Compare-and-set by resourceVersion counts to exactly the number of increments."""
    cluster.create(resources.CANARIES, "prod", {**CANARY, "spec": {"count": 0}})

    def increment() -> None:
        for _ in range(20):
            while True:
                read = cluster.get(resources.CANARIES, "prod", "shop")
                version = read["metadata"]["resourceVersion"]
                patch = {
                    "metadata": {"resourceVersion": version},
                    "spec": {"count": read["spec"]["count"] + 1},
                }
                try:
                    cluster.patch(resources.CANARIES, "prod", "shop", patch)
                except errors.Conflict:
                    continue
                break

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cluster.get(resources.CANARIES, "prod", "shop")["spec"]["count"] == 80


@given(target=json_values, patch=st.dictionaries(st.text(max_size=2), json_values))
def test_a_merge_patch_twice_is_a_merge_patch_once(target: Any, patch: dict[str, Any]) -> None:
    """RFC 7386 patches are idempotent, and the result holds no null of theirs at top level."""
    once = patches.merged(target, patch)
    assert patches.merged(once, patch) == once
    assert all(once[key] is not None for key in patch if key in once)


@given(target=st.dictionaries(st.text(max_size=2), json_values), value=json_values)
def test_a_json_patch_can_be_undone(target: dict[str, Any], value: Any) -> None:
    """Adding under a new key and removing it again gives what was there; the input is unchanged."""
    before = dict(target)
    target.pop("a/~b", None)
    added = patches.operated(target, [{"op": "add", "path": "/a~1~0b", "value": value}])
    assert added["a/~b"] == value
    assert patches.operated(added, [{"op": "remove", "path": "/a~1~0b"}]) == target
    assert target == {key: kept for key, kept in before.items() if key != "a/~b"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "rename", "path": "/a", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "replace", "path": "/absent", "value": 1},
        {"op": "remove", "path": "/list/-1"},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "add", "path": "/text/x", "value": 1},
        {"path": "/a"},
    ],
)
def test_an_operation_that_does_not_fit_is_named(operation: dict[str, Any]) -> None:
    """The message has the operation's number, counted from 0.

    An API server lets `replace` of an absent key pass as `add`; this one is stricter.
    """
    document = {"a": 1, "list": [1], "text": "x"}
    with pytest.raises(patches.UnfitPatch, match="operation 1 "):
        patches.operated(document, [{"op": "test", "path": "/a", "value": 1}, operation])


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (resources.SERVICES, ("a", "b"), "/api/v1/namespaces/a/services/b"),
        (resources.NAMESPACES, (None, "a"), "/api/v1/namespaces/a"),
        (resources.CANARIES, (None,), "/apis/flagger.app/v1beta1/canaries"),
        (
            resources.CANARIES,
            ("a", "b", "status"),
            "/apis/flagger.app/v1beta1/namespaces/a/canaries/b/status",
        ),
        (resources.SECRETS, ("a", "b/../c"), "/api/v1/namespaces/a/secrets/b%2F..%2Fc"),
    ],
)
def test_every_object_has_its_path(
    resource: resources.Resource, arguments: tuple[str | None, ...], path: str
) -> None:
    """The API's paths; a name cannot break out of its segment."""
    assert resource.path(*arguments) == path


@pytest.mark.parametrize(
    ("resource", "arguments"),
    [
        (resources.NAMESPACES, ("a", "b")),
        (resources.SECRETS, (None, "b")),
        (resources.SECRETS, ("a", None, "status")),
        (resources.SECRETS, ("a", "..")),
    ],
)
def test_what_has_no_path_is_refused(
    resource: resources.Resource, arguments: tuple[str | None, ...]
) -> None:
    """An address of something else than meant is never built."""
    with pytest.raises(ValueError, match=r"namespace|needs the name|not the name"):
        resource.path(*arguments)


def test_a_call_is_a_plain_tuple() -> None:
    """Tests may count calls by comparing tuples."""
    assert Call("get", "secrets", None, "s") == ("get", "secrets", None, "s")


@given(st.floats(0, 1, exclude_max=True))
def test_watches_last_between_four_and_five_minutes(random: float) -> None:
    """The jitter of a watch's duration stays within its bounds."""
    duration = protocol.watch_timeout(lambda: random)
    assert timedelta(minutes=4) <= duration <= timedelta(minutes=5)
