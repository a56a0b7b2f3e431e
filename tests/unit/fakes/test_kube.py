"""What the cluster of tests adds to the sandbox's API server: call log, faults, simulated time.

That it behaves like an API server is the contract suite's business.
"""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clients import errors
from clients.clock import ManualClock
from clients.kube import protocol, resources
from tests import patience
from tests.fakes.faults import Call, Fault
from tests.fakes.kube import FakeKube
from tests.patience import until

START = datetime(2026, 1, 1, 12, 0, 0, 999, tzinfo=UTC)
SECRET: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
CANARY: dict[str, Any] = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "shop"},
    "spec": {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
        "service": {"port": 80},
        "analysis": {"interval": "30s", "threshold": 4, "stepWeight": 10, "maxWeight": 50},
    },
}


@pytest.fixture
def clock() -> ManualClock:
    """The cluster's time."""
    return ManualClock(START)


@pytest.fixture
def cluster(clock: ManualClock) -> FakeKube:
    """An empty cluster."""
    return FakeKube(clock)


def test_every_request_is_logged_in_order(cluster: FakeKube) -> None:
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


def test_a_fault_strikes_as_often_as_it_is_told(cluster: FakeKube) -> None:
    """The matching calls fail, others do not, and afterwards all is well."""
    cluster.create(resources.CANARIES, "prod", CANARY)
    cluster.faults.add(Fault(errors.Transient("cut"), verb="get", name="shop", times=2))
    cluster.list(resources.CANARIES)
    for _ in range(2):
        with pytest.raises(errors.Transient, match="cut"):
            cluster.get(resources.CANARIES, "prod", "shop")
    assert cluster.get(resources.CANARIES, "prod", "shop")["kind"] == "Canary"


def test_a_fault_before_the_call_prevents_it(cluster: FakeKube) -> None:
    """A refused write changes nothing."""
    cluster.faults.add(Fault(errors.Permanent("no"), verb="create"))
    with pytest.raises(errors.Permanent):
        cluster.create(resources.CANARIES, "prod", CANARY)
    assert cluster.list(resources.CANARIES).items == ()


def test_a_fault_after_the_call_loses_the_answer_only(cluster: FakeKube) -> None:
    """The write happened, and the caller cannot know."""
    cluster.faults.add(Fault(errors.Transient("cut"), verb="create", after=True))
    with pytest.raises(errors.Transient):
        cluster.create(resources.CANARIES, "prod", CANARY)
    assert len(cluster.list(resources.CANARIES).items) == 1


def test_a_fault_can_be_a_rival_writer(cluster: FakeKube) -> None:
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


def test_a_healed_server_has_no_faults(cluster: FakeKube) -> None:
    """`clear` forgets what was still to come."""
    cluster.faults.add(Fault(errors.Transient("cut"), times=100))
    cluster.faults.clear()
    assert cluster.list(resources.CANARIES).items == ()


def test_objects_are_born_at_the_clusters_time(cluster: FakeKube, clock: ManualClock) -> None:
    """Both timestamps of an object are the clock's, in whole seconds."""
    body = {**CANARY, "metadata": {"name": "shop", "finalizers": ["x/y"]}}
    made = cluster.create(resources.CANARIES, "prod", body)
    clock.advance(timedelta(minutes=1))
    cluster.delete(resources.CANARIES, "prod", "shop")
    held = cluster.get(resources.CANARIES, "prod", "shop")
    assert made["metadata"]["creationTimestamp"] == "2026-01-01T12:00:00Z"
    assert held["metadata"]["deletionTimestamp"] == "2026-01-01T12:01:00Z"


def test_a_watch_of_no_duration_gives_what_has_happened(cluster: FakeKube) -> None:
    """Simulations read events without waiting; the past must still be remembered."""
    since = cluster.list(resources.SECRETS).resource_version
    cluster.create(resources.SECRETS, "prod", SECRET)
    events = list(cluster.watch(resources.SECRETS, None, since, timedelta()))
    assert [event.type for event in events] == [
        protocol.WatchType.ADDED,
        protocol.WatchType.BOOKMARK,
    ]


def test_a_watch_lasts_as_long_as_the_clusters_time(cluster: FakeKube, clock: ManualClock) -> None:
    """With a manual clock it goes on until the clock is moved, and sees what is written."""
    seen: list[protocol.WatchType] = []

    def read() -> None:
        stream = cluster.watch(resources.SECRETS, None, "1", timedelta(minutes=5))
        seen.extend(event.type for event in stream)

    reader = threading.Thread(target=read)
    reader.start()
    cluster.create(resources.SECRETS, "prod", SECRET)
    until(lambda: seen)
    assert reader.is_alive()
    clock.advance(timedelta(minutes=5))
    reader.join(patience.SECONDS)
    assert seen == [protocol.WatchType.ADDED, protocol.WatchType.BOOKMARK]


def test_both_versions_of_a_group_show_one_object(cluster: FakeKube) -> None:
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


def test_writers_in_many_threads_lose_no_write(cluster: FakeKube) -> None:
    """Compare-and-set by resourceVersion counts to exactly the number of increments."""
    cluster.create(resources.CANARIES, "prod", CANARY)

    def increment() -> None:
        for _ in range(20):
            while True:
                read = cluster.get(resources.CANARIES, "prod", "shop")
                version = read["metadata"]["resourceVersion"]
                patch = {
                    "metadata": {"resourceVersion": version},
                    "spec": {"service": {"port": read["spec"]["service"]["port"] + 1}},
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
    assert cluster.get(resources.CANARIES, "prod", "shop")["spec"]["service"]["port"] == 160


def test_a_call_is_a_plain_tuple() -> None:
    """Tests may count calls by comparing tuples."""
    assert Call("get", "secrets", None, "s") == ("get", "secrets", None, "s")


def test_the_definitions_are_those_that_are_deployed(cluster: FakeKube) -> None:
    """What the CRD refuses is refused, until a definition that checks nothing takes its place."""
    odd = {**CANARY, "spec": {**CANARY["spec"], "analysis": {"interval": "soon"}, "extra": 1}}
    with pytest.raises(errors.Permanent, match=r"spec\.analysis\.interval"):
        cluster.create(resources.CANARIES, "prod", odd)
    cluster.admit_anything()
    assert cluster.create(resources.CANARIES, "prod", odd)["spec"] == odd["spec"]


def test_a_restored_object_is_as_it_was(cluster: FakeKube) -> None:
    """Its uid included, so that what it owns finds it."""
    identity = {"name": "shop", "namespace": "prod", "uid": "u1"}
    cluster.restore(resources.CANARIES, {**CANARY, "metadata": identity})
    owner = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "shop", "uid": "u1"}
    owned = {**SECRET, "metadata": {"name": "s", "ownerReferences": [owner]}}
    cluster.create(resources.SECRETS, "prod", owned)
    read = cluster.get(resources.CANARIES, "prod", "shop")
    assert read["metadata"].pop("resourceVersion")
    assert read == {**CANARY, "metadata": identity}
    assert cluster.get(resources.SECRETS, "prod", "s")["metadata"]["ownerReferences"] == [owner]
