"""Builders of the objects the mesh reads, as the canary machinery creates them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sandbox.mesh import Mesh, Scenario
from sandbox.promql import SeriesStore, Vector, evaluate_instant

Json = dict[str, Any]


def a_service(name: str, app: str, namespace: str = "test") -> Json:
    """A Service selecting `app`."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": app}},
    }


def a_deployment(
    name: str,
    *,
    image: str = "podinfo:6.1.0",
    ready: int = 1,
    annotations: Mapping[str, str] | None = None,
    namespace: str = "test",
) -> Json:
    """A Deployment whose pods are labelled `app: <name>`."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": dict(annotations or {})},
                "spec": {"containers": [{"name": "app", "image": image}]},
            }
        },
        "status": {"readyReplicas": ready},
    }


def a_virtual_service(*rules: Json, hosts: Sequence[str] = ("podinfo",)) -> Json:
    """A VirtualService of HTTP `rules`."""
    return {
        "metadata": {"name": "podinfo", "namespace": "test"},
        "spec": {"hosts": list(hosts), "http": list(rules)},
    }


def a_split(primary: int, canary: int, **more: Any) -> Json:
    """An HTTP rule with the weights of a rollout."""
    return {
        "route": [
            {"destination": {"host": "podinfo-primary"}, "weight": primary},
            {"destination": {"host": "podinfo-canary"}, "weight": canary},
        ],
        **more,
    }


@dataclass(frozen=True)
class FixedWorld:
    """A cluster that holds still; `replace` makes the next one."""

    routes: tuple[Json, ...]
    balancers: tuple[Json, ...] = (
        a_service("podinfo", "podinfo-primary"),
        a_service("podinfo-primary", "podinfo-primary"),
        a_service("podinfo-canary", "podinfo"),
    )
    workloads: tuple[Json, ...] = (a_deployment("podinfo-primary"), a_deployment("podinfo"))

    def virtual_services(self) -> Sequence[Json]:
        """The routes."""
        return self.routes

    def services(self) -> Sequence[Json]:
        """The Services."""
        return self.balancers

    def deployments(self) -> Sequence[Json]:
        """The workloads."""
        return self.workloads


class ChangingWorld:
    """A cluster whose state is whatever a test last set."""

    def __init__(self, state: FixedWorld) -> None:
        self.state = state

    def change(self, **fields: Any) -> None:
        """Replace fields of the state."""
        self.state = replace(self.state, **fields)

    def virtual_services(self) -> Sequence[Json]:
        """The present routes."""
        return self.state.routes

    def services(self) -> Sequence[Json]:
        """The present Services."""
        return self.state.balancers

    def deployments(self) -> Sequence[Json]:
        """The present workloads."""
        return self.state.workloads


class MeshRun:
    """A mesh in virtual time, with its telemetry at hand."""

    def __init__(
        self,
        scenario: Scenario,
        routes: tuple[Json, ...],
        scrape_interval: timedelta = timedelta(seconds=1),
        **state: Any,
    ) -> None:
        self.world = ChangingWorld(FixedWorld(routes, **state))
        self.series = SeriesStore()
        self.mesh = Mesh(scenario, self.world, self.series, scrape_interval)
        self.now = 1000.0
        self.mesh.step(self.now)

    def run(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass, `step` by `step`."""
        for _ in range(round(seconds / step)):
            self.now += step
            self.mesh.step(self.now)

    def value(self, query: str) -> float | None:
        """The single value of a query now, or None."""
        match evaluate_instant(query, self.now, self.series):
            case Vector(samples=(sample,)):
                return sample.value
            case Vector(samples=()):
                return None
            case other:
                raise AssertionError(other)

    def requests(self, **labels: str) -> int:
        """How many requests the matching counters have counted."""
        inner = ",".join(f'{name}="{value}"' for name, value in labels.items())
        return int(self.value(f"sum(istio_requests_total{{{inner}}})") or 0)


def a_scenario(
    rate: float = 10, *, releases: Mapping[str, str] | None = None, **more: Any
) -> Scenario:
    """Traffic to `podinfo` with the profiles healthy, failing, slow and spike."""
    fast = {"p50_ms": 20, "p99_ms": 90}
    return Scenario.from_mapping(
        {
            "profiles": {
                "healthy": {"latency": fast},
                "failing": {"latency": fast, "error_rate": 0.3},
                "slow": {"latency": {"p50_ms": 300, "p99_ms": 2000}},
                "spike": {
                    "latency": fast,
                    "stages": [{"after_seconds": 20, "error_rate": 0.5}],
                },
            },
            "hosts": [
                {
                    "host": "podinfo",
                    "namespace": "test",
                    "requests_per_second": rate,
                    "default_profile": "healthy",
                    "releases": dict(releases or {}),
                    **more,
                }
            ],
        }
    )
