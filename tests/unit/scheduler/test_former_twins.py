"""Twins of autoscalers that a canary names no more: a remark on its manifest while they are there.

Whole stories of them are in tests/scenarios/test_autoscalers.py.
"""

from typing import Any, Final

import pytest

from clients.documents.world import ADMISSION
from clients.kube import resources
from clients.kube.protocol import WatchType
from scheduler.index import Index
from tests.unit.scheduler.worlds import SHOP, a_canary, a_deployment, an_index

HPA: Final = resources.HORIZONTAL_POD_AUTOSCALERS
REMARK: Final = (
    "spec.autoscalerRef: HorizontalPodAutoscaler former-primary.prod, the twin of an autoscaler "
    "that the canary names no more, scales shop-primary on; delete that twin"
)


def a_twin(uid: str = "uid-shop", *, controls: bool = True) -> dict[str, Any]:
    """An autoscaler `former-primary` that the object `uid` owns, and `controls`."""
    owner = {"kind": "Canary", "name": "shop", "uid": uid, "controller": controls}
    return {
        "metadata": {"name": "former-primary", "namespace": "prod", "ownerReferences": [owner]},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "shop-primary"}},
    }


def remarks(index: Index) -> list[str]:
    """What is said of twins."""
    world = index.world(SHOP)
    assert world is not None
    assert world.admission is not None
    return [each.message for each in world.admission.problems if "twin" in each.message]


def known(raw: dict[str, Any] | None = None) -> Index:
    """An index with the canary and its target."""
    index = an_index()
    index.replace(resources.DEPLOYMENTS, [a_deployment("shop")])
    index.replace(resources.CANARIES, [raw or a_canary()])
    return index


def test_a_twin_without_its_autoscaler_is_told_while_it_is_there() -> None:
    """The canary is looked at when it comes and when it goes."""
    index = known()
    for kind, told in ((WatchType.ADDED, [REMARK]), (WatchType.DELETED, [])):
        changes = index.apply(HPA, kind, a_twin())
        assert {ref: set(roles or ()) for ref, roles in changes.items()} == {SHOP: {ADMISSION}}
        assert remarks(index) == told


def test_it_is_told_whatever_is_listed_first() -> None:
    """A leader that begins hears of both in any order."""
    index = an_index()
    index.replace(HPA, [a_twin()])
    index.replace(resources.CANARIES, [a_canary()])
    assert remarks(index) == [REMARK]
    index.replace(HPA, [])
    assert remarks(index) == []


@pytest.mark.parametrize(
    "twin", [a_twin("uid-of-another"), a_twin(""), a_twin(controls=False)], ids=str
)
def test_what_others_control_is_no_matter_of_the_canary(twin: dict[str, Any]) -> None:
    """Nor what nobody does, nor what was left by an earlier object of its name."""
    index = known()
    assert index.apply(HPA, WatchType.ADDED, twin) == {}
    assert remarks(index) == []


def test_the_twin_of_the_autoscaler_that_is_named_is_no_former_one() -> None:
    """It becomes one with the reference."""
    raw = a_canary()
    ref = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "former"}
    raw["spec"]["autoscalerRef"] = ref
    index = known(raw)
    index.apply(HPA, WatchType.ADDED, a_twin())
    assert remarks(index) == []
    index.apply(resources.CANARIES, WatchType.MODIFIED, a_canary(generation=2))
    assert remarks(index) == [REMARK]
