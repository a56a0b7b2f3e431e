"""The Kubernetes resources that the packages or their tests name, and their URL paths."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object at the API server; `group` is empty for the core group.

    With `metadata_only` lists and watches tell the metadata of the objects and nothing else.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    metadata_only: bool = False

    def __hash__(self) -> int:
        """That of the plural: quick, for resources are in the keys of all that is watched."""
        return hash(self.plural)

    @property
    def api_version(self) -> str:
        """The `apiVersion` its objects carry: `group/version`, or `v1` in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, namespace: str | None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """The URL path of an object, its subresource, or (without a name) the collection.

        `namespace` None means all namespaces, or a resource that has none.

        Raises ValueError when the parts do not make an address: a name in all namespaces, a
        namespace for a cluster-scoped resource, a subresource of a collection.
        """
        if namespace and not self.namespaced:
            raise ValueError(f"{self.plural} have no namespace; given: {namespace!r}")
        if name and self.namespaced and not namespace:
            raise ValueError(f"{self.plural} {name!r} needs a namespace")
        if subresource and not name:
            raise ValueError(
                f"subresource {subresource!r} needs the name of one of the {self.plural}"
            )
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root]
        if namespace:
            parts += ["namespaces", _segment(namespace)]
        parts.append(self.plural)
        parts += [_segment(part) for part in (name, subresource) if part]
        return "/".join(parts)


def named(path: str) -> str:
    """What a URL path is about: the plural of a resource, for its status with `/status`.

    As many as there are in code: no path is made of anything else.
    """
    parts = path.partition("?")[0].split("/")[3 if path.startswith("/api/") else 4 :]
    if len(parts) > 2 and parts[0] == "namespaces":
        parts = parts[2:]
    if not parts:
        return "other"
    return f"{parts[0]}/status" if parts[2:] == ["status"] else parts[0]


def _segment(text: str) -> str:
    if text in {".", ".."}:
        raise ValueError(f"{text!r} is not the name of an object")
    return quote(text, safe="")


CANARIES: Final = Resource("flagger.app", "v1beta1", "canaries", "Canary")
METRIC_TEMPLATES: Final = Resource("flagger.app", "v1beta1", "metrictemplates", "MetricTemplate")
ALERT_PROVIDERS: Final = Resource("flagger.app", "v1beta1", "alertproviders", "AlertProvider")
DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", "Deployment")
DAEMON_SETS: Final = Resource("apps", "v1", "daemonsets", "DaemonSet")
HORIZONTAL_POD_AUTOSCALERS: Final = Resource(
    "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"
)
SCALED_OBJECTS: Final = Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
PODS: Final = Resource("", "v1", "pods", "Pod")
SERVICES: Final = Resource("", "v1", "services", "Service")
KNATIVE_SERVICES: Final = Resource("serving.knative.dev", "v1", "services", "Service")
EVENTS: Final = Resource("", "v1", "events", "Event")
CONFIG_MAPS: Final = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS: Final = Resource("", "v1", "secrets", "Secret")
CONFIG_MAP_METADATA: Final = replace(CONFIG_MAPS, metadata_only=True)
SECRET_METADATA: Final = replace(SECRETS, metadata_only=True)
NAMESPACES: Final = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
VIRTUAL_SERVICES: Final = Resource(
    "networking.istio.io", "v1beta1", "virtualservices", "VirtualService"
)
DESTINATION_RULES: Final = Resource(
    "networking.istio.io", "v1beta1", "destinationrules", "DestinationRule"
)
ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io",
    "v1",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    namespaced=False,
)
SUBJECT_REVIEWS: Final = Resource(
    "authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", namespaced=False
)
