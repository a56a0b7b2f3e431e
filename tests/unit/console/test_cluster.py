"""What is asked of the API server, and what people are told when it does not answer."""

from typing import Any

import pytest

from cli import exits
from cli.console import looking
from cli.console.cluster import Cluster
from clients import errors
from clients.clock import ManualClock
from clients.kube import resources
from config.refs import CanaryRef
from tests.consoles import NOW, REF, a_canary
from tests.fakes.faults import Fault
from tests.fakes.kube import FakeKube

NAME = "the cluster of context test"
NO_DEFINITION = (
    "the cluster has no definition of Canary objects: choose another one with --context, or "
    "install it (kubectl apply -f deploy/crds/crds.yaml)"
)
LABELS = {"app": "podinfo"}


@pytest.fixture
def kube() -> FakeKube:
    """A cluster in memory."""
    return FakeKube(ManualClock(NOW))


@pytest.fixture
def cluster(kube: FakeKube) -> Cluster:
    """The same as the console asks it."""
    return Cluster(kube, NAME)


def refused(status: int, message: str = "GET /x: no") -> errors.ClientError:
    """The answer of a server with that HTTP status."""
    return errors.of_status(status, message, "GET /x")


def a_deployment(name: str, image: str, labels: dict[str, str]) -> dict[str, Any]:
    """A Deployment with two pods, one of them available."""
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
        },
    }


def test_a_canary_that_does_not_exist_is_looked_for_in_other_namespaces(
    kube: FakeKube, cluster: Cluster
) -> None:
    """The usual mistake is the wrong namespace."""
    kube.create(resources.CANARIES, "prod", a_canary("podinfo", "prod"))
    with pytest.raises(exits.Unusable) as told:
        cluster.canary(REF)
    assert str(told.value) == (
        "there is no canary shop/podinfo; of that name there is one in: prod"
    )
    with pytest.raises(exits.Unusable) as told:
        cluster.canary(CanaryRef("shop", "cart"))
    assert str(told.value) == (
        "there is no canary shop/cart; `coalmine get -A` lists all that there are"
    )


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (refused(401), f"{NAME} does not know you: log in again, or choose another --context"),
        (
            refused(403),
            (
                f"{NAME} does not let you list canaries in all namespaces: give --namespace, or "
                "have somebody grant get, list and watch of canaries.flagger.app"
            ),
        ),
        (
            errors.Transient("GET /x: connecting failed (10.0.0.1:6443)"),
            (
                f"cannot reach {NAME}: GET /x: connecting failed (10.0.0.1:6443); see whether its "
                "address is right and the network leads there"
            ),
        ),
        (
            errors.NotFound("GET /x: 404 404 page not found", status=404),
            NO_DEFINITION,
        ),
        (
            refused(404, "the server could not find the requested resource"),
            NO_DEFINITION,
        ),
    ],
)
def test_each_failure_is_one_line_that_says_what_to_do(
    kube: FakeKube, cluster: Cluster, failure: errors.ClientError, words: str
) -> None:
    """And nothing of libraries, paths of ours or tracebacks."""
    kube.faults.add(Fault(failure, "list", "canaries"))
    with pytest.raises(exits.Unusable) as told:
        cluster.canaries(None)
    assert str(told.value) == words


def test_a_kind_that_is_not_defined_is_told_of_a_single_canary_too(
    kube: FakeKube, cluster: Cluster
) -> None:
    """A server answers 404 to both."""
    missing = refused(404, "404 page not found")
    kube.faults.add(Fault(missing, "get", "canaries"))
    kube.faults.add(Fault(missing, "list", "canaries"))
    with pytest.raises(exits.Unusable, match="no definition of Canary objects"):
        cluster.canary(REF)


def test_both_sides_are_read_with_their_pods(kube: FakeKube, cluster: Cluster) -> None:
    """The same template on both is one revision, whatever the primary's names."""
    kube.create(resources.CANARIES, "shop", a_canary())
    kube.create(resources.DEPLOYMENTS, "shop", a_deployment("podinfo", "x/podinfo:1", LABELS))
    primary = a_deployment("podinfo-primary", "x/podinfo:1", {"app": "podinfo-primary"})
    kube.create(resources.DEPLOYMENTS, "shop", primary)
    kube.create(
        resources.PODS,
        "shop",
        {
            "metadata": {"name": "podinfo-1", "namespace": "shop", "labels": LABELS},
            "spec": {"containers": [{"name": "app", "image": "x/podinfo:1"}]},
        },
    )

    first, second = looking.sides(cluster, cluster.canary(REF))
    assert (first.workload, second.workload) == ("deployment/podinfo-primary", "deployment/podinfo")
    assert first.revision == second.revision != ""
    assert (first.wanted, first.tag) == (2, "podinfo:1")
    assert [pod.name for pod in looking.with_pods(cluster, second, "shop").pods] == ["podinfo-1"]
    assert looking.with_pods(cluster, first, "shop").pods == ()


def test_a_side_that_is_missing_or_forbidden_says_so(kube: FakeKube, cluster: Cluster) -> None:
    """The rest is shown all the same."""
    kube.create(resources.CANARIES, "shop", a_canary())
    kube.faults.add(Fault(refused(403), "get", "deployments", name="podinfo"))
    primary, target = looking.sides(cluster, cluster.canary(REF))
    assert (primary.missing, target.missing) == ("not there", "you may not read it")


def test_a_target_of_an_unknown_kind_is_no_obstacle(kube: FakeKube, cluster: Cluster) -> None:
    """A CRD of another version may admit more kinds."""
    kube.admit_anything()
    canary = a_canary(targetRef={"apiVersion": "apps/v2", "kind": "Fleet", "name": "podinfo"})
    kube.create(resources.CANARIES, "shop", canary)
    primary, target = looking.sides(cluster, cluster.canary(REF))
    assert (primary.workload, target.workload) == ("fleet/podinfo-primary", "fleet/podinfo")
    assert primary.missing == target.missing == "of a kind that is not known here"


def test_the_events_are_those_about_the_canary_in_order(kube: FakeKube, cluster: Cluster) -> None:
    """Not those about a Deployment of the same name."""
    for index, kind in enumerate(("Canary", "Deployment", "Canary")):
        event = {
            "metadata": {"name": f"podinfo.{9 - index}", "namespace": "shop"},
            "involvedObject": {"kind": kind, "name": "podinfo", "namespace": "shop"},
            "type": "Warning" if index else "Normal",
            "message": f"told {index}",
            "lastTimestamp": f"2026-03-01T11:5{index}:00Z",
            "count": index + 1,
        }
        kube.create(resources.EVENTS, "shop", event)

    found = cluster.events(REF)
    assert [(each.message, each.is_warning, each.count) for each in found] == [
        ("told 0", False, 1),
        ("told 2", True, 3),
    ]
