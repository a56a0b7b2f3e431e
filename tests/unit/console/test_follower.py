"""The canaries of a cluster as they change."""

import pytest

from cli import exits
from cli.console.cluster import Cluster
from cli.console.follower import Follower
from clients import errors
from clients.clock import ManualClock, SystemClock
from clients.kube import resources
from tests.consoles import NOW, REF, a_canary, a_status
from tests.fakes.faults import Fault
from tests.fakes.kube import FakeKube
from tests.patience import until


@pytest.fixture
def kube() -> FakeKube:
    """A cluster with one canary."""
    kube = FakeKube(ManualClock(NOW))
    kube.create(resources.CANARIES, "shop", a_canary())
    return kube


def names(follower: Follower) -> list[str]:
    """The canaries that it knows."""
    return sorted(each["metadata"]["name"] for each in follower.present())


def test_what_is_there_comes_and_goes_is_known(kube: FakeKube) -> None:
    """Changes are told once each, in their order."""
    follower = Follower(Cluster(kube, "it"), "shop", SystemClock())
    with follower.running():
        assert names(follower) == ["podinfo"]
        assert [each["metadata"]["name"] for each in follower.changed()] == ["podinfo"]

        kube.create(resources.CANARIES, "shop", a_canary("cart"))
        kube.create(resources.CANARIES, "prod", a_canary("other", "prod"))
        status = {"status": a_status("Progressing", 10)}
        kube.patch(resources.CANARIES, *REF, status, subresource="status")
        until(lambda: len(follower._changed) == 2)
        assert [each["metadata"]["name"] for each in follower.changed()] == ["cart", "podinfo"]
        assert follower.changed() == []

        kube.delete(resources.CANARIES, "shop", "cart")
        until(lambda: names(follower) == ["podinfo"])


def test_a_server_that_forgot_or_fails_is_listed_anew(kube: FakeKube) -> None:
    """What happened meanwhile is a change; no trouble is told once it is over."""
    kube.faults.add(Fault(errors.Expired("too old"), "watch", "canaries"))
    kube.faults.add(Fault(errors.Transient("broken"), "watch", "canaries"))
    follower = Follower(Cluster(kube, "it"), None, ManualClock(NOW))
    with follower.running():
        kube.create(resources.CANARIES, "shop", a_canary("cart"))
        until(lambda: names(follower) == ["cart", "podinfo"])
        until(lambda: follower.trouble == "")


def test_a_cluster_that_cannot_be_listed_at_first_ends_it(kube: FakeKube) -> None:
    """There is nothing to show."""
    kube.faults.add(Fault(errors.of_status(403, "no", "GET /x"), "list", "canaries"))
    follower = Follower(Cluster(kube, "it"), None, SystemClock())
    with pytest.raises(exits.Unusable, match="does not let you list canaries"), follower.running():
        pass
