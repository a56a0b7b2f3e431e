"""References from a Canary to other objects of its namespace, as written in the manifest."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, WithJsonSchema

from config.api.model import Model, StringMap, Text, described, whole_between

KNATIVE_API_VERSION: Final = "serving.knative.dev/v1"


class TargetKind(StrEnum):
    """The kinds a canary can be made of."""

    DEPLOYMENT = "Deployment"
    DAEMON_SET = "DaemonSet"
    SERVICE = "Service"


class Adapter(StrEnum):
    """What a target is handled as: the Services of Kubernetes and of Knative are two things."""

    DEPLOYMENT = "Deployment"
    DAEMON_SET = "DaemonSet"
    SERVICE = "Service"
    KNATIVE_SERVICE = "Knative Service"


class AutoscalerKind(StrEnum):
    """The kinds of autoscaler that get a primary twin."""

    HORIZONTAL_POD_AUTOSCALER = "HorizontalPodAutoscaler"
    SCALED_OBJECT = "ScaledObject"


class TargetRef(Model):
    """The workload (or Service) whose changes start rollouts; in the namespace of the canary."""

    api_version: Text = Field(
        description="API version of the target; decides only between the Services of Knative "
        "and of Kubernetes."
    )
    kind: TargetKind = Field(description="Kind of the target.")
    name: Text = Field(description="Name of the workload you deploy, not of its generated primary.")

    @property
    def label(self) -> str:
        """Kind and name, as people say them."""
        return f"{self.kind} {self.name}"

    @property
    def adapter(self) -> Adapter:
        """What the target is handled as."""
        return Adapter.KNATIVE_SERVICE if self.is_knative else Adapter(self.kind.value)

    @property
    def is_knative(self) -> bool:
        """Whether the target is a Knative Service."""
        return self.kind is TargetKind.SERVICE and self.api_version == KNATIVE_API_VERSION

    @property
    def is_kubernetes_service(self) -> bool:
        """Whether the target is a core Service."""
        return self.kind is TargetKind.SERVICE and not self.is_knative


_Replicas = Annotated[
    int,
    whole_between(1, 2**31 - 1),
    WithJsonSchema({"type": "integer", "format": "int32", "minimum": 1}),
]


class PrimaryScalerReplicas(Model):
    """Replica bounds of the primary twin where they differ from the target's autoscaler."""

    min_replicas: _Replicas | None = described("Fewest replicas of the primary; at least 1.")
    max_replicas: _Replicas | None = described("Most replicas of the primary; at least 1.")


class AutoscalerRef(Model):
    """The autoscaler of the target; a twin named `<name>-primary` is generated for the primary."""

    api_version: Text = Field(
        description="API version as in the manifest; only informative, HorizontalPodAutoscalers "
        "are handled as autoscaling/v2 and ScaledObjects as keda.sh/v1alpha1."
    )
    kind: AutoscalerKind = Field(description="Kind of the autoscaler.")
    name: Text = Field(description="Name of the autoscaler in the namespace of the canary.")
    primary_scaler_queries: StringMap | None = described(
        "ScaledObject only: trigger name to the query of the primary twin. When present, only "
        "the triggers named here differ from the target's."
    )
    primary_scaler_replicas: PrimaryScalerReplicas | None = described(
        "Replica bounds of the primary twin."
    )


class IngressRef(Model):
    """The Ingress whose traffic is split (providers nginx and skipper)."""

    api_version: Text = Field(description="API version of the Ingress.")
    kind: Literal["Ingress"] = Field(description="Always Ingress.")
    name: Text = Field(description="Name of the Ingress in the namespace of the canary.")


class RouteRef(Model):
    """The ApisixRoute whose traffic is split (provider apisix)."""

    api_version: Text = Field(description="API version of the route.")
    kind: Literal["ApisixRoute"] = Field(description="Always ApisixRoute.")
    name: Text = Field(description="Name of the route in the namespace of the canary.")


class UpstreamRef(Model):
    """The Gloo Upstream whose configuration is copied to the generated upstreams."""

    api_version: Text = Field(description="API version of the Upstream.")
    kind: Literal["Upstream"] = Field(description="Always Upstream.")
    name: Text = Field(description="Name of the Upstream.")
    namespace: Text | None = described("Namespace of the Upstream; the canary's when empty.")
