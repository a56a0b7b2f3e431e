"""Builders for routing tests: a canary of `shop` in `prod`, its target, and objects around it."""

from collections.abc import Mapping
from typing import Any, Final

from clients.documents.world import ContainerPort, WorkloadView
from clients.kube.protocol import Object
from config.api.canary import Canary
from config.traffic import RouteStage, TrafficSplit
from routing import istio, registry, services
from routing.router import Live, TargetFacts

FLUX: Final = {
    "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
    "helm.toolkit.fluxcd.io/driftDetection": "disabled",
}
OWNER: Final = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "name": "shop",
    "uid": "5e0d0f1a",
    "controller": True,
    "blockOwnerDeletion": True,
}
TARGET: Final = WorkloadView(
    name="shop", namespace="prod", replicas=2, revision="r", selector_label=("app", "shop")
)
"""The view of a Deployment `shop` without declared ports."""
OBJECT: Final = {
    "apiVersion": "flagger.app/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "shop", "namespace": "prod", "uid": OWNER["uid"]},
}
"""The canary as the owner of objects: its identity and no more."""
FACTS: Final = TargetFacts("app", "shop")


def a_canary(
    *,
    analysis: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
    **service: Any,
) -> Canary:
    """A canary of Deployment `shop`, port 80; `service` are fields of `spec.service` as written."""
    return Canary.model_validate(
        {
            "metadata": {"name": "shop", "namespace": "prod", "uid": "5e0d0f1a"},
            "spec": {
                "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
                "service": {"port": 80, **service},
                "analysis": {
                    "interval": "1m",
                    "threshold": 5,
                    "stepWeight": 10,
                    "maxWeight": 50,
                    **(analysis or {}),
                },
                **(spec or {}),
            },
        }
    )


def a_port(
    number: int, name: str | None = None, container: str = "shop", index: int = 0
) -> ContainerPort:
    """A container port as in a target's view."""
    return ContainerPort(container, index, name, number)


def facts_with(*ports: ContainerPort) -> TargetFacts:
    """Facts of a target whose containers declare `ports`."""
    return TargetFacts("app", "shop", ports)


def stored(manifest: Object, version: str = "7") -> dict[str, Any]:
    """The object as the API server would have it after creation."""
    return {
        **manifest,
        "metadata": {**manifest["metadata"], "uid": "u", "resourceVersion": version},
    }


def virtual_service(
    spec: Mapping[str, Any], *, owned: bool = True, **metadata: Any
) -> dict[str, Any]:
    """A live VirtualService `shop`; `owned` by the canary, or the user's own."""
    owner = {"ownerReferences": [OWNER]} if owned else {}
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {
            "name": "shop",
            "namespace": "prod",
            "resourceVersion": "7",
            **owner,
            **metadata,
        },
        "spec": dict(spec),
    }


def mesh_objects(
    canary: Canary, split: TrafficSplit, live: Live, target: TargetFacts | None = FACTS
) -> dict[str, Any]:
    """The mesh objects of `canary` at `split` by role, over those that are `live`."""
    router = registry.ROUTERS.chosen(canary, "istio")
    return {
        each.role: router.render(each, canary, target, split, live)
        for each in router.resources(canary)
    }


def rendered_services(
    canary: Canary, live: Live, target: TargetFacts = FACTS
) -> dict[str, dict[str, Any]]:
    """All three Services of `canary` by role, over those that are `live`."""
    return {
        each.role: dict(services.render(each, canary, target, live))
        for each in services.managed(canary, RouteStage.EXPOSED)
    }


def rendered_route(
    canary: Canary, split: TrafficSplit, live: Object | None = None
) -> dict[str, Any]:
    """The VirtualService of `canary` at `split`, over `live`."""
    return dict(mesh_objects(canary, split, {istio.VIRTUAL_SERVICE: live})[istio.VIRTUAL_SERVICE])
