"""Manifests as users paste them, on a stage that has what they refer to."""

import copy
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from analysis.findings import HookResult
from analysis.hooks import HookCall
from clients.kube import resources
from clients.kube.resources import Resource
from config.refs import CanaryRef
from tests.stage import measuring, rollouts
from tests.stage.stage import Stage

Raw = dict[str, Any]

MANIFESTS: Final = Path(__file__).parents[1] / "manifests"
RESOURCES: Final = {
    (known.group, known.kind): known
    for known in (
        resources.CANARIES,
        resources.METRIC_TEMPLATES,
        resources.ALERT_PROVIDERS,
        resources.DEPLOYMENTS,
        resources.DAEMON_SETS,
        resources.SERVICES,
        resources.KNATIVE_SERVICES,
        resources.HORIZONTAL_POD_AUTOSCALERS,
        resources.SCALED_OBJECTS,
        resources.VIRTUAL_SERVICES,
        resources.DESTINATION_RULES,
    )
}
CPU: Final = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 99}},
}


def documents(name: str) -> list[Raw]:
    """The documents of a file of the collection, by its path there without suffix."""
    return list(yaml.safe_load_all((MANIFESTS / f"{name}.yaml").read_text("utf-8")))


def canary(name: str, *, target: str | None = None) -> Raw:
    """The Canary of a file of the collection, of another `target` where that is given."""
    (raw,) = (each for each in documents(name) if each["kind"] == "Canary")
    if target:
        raw["spec"]["targetRef"]["name"] = target
    return raw


class Listeners(measuring.Hooks):
    """Webhooks that keep what was posted to them."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[HookCall] = []

    def post(self, call: HookCall, is_wanted: Callable[[], bool]) -> HookResult:
        """The answer of a hook."""
        self.posted.append(call)
        return super().post(call, is_wanted)


class Pasted(Stage):
    """A stage for the canary of one pasted manifest; `hooks` keep what is posted to them."""

    def __init__(self, manifest: Raw, **options: Any) -> None:
        metadata = manifest["metadata"]
        self.listeners = Listeners()
        ref = CanaryRef(metadata["namespace"], metadata["name"])
        super().__init__(ref=ref, poster=self.listeners, **options)
        self.hooks = self.listeners
        self.manifest = manifest

    @property
    def target(self) -> Mapping[str, str]:
        """The reference to the target."""
        reference: Mapping[str, str] = self.manifest["spec"]["targetRef"]
        return reference

    def paste(self, *others: Raw) -> "Pasted":
        """Itself, with the canary, the objects of others, and what it refers to besides them."""
        for each in (*others, *_needed(self.manifest, others), self.manifest):
            resource = _resource(each)
            self.create(resource, copy.deepcopy({**each, "apiVersion": resource.api_version}))
        return self

    def initialize(self, *others: Raw) -> "Pasted":
        """Itself, with the canary initialized."""
        self.paste(*others)
        self.run(lambda on: on.phase() == "Initialized", within=timedelta(minutes=2))
        return self

    def release_next(self) -> "Pasted":
        """Itself, after a release of the target."""
        patch: Raw = {"spec": {"template": {"spec": {"containers": [_container("app:2")]}}}}
        if self.target["apiVersion"] == "v1":
            patch = {"spec": {"selector": {"version": "v2"}}}
        self.edit(_resource(self.target), self.target["name"], patch)
        return self

    def finish(self) -> "Pasted":
        """Itself, gone on until the rollout has ended."""
        rollouts.finish(self)
        return self

    def told(self) -> list[str]:
        """What was told since the initialization."""
        texts = self.texts()
        done = f"Initialization done! {self.ref.dotted}"
        return texts[texts.index(done) + 1 :]

    def rules(self) -> Any:
        """The HTTP rules of the live VirtualService."""
        service = self.manifest["spec"].get("service") or {}
        apex = service.get("name") or self.target["name"]
        route = self.kube.get(resources.VIRTUAL_SERVICES, self.ref.namespace, apex)
        return route["spec"]["http"]


def _needed(manifest: Raw, present: tuple[Raw, ...]) -> Iterator[Raw]:
    """The target and its autoscaler, where they are not among what is `present`."""
    spec, namespace = manifest["spec"], manifest["metadata"]["namespace"]
    known = {(each["kind"], each["metadata"]["name"]) for each in present}
    for reference, made in ((spec["targetRef"], _target), (spec.get("autoscalerRef"), _scaler)):
        if reference and (reference["kind"], reference["name"]) not in known:
            metadata = {"name": reference["name"], "namespace": namespace}
            body = made(reference, spec["targetRef"])
            kind = {"apiVersion": reference["apiVersion"], "kind": reference["kind"]}
            yield {**kind, "metadata": metadata, "spec": body}


def _target(reference: Mapping[str, str], _: Mapping[str, str]) -> Raw:
    name, version = reference["name"], reference["apiVersion"]
    if version == "v1":
        ports = [{"name": "http", "port": 80, "targetPort": 8080}]
        return {"selector": {"version": "v1"}, "ports": ports}
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [_container("app:1")]}}
    if version.startswith("serving.knative.dev"):
        return {"template": pod}
    replicas = {"replicas": 2} if reference["kind"] == "Deployment" else {}
    return {**replicas, "selector": {"matchLabels": {"app": name}}, "template": pod}


def _container(image: str) -> Raw:
    return {"name": "app", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}


def _scaler(reference: Mapping[str, str], target: Mapping[str, str]) -> Raw:
    scaled = {"scaleTargetRef": dict(target)}
    if reference["kind"] == "HorizontalPodAutoscaler":
        return {**scaled, "minReplicas": 1, "maxReplicas": 4, "metrics": [CPU]}
    query = f'sum(rate(http_requests_total{{app="{target["name"]}"}}[1m]))'
    trigger = {"type": "prometheus", "name": "rps", "metadata": {"query": query}}
    return {**scaled, "triggers": [trigger]}


def _resource(each: Mapping[str, Any]) -> Resource:
    """The resource of an object, or of a reference; of the version that the doors ask for."""
    group, _, _ = each["apiVersion"].rpartition("/")
    return RESOURCES[group, each["kind"]]
