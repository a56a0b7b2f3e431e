"""Manifests written by hand beside those that we write: stored on one server, compared in full."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from clients import errors
from clients.documents.world import Admission, WorkloadView, World
from clients.kube import resources
from clients.kube.resources import Resource
from config import copies, names
from config.api.canary import Canary
from config.scaling import WorkloadIntent
from config.traffic import RouteIntent, RouteStage, TrafficSplit
from routing import apply, metadata, registry, services
from routing.knative import KNATIVE_SERVICE
from routing.router import SOURCE
from tests.contract.conftest import Place
from tests.fakes.kube import KubeWatcher
from tests.outcomes import wrote
from workloads import converge, kinds
from workloads.primary import Copying
from workloads.scalers.scaler import projected
from workloads.tracker_configs import Configs

Raw = dict[str, Any]

KEYS: Final = ("app",)
KINDS: Final = {
    (known.api_version, known.kind): known
    for known in (
        resources.SERVICES,
        resources.VIRTUAL_SERVICES,
        resources.DESTINATION_RULES,
        resources.DEPLOYMENTS,
        resources.DAEMON_SETS,
        resources.HORIZONTAL_POD_AUTOSCALERS,
        resources.SCALED_OBJECTS,
        resources.KNATIVE_SERVICES,
    )
}
IDENTITY: Final = frozenset(
    {
        "uid",
        "namespace",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "managedFields",
        "ownerReferences",
    }
)
"""What the same object has otherwise in another namespace; its owner is compared by itself."""
ADDRESSES: Final = frozenset({"clusterIP", "clusterIPs"})
REVISION: Final = "flagger-id"
TEMPLATE_COUNT: Final = "deprecated.daemonset.template.generation"
"""What the API server counts in a DaemonSet; of one that was written once it is 1."""


def plain(raw: Any) -> Raw:
    """An object without identity, addresses and status; of a revision's mark only that it is."""
    kept = {key: value for key, value in raw["metadata"].items() if key not in IDENTITY and value}
    if counted := {**kept.get("annotations", {})}:
        counted.pop(TEMPLATE_COUNT, None)
        kept["annotations"] = counted
    spec = {key: value for key, value in raw["spec"].items() if key not in ADDRESSES}
    if "ports" in spec:
        ports = [{key: each[key] for key in each if key != "nodePort"} for each in spec["ports"]]
        spec["ports"] = ports
    template = (spec.get("template") or {}).get("metadata") or {}
    if REVISION in (template.get("annotations") or {}):
        marked = {**template, "annotations": {**template["annotations"], REVISION: "set"}}
        spec["template"] = {**spec["template"], "metadata": marked}
    return {"kind": raw["kind"], "metadata": kept, "spec": spec}


def documents(text: str) -> list[Raw]:
    """The manifests in `text`."""
    return [each for each in yaml.safe_load_all(text) if each]


