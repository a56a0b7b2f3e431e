"""Kinds of targets: whoever is in the registry can be asked for, and is written as what it is."""

import pytest

from clients.kube import resources
from config.api.references import TargetKind
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
    assert (kind.name, kind.resource) == (TargetKind.DEPLOYMENT, resources.DEPLOYMENTS)
    assert kind.scaled(2, {}) == [{"op": "add", "path": "/spec/replicas", "value": 2}]


def test_a_kind_that_is_not_carried_out_is_never_taken_for_another() -> None:
    """D-94: a Service is no Deployment."""
    target = {"apiVersion": "v1", "kind": "Service", "name": "cart-app"}
    with pytest.raises(KeyError, match="Service"):
        kinds.of(a_canary(spec={"targetRef": target}))
