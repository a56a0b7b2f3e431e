"""Builders with defaults for the tests of metrics."""

from typing import Any

from analysis.backends import Endpoint
from analysis.metrics.checks import Check, CheckKind, Subject
from config.api.canary import Canary

SUBJECT = Subject(canary="podinfo", namespace="test", target="podinfo-app", provider="istio")


def a_check(**changes: Any) -> Check:
    """An inline check named `errors` without bounds."""
    defaults: dict[str, Any] = {
        "metric": "errors",
        "kind": CheckKind.QUERY,
        "endpoint": Endpoint(address="http://prometheus:9090"),
        "query": "up",
        "minimum": None,
        "maximum": None,
        "subject": SUBJECT,
    }
    return Check(**{**defaults, **changes})


def a_canary(*metrics: dict[str, Any], **spec: Any) -> Canary:
    """The canary `podinfo` of namespace `test` on Deployment `podinfo-app` with these entries."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo-app"}
    return Canary.model_validate(
        {
            "metadata": {"name": "podinfo", "namespace": "test"},
            "spec": {
                "targetRef": target,
                "service": {"port": 80},
                "analysis": {
                    "interval": "1m",
                    "threshold": 5,
                    "stepWeight": 10,
                    "metrics": list(metrics),
                },
                **spec,
            },
        }
    )