@dataclass
class Site:
    """A canary `shop` and its objects in a namespace of their own."""

    door: KubeWatcher
    namespace: str
    canary: Canary
    users: frozenset[tuple[str, str]]
    """Kind and name of the objects that users made."""

    @classmethod
    def at(cls, place: Place, manifest: str, spec: Mapping[str, Any]) -> "Site":
        """A site with the users' objects of `manifest` and a canary of `spec`."""
        made = documents(manifest)
        for each in made:
            store(place.door, place.namespace, each)
        canary = {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "metadata": {"name": "shop", "namespace": place.namespace},
            "spec": dict(spec),
        }
        created = place.door.create(resources.CANARIES, place.namespace, canary)
        users = frozenset((each["kind"], each["metadata"]["name"]) for each in made)
        return cls(place.door, place.namespace, Canary.model_validate(created), users)

    # --- what users and controllers do

    def release(self, spec: Raw) -> None:
        """Somebody changes the spec of the Service that is the target."""
        place = (resources.SERVICES, self.namespace, "shop")
        self.door.patch(*place, {"spec": spec})

    def revise(self, name: str) -> None:
        """Knative makes a revision of its Service."""
        status = {"latestCreatedRevisionName": name, "latestReadyRevisionName": name}
        place = (resources.KNATIVE_SERVICES, self.namespace, "shop")
        self.door.patch(*place, {"status": status}, subresource="status")

    def revision(self) -> str:
        """The revision of the Service that is the target."""
        return copies.revision(self._raw(resources.SERVICES, "shop")["spec"])

    # --- what is written

    def route(
        self,
        split: TrafficSplit,
        target: WorkloadView | None = None,
        *,
        stage: RouteStage = RouteStage.EXPOSED,
        promote: str = "",
        base: str = "",
    ) -> None:
        """Has the writer of traffic bring about `split`, and nothing more be left to it."""
        router = registry.ROUTERS.chosen(self.canary)

        def attempt() -> apply.Convergence:
            admission = Admission(uid=self.canary.metadata.uid, generation=1)
            world = World(target=target, admission=admission, routes=self._routes())
            intent = RouteIntent(1, stage, split)
            given = self.door, self.canary, intent, world, lambda: False, router
            return apply.Convergence(*given, promote=promote, base=base)

        assert wrote(attempt().bring_about())
        assert not wrote(attempt().bring_about())

    def scale(self, intent: WorkloadIntent) -> None:
        """Has the writer of workloads bring about `intent`, and nothing more be left to it."""
        assert wrote(self._workloads(intent).bring_about())
        assert not wrote(self._workloads(intent).bring_about())

    def _workloads(self, intent: WorkloadIntent) -> converge.Convergence:
        world, copying = self._world(), Copying(KEYS)
        configs = Configs.of(self.door, self.canary, lambda: secrets.token_bytes(32), world)
        parts = (self.door, self.canary, intent, world, lambda: False, copying, configs)
        return converge.Convergence(*parts)

    def _world(self) -> World:
        """Workloads and autoscalers, as an up-to-date watch shows them."""
        kind = kinds.of(self.canary)
        views: Raw = {
            role: kind.project(raw, KEYS) if raw else None
            for role, raw in (
                ("target", self._raw(kind.resource, "shop")),
                ("primary", self._raw(kind.resource, "shop-primary")),
            )
        }
        if ref := self.canary.spec.autoscaler_ref:
            resource = next(each for each in KINDS.values() if each.kind == ref.kind)
            for role, name in (("scaler", ref.name), ("twin", names.primary_scaler(ref))):
                raw = self._raw(resource, name)
                views[role] = projected(raw) if raw else None
        return World(**views)

    def _routes(self) -> Raw:
        """Services and mesh objects, as an up-to-date watch shows them."""
        if self.canary.spec.target_ref.is_knative:
            return {KNATIVE_SERVICE: metadata.bare(self._raw(resources.KNATIVE_SERVICES, "shop"))}
        mesh = registry.ROUTERS.chosen(self.canary).resources(self.canary)
        managed = (*services.managed(self.canary, RouteStage.EXPOSED), *mesh)
        found = {each.role: self._raw(each.resource, each.name) for each in managed}
        if self.canary.spec.target_ref.is_kubernetes_service:
            found[SOURCE] = self._raw(resources.SERVICES, "shop")
        return {role: metadata.bare(raw) for role, raw in found.items() if raw}

    def _raw(self, resource: Resource, name: str) -> Any:
        try:
            return self.door.get(resource, self.namespace, name)
        except errors.NotFound:
            return None

    # --- what there is

    def present(self) -> dict[str, Raw]:
        """All objects of the namespace, plain."""
        return {_key(each): plain(each) for each in self._there()}

    def stored(self, text: str) -> dict[str, Raw]:
        """These manifests as the server has them once they are stored, plain."""
        beside = f"by-hand-{secrets.token_hex(4)}"
        self.door.create(resources.NAMESPACES, None, {"metadata": {"name": beside}})
        made = (store(self.door, beside, each) for each in documents(text))
        return {_key(each): plain(each) for each in made}

    def owners(self) -> list[Any]:
        """The owners of each object that no user made, and of those that users made if any."""
        return [
            each["metadata"].get("ownerReferences")
            for each in self._there()
            if (each["kind"], each["metadata"]["name"]) not in self.users
            or each["metadata"].get("ownerReferences")
        ]

    @property
    def owner(self) -> list[Raw]:
        """What names the canary as the owner of an object."""
        return [
            {
                "apiVersion": "flagger.app/v1beta1",
                "kind": "Canary",
                "name": "shop",
                "uid": self.canary.metadata.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]

    def _there(self) -> Iterable[Any]:
        for resource in KINDS.values():
            yield from self.door.list(resource, self.namespace).items


def store(door: KubeWatcher, namespace: str, manifest: Raw) -> Any:
    """The manifest as the server stores it, in `namespace`."""
    resource = KINDS[manifest["apiVersion"], manifest["kind"]]
    body = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
    return door.create(resource, namespace, body)


def _key(raw: Any) -> str:
    return f"{raw['apiVersion']} {raw['kind']} {raw['metadata']['name']}"
