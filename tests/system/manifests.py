"""Manifests of the system tests: what a user would apply, with defaults that make them short."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Manifest = dict[str, Any]

SUCCESS_RATE: Final = {
    "name": "request-success-rate",
    "interval": "10s",
    "thresholdRange": {"min": 99},
}
DURATION: Final = {"name": "request-duration", "interval": "10s", "thresholdRange": {"max": 500}}


def a_deployment(
    name: str, *, image: str = "registry.example/app:1", replicas: int = 2, **spec: Any
) -> Manifest:
    """A Deployment of one container; `spec` are further fields of its spec."""
    labels = {"app": name}
    container = {"name": "app", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": pods,
            **spec,
        },
    }


def a_canary(
    name: str,
    *,
    target: str | None = None,
    service: Mapping[str, Any] | None = None,
    metrics: Sequence[Mapping[str, Any]] = (SUCCESS_RATE, DURATION),
    analysis: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Manifest:
    """A Canary that is measured each second and steps 40, 80; then promoted.

    `service` and `analysis` are laid over those of the default, `spec` over the spec.
    """
    steps = {"interval": "1s", "threshold": 2, "stepWeight": 40, "maxWeight": 80}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": name},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target or name},
            "progressDeadlineSeconds": 60,
            "service": {"port": 80, "targetPort": 8080, **(service or {})},
            "analysis": {**steps, "metrics": list(metrics), **(analysis or {})},
            **spec,
        },
    }


def a_secret(name: str, texts: Mapping[str, str]) -> Manifest:
    """A Secret with these texts."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "stringData": dict(texts),
    }


def a_provider(name: str) -> Manifest:
    """An AlertProvider for Slack with the Secret of its own name."""
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "AlertProvider",
        "metadata": {"name": name},
        "spec": {"type": "slack", "channel": "releases", "secretRef": {"name": name}},
    }


def a_template(name: str, address: str) -> Manifest:
    """A MetricTemplate that asks the Prometheus at `address` with the Secret of its own name."""
    provider = {"type": "prometheus", "address": address, "secretRef": {"name": name}}
    query = 'errors{destination_workload=~"{{ target }}"}'
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": name},
        "spec": {"provider": provider, "query": query},
    }
