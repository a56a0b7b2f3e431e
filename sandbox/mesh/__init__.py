"""A service mesh without proxies: VirtualService weights and a traffic scenario in, telemetry out.

`Scenario` says who calls what and how releases behave (its module documents the file format);
`Mesh` plays it against a `World` of Kubernetes objects and writes Istio's standard metrics into a
series store, for `sandbox.prometheus` to serve.
"""

from sandbox.mesh.loop import Mesh
from sandbox.mesh.scenario import Scenario, ScenarioError
from sandbox.mesh.world import PROFILE_ANNOTATION, World

__all__ = ["PROFILE_ANNOTATION", "Mesh", "Scenario", "ScenarioError", "World"]
