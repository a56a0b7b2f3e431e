"""The Canary resource: the manifest a user applies.

The parts live in modules of their own: references, service, istio, traffic_policy, analysis,
metrics, hooks, status. Values are as given; `validation` is the way in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator

from config import well_known
from config.api.analysis import Analysis
from config.api.model import (
    EMPTY_IS_UNSET,
    Flag,
    Model,
    StringMap,
    Text,
    Whole,
    described,
    switch,
)
from config.api.references import AutoscalerRef, IngressRef, RouteRef, TargetRef, UpstreamRef
from config.api.service import Service
from config.meshes import SPEC_PROVIDERS
from config.refs import CanaryRef


class ObjectMeta(Model):
    """The part of Kubernetes object metadata that is read of a Canary's model."""

    name: Text = Field(min_length=1, description="Name of the object.")
    namespace: Text = Field(min_length=1, description="Namespace of the object.")
    uid: Text = described("Identity of this incarnation of the object.", "")
    annotations: StringMap = described("What tools note on the object.", {})


def with_analysis(spec: Any) -> Any:
    """The raw spec with the deprecated `canaryAnalysis` as `analysis` where only that is given."""
    if not isinstance(spec, Mapping) or spec.get("analysis") is not None:
        return spec
    alias = spec.get("canaryAnalysis")
    return spec if alias is None else {**spec, "analysis": alias}


class CanarySpec(Model):
    """What is released how."""

    provider: Annotated[Text | None, EMPTY_IS_UNSET] = described(
        "Traffic provider of this canary; the controller's default when empty.",
        enum=list(SPEC_PROVIDERS),
    )
    metrics_server: Text | None = described(
        "Prometheus of the builtin and inline checks; the controller's default when empty."
    )
    target_ref: TargetRef = Field(
        description="The workload whose changes start rollouts, in the canary's namespace."
    )
    autoscaler_ref: AutoscalerRef | None = described("The autoscaler of the target.")
    ingress_ref: IngressRef | None = described("The Ingress (providers nginx and skipper).")
    route_ref: RouteRef | None = described("The ApisixRoute (provider apisix).")
    upstream_ref: UpstreamRef | None = described("The Gloo Upstream (provider gloo).")
    service: Service = Field(
        default_factory=Service, description="How the Services and routing objects are generated."
    )
    analysis: Analysis = Field(
        default_factory=Analysis,
        description="How traffic moves to the canary and what it must pass on the way.",
    )
    canary_analysis: Mapping[str, Any] | None = described(
        "Deprecated alias of analysis, used when analysis is absent."
    )
    progress_deadline_seconds: Whole = described(
        "Seconds a rollout may stay unready before it fails; 600 when absent.", 600
    )
    skip_analysis: Flag = switch(
        "Whether new revisions are promoted without checks and traffic shifting."
    )
    revert_on_deletion: Flag = switch(
        "Whether changes to the user's objects are undone when the canary is deleted."
    )
    suspend: Flag = switch("Whether the canary is left alone; a running rollout stops where it is.")

    @model_validator(mode="before")
    @classmethod
    def _alias_of_analysis(cls, given: Any) -> Any:
        return with_analysis(given)


class Canary(Model):
    """A Canary object as read from the API server."""

    api_version: Text = described("flagger.app/v1beta1.", well_known.API_VERSION)
    kind: Text = described("Canary.", well_known.CANARY_KIND)
    metadata: ObjectMeta = Field(description="Object metadata.")
    spec: CanarySpec = Field(description="What is released how.")

    @property
    def ref(self) -> CanaryRef:
        """The identity of this canary."""
        return CanaryRef(self.metadata.namespace, self.metadata.name)

    @property
    def name(self) -> str:
        """The name of this canary; not that of its target."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The namespace of this canary and of everything generated for it."""
        return self.metadata.namespace
