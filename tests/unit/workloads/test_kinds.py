"""Kinds of targets: whoever is in the registry can be asked for, and is written as what it is."""

from clients.kube import resources
from config.api.references import Adapter
from tasks.registries import BUILT_IN
from tests.unit.analysis.worlds import a_canary
from workloads import kinds


def test_what_manifests_may_ask_for_are_the_kinds_of_the_registry() -> None:
    """Admission follows: a kind is carried out from the line that adds it on."""
    assert BUILT_IN.carried_out.targets == set(kinds.KINDS)
    assert all(name is kind.name for name, kind in kinds.KINDS.items())


def test_a_canary_s_target_says_of_which_kind_its_workloads_are() -> None:
    """Target and primary are of one kind; 2 replicas are asked for in the words of that kind."""
    kind = kinds.of(a_canary())
    assert (kind.name, kind.resource) == (Adapter.DEPLOYMENT, resources.DEPLOYMENTS)
    assert kind.making is not None
    assert kind.making.scaled(2, {}) == [{"op": "add", "path": "/spec/replicas", "value": 2}]


def test_kinds_of_one_name_in_two_groups_are_two() -> None:
    """D-94: a Service of Knative is none of Kubernetes, nor a Deployment."""
    core = {"apiVersion": "v1", "kind": "Service", "name": "cart-app"}
    knative = {**core, "apiVersion": "serving.knative.dev/v1"}
    found = [
        kinds.of(a_canary(spec={"provider": provider, "targetRef": target})).resource
        for provider, target in (("istio", core), ("knative", knative))
    ]
    assert found == [resources.SERVICES, resources.KNATIVE_SERVICES]


def test_what_holds_traffic_is_not_made_by_analysis_workers() -> None:
    """Invariant 5: their kinds have no making."""
    routed = {kind.name for kind in kinds.KINDS.values() if kind.making is None}
    assert routed == {Adapter.SERVICE, Adapter.KNATIVE_SERVICE}
